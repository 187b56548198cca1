"""A keepalived.conf that is not ours: what the script tells of it, and what that is taken for."""

from __future__ import annotations

import re
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from foundings import CONF, FILES, LINES, TO_BACKUP, lines, rendered
from looks import CLUSTER, VIP, desired, healthy
from printed import printed, with_section

from selfbalance.desired import places
from selfbalance.observed import SeenFounding, observation_script, parse
from selfbalance.observed.founding import read_founding


def seen(conf: str = CONF, *more: str) -> SeenFounding:
    found = read_founding([*lines(conf), *more])["founding"]
    assert isinstance(found, SeenFounding)
    return found


def test_the_design_of_2013_is_known_and_told_in_a_line():
    found = seen(CONF, *LINES)
    (instance,) = found.instances

    assert found.strange == ""
    assert (instance.vrid, instance.version, instance.advert_s) == (51, 2, 1.0)
    assert (instance.priority, instance.password, instance.peers) == (150, False, None)
    assert (instance.interface, instance.vips) == ("eth0", {VIP})
    (service,) = found.services
    assert (service.vip, service.port, service.scheduler) == (VIP, 80, "wrr")
    assert service.realservers == {(ip_address(f"192.0.2.1{n}"), 80) for n in (1, 2, 3)}
    assert found.words == (
        "of the 2013 design: VRRP version 2, VRID 51, priority 150, an advert each 1 s by "
        "multicast, no password; notify scripts clear, restore and save the IPVS table in "
        "/tmp/keepalived.ipvs"
    )


def test_a_dialect_of_its_own_is_read():
    conf = CONF.replace(
        "advert_int 1",
        "advert_int 3\n authentication {\n auth_type PASS\n auth_pass\n }\n"
        "unicast_peer\n {\n 192.0.2.12\n 192.0.2.13 }",
    )
    (instance,) = seen(conf, *LINES).instances

    assert (instance.advert_s, instance.password) == (3.0, True)
    assert instance.peers == {ip_address("192.0.2.12"), ip_address("192.0.2.13")}


def test_version_3_is_read_of_the_whole_or_of_the_instance():
    whole = CONF.replace("global_defs {", "global_defs {\n vrrp_version 3")
    own = CONF.replace("state MASTER", "state MASTER\n version 3")

    assert [seen(conf, *LINES).instances[0].version for conf in (whole, own)] == [3, 3]


STRANGE = {
    "more files": ("global_defs {", "include other.conf\nglobal_defs {", "not whole in one file"),
    "a track_script": ("state MASTER", "track_script {\n x\n }", "has track_script"),
    "another auth": ("advert_int 1", "authentication {\n auth_type AH\n }", "auth_type AH"),
    "no VRID": ("virtual_router_id 51", "", "virtual_router_id is missing"),
    "a name for a number": ("priority 150", "priority high", "VI_1"),
    "NAT": ("lb_kind DR", "lb_kind NAT", "not TCP by direct routing"),
    "UDP": ("protocol TCP", "protocol UDP", "not TCP by direct routing"),
    "persistence": ("protocol TCP", "persistence_timeout 50", "has persistence_timeout"),
    "a mark": ("virtual_server 192.0.2.10 80", "virtual_server fwmark 1", "not an address"),
    "no end": ("    }\n}\n", "    }\n", "no closing brace"),
    "too many ends": ("global_defs {", "}\nglobal_defs {", "closes nothing"),
    "a brace alone": ("global_defs {", "{\n}\nglobal_defs {", "opens nothing"),
    "no instance": ("vrrp_instance VI_1", "static_routes", "0 VRRP instances"),
}


@pytest.mark.parametrize(("old", "new", "said"), STRANGE.values(), ids=STRANGE)
def test_what_is_not_known_is_strange(old, new, said):
    assert old in CONF
    found = seen(CONF.replace(old, new), *LINES)

    assert said in found.strange
    assert found.words.startswith("neither selfbalance's nor of the 2013 design: ")


def test_without_scripts_that_clear_and_restore_it_is_another_design():
    found = seen(CONF, "script /x", "script /x ipvsadm -S -n")

    assert (
        found.strange == "no notify script that could be read does clear and restore the IPVS table"
    )


@pytest.mark.parametrize("line", ["", "something else", "config x"])
def test_other_lines_are_not_known(line):
    with pytest.raises(ValueError, match="foreign"):
        read_founding(["by nobody", line])


@pytest.mark.parametrize("by", [[], ["by"], ["by me"], ["by nobody", "by another"]])
def test_somebody_has_to_be_named(by):
    with pytest.raises(ValueError, match="who wrote"):
        read_founding(by)


def test_nothing_is_nothing_and_marks_of_a_migration_are_read():
    for by in ("by nobody", "by selfbalance"):
        assert read_founding([by]) == {"founding": None, "adopting": None, "left": ()}
    found = read_founding(["by selfbalance", "adopting 190", "left /etc/sysctl.d/60-lvs.conf"])
    assert found == {"founding": None, "adopting": 190, "left": ("/etc/sysctl.d/60-lvs.conf",)}


def test_what_cannot_be_read_is_unknown_in_a_whole_look():
    want = desired()["web1"]
    text = with_section(printed(healthy()["web1"], want), "founding", ["adopting many"])
    assert "founding" in parse("web1", text).unknown


# The script, run for real below a folder.


@pytest.fixture
def node(tmp_path: Path) -> Path:
    for path, template in FILES.items():
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered(template))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/keepalived.ipvs").write_text("-A\n")
    return tmp_path


def looked(root: Path) -> list[str]:
    text = observation_script(CLUSTER, desired()["web1"])
    helper = text[text.index("first() {") : text.index("look() {")]
    look = text.partition("section founding\n")[2].partition("section drop_in")[0]
    below = re.sub(r"(?<![\w./\[-])/(etc|var)/", rf"{root}/\1/", helper + look)
    for path in FILES:  # what they name is on the node, not on this machine
        file = root / path.lstrip("/")
        if file.exists():
            file.write_text(re.sub(r"(?<!\w)/(etc|tmp)/", rf"{root}/\1/", file.read_text()))
    ran = subprocess.run(["sh", "-eu", "-c", below], text=True, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.replace(str(root), "").splitlines()


def test_the_script_tells_what_the_reader_knows(node: Path):
    found = read_founding(looked(node))["founding"]

    assert found == seen(CONF, *LINES)


def test_no_password_and_no_command_leave_the_node(node: Path):
    conf = node / "etc/keepalived/keepalived.conf"
    conf.write_text(
        conf.read_text().replace(
            "advert_int 1",
            "advert_int 1\n authentication {\n auth_type PASS\n auth_pass sesame\n }\n"
            'misc_path "/bin/check --password sesame"',
        )
    )
    said = looked(node)

    assert "sesame" not in "\n".join(said)
    assert "conf auth_pass" in [" ".join(line.split()) for line in said]
    assert "misc_path" in read_founding(said)["founding"].strange


def test_of_our_own_configuration_nothing_is_told(node: Path):
    (node / "etc/keepalived/keepalived.conf").write_text(desired()["web1"].config.content)
    assert looked(node) == ["by selfbalance"]
    (node / "etc/keepalived/keepalived.conf").unlink()
    assert looked(node) == ["by nobody"]


def test_while_it_is_taken_over_what_is_left_is_told(node: Path):
    (node / "etc/keepalived/keepalived.conf").write_text(desired()["web1"].config.content)
    kept = node / places.ADOPTED.lstrip("/")
    kept.mkdir(parents=True)
    (node / places.ADOPTING.lstrip("/")).write_text("190\n")
    paths = [f"{node}{path}" for path in FILES]
    (kept / "files").write_text("".join(f"{path}\n" for path in paths))

    assert looked(node)[0] == "adopting 190"
    assert set(looked(node)[1:-1]) == {f"left {path}" for path in FILES if path != places.CONFIG}
    (node / "etc/sysctl.d/60-lvs.conf").write_text("vm.swappiness = 1\n")
    (node / TO_BACKUP.lstrip("/")).unlink()
    assert looked(node) == [
        *("adopting 190", "left /etc/keepalived/to_master.sh", "by selfbalance")
    ]
