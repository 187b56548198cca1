"""What is kept of a node before a change, run for real below a folder, and put back from there."""

from __future__ import annotations

import base64

import pytest
from looks import DUAL, SHARING, desired

from selfbalance.desired import places
from selfbalance.operations import shell_kept
from selfbalance.plan import Act

WANT = desired()["web1"]
BEFORE = f"{places.KEPT}/before"
CONFIGS = "/etc/keepalived/keepalived.conf"


def deploy(node, word: str, *without: str) -> None:
    """Have every managed file say that word, but for some that are not there."""
    for file in WANT.all_files:
        node.path(file.path).unlink(missing_ok=True)
        if file.path not in without:
            node.write(file.path, word)
            node.path(file.path).chmod(file.mode)


def deployed(node) -> dict[str, str]:
    return {
        file.path: node.path(file.path).read_text()
        for file in WANT.all_files
        if node.path(file.path).exists()
    }


def good(node, command: str) -> str:
    ran = node.run(command)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def change(node, word: str, going_back: bool = False) -> None:
    """A change from its beginning to its end."""
    good(node, shell_kept.keep(WANT, going_back))
    deploy(node, word)
    good(node, shell_kept.settle(going_back))


def test_what_was_kept_is_put_back_to_the_bit_and_what_was_not_there_goes(node):
    deploy(node, "old", places.WATCH)
    before = node.files

    good(node, shell_kept.keep(WANT))
    deploy(node, "new")
    node.write(places.STAGED_CONFIG, "newer still")
    good(node, shell_kept.put_back(Act.RELOAD))
    good(node, shell_kept.forget())

    assert deployed(node) == {f.path: "old" for f in WANT.all_files if f.path != places.WATCH}
    assert node.files == before


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (Act.NONE, []),
        (Act.RELOAD, ["systemctl reload-or-restart keepalived.service"]),
        (Act.RESTART, ["systemctl restart keepalived.service"]),
        (Act.START, ["systemctl stop keepalived.service"]),
    ],
)
def test_keepalived_undoes_what_it_did_after_all_else_is_as_it_was(node, act, told):
    deploy(node, "old")
    good(node, shell_kept.keep(WANT))

    good(node, shell_kept.put_back(act))

    assert node.ran == [
        "systemctl daemon-reload",
        f"sysctl -q -p {BEFORE}/sysctls",
        "systemctl try-restart selfbalance-vip.service selfbalance-watch.service",
        *told,
    ]


def test_nothing_is_put_back_before_its_moment(node):
    deploy(node, "old")
    good(node, shell_kept.keep(WANT))
    deploy(node, "new")

    ran = node.run(shell_kept.put_back(Act.RELOAD, "exit 9"))

    assert ran.returncode == 9
    assert set(deployed(node).values()) == {"new"}
    assert node.ran == []


def test_without_anything_kept_nothing_is_touched(node):
    deploy(node, "new")

    ran = node.run(shell_kept.put_back(Act.RESTART))

    assert ran.returncode == 1
    assert ran.stderr == "no earlier configuration is kept\n"
    assert (node.ran, set(deployed(node).values())) == ([], {"new"})


def test_what_an_interrupted_run_has_kept_stays(node):
    """It is what worked; what is there now, nobody has proven."""
    deploy(node, "old")
    good(node, shell_kept.keep(WANT))
    deploy(node, "half done")

    good(node, shell_kept.keep(WANT))
    good(node, shell_kept.put_back(Act.NONE))

    assert set(deployed(node).values()) == {"old"}


def test_what_was_cut_short_is_kept_anew(node):
    deploy(node, "old")
    node.write(f"{places.KEPT}/new/files.tar", "torn")

    good(node, shell_kept.keep(WANT))
    deploy(node, "new")
    good(node, shell_kept.put_back(Act.NONE))

    assert set(deployed(node).values()) == {"old"}


def test_a_file_that_does_not_come_back_is_told(node):
    deploy(node, "old")
    good(node, shell_kept.keep(WANT))
    deploy(node, "new")
    node.program("mv", f'case "$*" in *{CONFIGS}*) exit 0 ;; esac; exec /bin/mv "$@"')

    ran = node.run(shell_kept.put_back(Act.RELOAD))

    assert ran.returncode != 0
    assert "keepalived.conf" in ran.stderr
    assert node.ran[-1].startswith("mv"), "keepalived was told something"


def test_the_sysctls_that_will_be_set_are_kept_with_their_values(node):
    good(node, shell_kept.keep(WANT))

    kept = node.path(f"{BEFORE}/sysctls").read_text().splitlines()
    assert {line.partition(" = ")[0] for line in kept} >= {"net.ipv4.conf.all.arp_ignore"}
    assert {line.partition(" = ")[0] for line in kept} <= set(WANT.sysctls)


def test_five_earlier_configurations_are_kept_and_the_last_comes_first(node):
    deploy(node, "0")
    for word in "1234567":
        change(node, word)

    assert sorted(each.name for each in node.path(places.KEPT).iterdir()) == list("12345")
    good(node, f"cp -r {places.KEPT}/5 {BEFORE}; {shell_kept.put_back(Act.NONE)}")
    assert set(deployed(node).values()) == {"2"}


def test_going_back_goes_one_further_each_time(node):
    deploy(node, "0")
    change(node, "1")
    change(node, "2")

    assert described(node) == "1"
    change(node, "1", going_back=True)
    assert described(node) == "0"
    change(node, "0", going_back=True)
    assert described(node) is None


def test_a_change_that_has_not_ended_is_gone_back_from_first(node):
    deploy(node, "0")
    change(node, "1")
    good(node, shell_kept.keep(WANT))
    deploy(node, "bad")

    assert described(node) == "1"
    change(node, "1", going_back=True)
    assert described(node) == "0"


def test_killed_on_its_way_back_it_goes_on_back(node):
    deploy(node, "0")
    change(node, "1")
    good(node, shell_kept.keep(WANT, going_back=True))
    deploy(node, "0")

    assert described(node) == "0"
    good(node, shell_kept.settle(going_back=True))
    assert described(node) is None


def test_who_goes_forward_after_a_way_back_was_killed_keeps_what_was(node):
    deploy(node, "0")
    change(node, "1")
    good(node, shell_kept.keep(WANT, going_back=True))
    deploy(node, "2")
    good(node, shell_kept.settle(going_back=False))

    assert described(node) == "1"


def described(node) -> str | None:
    said = good(node, shell_kept.described_before())
    return base64.b64decode(said).decode() if said else None


def test_where_nothing_is_kept_nothing_was_described_before(node):
    assert described(node) is None


def test_what_an_older_version_deployed_has_no_description(node):
    deploy(node, "old", places.DESCRIPTION)
    change(node, "new")

    assert described(node) is None


def test_what_is_described_alike_is_no_earlier_configuration(node):
    """Somebody's edit by hand was put right: to go back leads to another description."""
    deploy(node, "0")
    change(node, "1")
    node.write(places.GUARD, "edited")
    change(node, "1")

    assert described(node) == "0"
    assert [each.name for each in node.path(places.KEPT).iterdir()] == ["1"]


def test_a_change_that_changed_nothing_ends_at_once(node):
    good(node, shell_kept.settle(going_back=False))
    assert node.files == {}


def test_a_volumes_mount_unit_is_kept_too():
    (unit,) = (f.path for f in desired(SHARING)["web1"].files if f.path.endswith(".mount"))

    assert unit in shell_kept.keep(desired(SHARING)["web1"])


def test_vips_of_both_families_are_taken_away_and_the_filters_of_all_set_anew():
    vips = desired(DUAL)["web1"].vips

    command = shell_kept.take_away(vips, "lo", "eth0")

    assert "ip addr del 192.0.2.10/32 dev lo" in command
    assert "ip addr del 2001:db8:5b::10/128 dev lo" in command
    assert command.endswith("; systemctl restart selfbalance-vip.service")
