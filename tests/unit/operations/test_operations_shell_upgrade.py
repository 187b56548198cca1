"""The shell of an upgrade, run for real: marks, versions, packages there and back."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from looks import UPGRADE

from selfbalance.desired import places
from selfbalance.observed.upgrades import read_upgrade
from selfbalance.operations import shell_upgrade
from selfbalance.operations.shell_upgrade import UNIT, Lists
from selfbalance.plan import PackageVersions, read_versions

OLD, NEW = "1:2.2.7-1+b2", "1:2.3.3-1"
FILE = f"{places.ROLLBACK}/keepalived_1%3a2.2.7-1+b2_amd64.deb"

# --- marks ---

WORDS = ["ops@bastion", "o'brien@x", 'say "hi"@x', "CORP\\new@x", "$(id)@`id`", "ä∑@x", "%s\n@x"]


@pytest.mark.parametrize("by", WORDS)
def test_a_mark_is_read_again_as_it_was_written(node, by):
    mark = replace(UPGRADE, by=by, target={"keepalived": by})

    ran = node.run(shell_upgrade.write_mark(mark.line()))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert node.files == {places.UPGRADE: 0o600}
    lines = node.path(places.UPGRADE).read_text().splitlines()
    assert read_upgrade(lines) == {"upgrade": mark}


def test_a_mark_takes_the_place_of_another_one_whole(node):
    node.run(shell_upgrade.write_mark("old"))

    with node.path(places.UPGRADE).open() as old:
        node.run(shell_upgrade.write_mark("new"))
        assert old.read() == "old\n"

    assert node.path(places.UPGRADE).read_text() == "new\n"


def test_a_mark_that_cannot_be_written_is_a_failure_and_the_old_one_stays(node):
    node.run(shell_upgrade.write_mark("old"))
    node.path(f"{places.UPGRADE}.new").mkdir()

    ran = node.run(shell_upgrade.write_mark("new"))

    assert ran.returncode != 0
    assert ran.stderr
    assert node.path(places.UPGRADE).read_text() == "old\n"


@pytest.mark.parametrize("failing", ["sync", "mv"])
def test_a_disk_that_is_full_is_a_failure_and_the_old_mark_stays(node, failing):
    node.run(shell_upgrade.write_mark("old"))
    node.program(failing, f"echo '{failing}: No space left on device' >&2; exit 1\n")

    ran = node.run(shell_upgrade.write_mark("new"))

    assert ran.returncode != 0
    assert "No space left on device" in ran.stderr
    assert node.path(places.UPGRADE).read_text() == "old\n"


def test_a_mark_is_cleared_and_where_there_is_none_too(node):
    node.run(shell_upgrade.write_mark("old"))

    for _ in range(2):
        assert node.run(shell_upgrade.clear_mark()).returncode == 0
        assert node.files == {}


# --- versions ---

POLICY = """\
nginx:
  Installed: 1.22.1-9
  Candidate: {candidate}
  Version table:
     1.23.4-1 500
        500 http://deb.example.org/debian bookworm/main amd64 Packages
 *** 1.22.1-9 100
        100 /var/lib/dpkg/status
"""
MADISON = """\
     nginx |   1.23.4-1 | http://deb.example.org/debian bookworm/main amd64 Packages
     nginx |   1.22.1-9 | http://deb.example.org/debian bookworm/main amd64 Packages
"""
LISTS = "/var/lib/apt/lists"


@pytest.fixture
def debian(node):
    """A node with nginx 1.22.1-9, whose apt has 1.23.4-1; what it knows of others is nothing."""
    answers(node)
    return node


def answers(node, status: str = "ii ", candidate: str = "1.23.4-1") -> None:
    known = 'case "$*" in *nginx*) cat <<"END"\n{}END\n;; *) {} ;; esac\n'
    node.program("dpkg-query", known.format(f"nginx {status} 1.22.1-9\n", "exit 1"))
    policy, none = POLICY.format(candidate=candidate), "echo 'N: Unable to locate' >&2"
    node.program(
        "apt-cache",
        f'if [ "$1" = policy ]; then {known.format(policy, none)}else '
        f"{known.format(MADISON, none)}fi\n",
    )
    node.program("apt-get", "exit 0\n")


def versions(node, lists: Lists = Lists.AS_THEY_ARE, *packages: str):
    ran = node.run(shell_upgrade.ask_versions(packages or ["nginx"], lists))
    assert ran.returncode == 0, ran.stderr
    return read_versions(ran.stdout.splitlines())


BOTH = ("1.23.4-1", "1.22.1-9")


def test_what_is_installed_what_would_be_and_what_there_is(debian):
    assert versions(debian) == {"nginx": PackageVersions("1.22.1-9", "1.23.4-1", BOTH)}
    assert not [line for line in debian.ran if line.startswith("apt-get")]


@pytest.mark.parametrize("status", ["ii ", "hi "])
def test_a_package_on_hold_is_installed(debian, status):
    answers(debian, status)

    assert versions(debian)["nginx"].installed == "1.22.1-9"


@pytest.mark.parametrize("status", ["rc ", "un ", "iU ", "iF ", "iHR"])
def test_what_was_removed_or_is_half_there_is_not_installed(debian, status):
    answers(debian, status)

    assert versions(debian)["nginx"].installed is None


def test_no_candidate_is_none(debian):
    answers(debian, candidate="(none)")

    assert versions(debian)["nginx"].candidate is None


def test_what_nobody_knows_has_no_line(debian):
    assert versions(debian, Lists.AS_THEY_ARE, "nginx", "hello").keys() == {"nginx"}


def test_fetched_lists_come_before_the_question(debian):
    versions(debian, Lists.FETCHED)

    assert debian.ran[0].startswith("apt-get update ")


def test_another_who_fetches_lists_is_waited_for(debian):
    """`apt-get update` does not wait by itself: it says so, and fails."""
    free = debian.root / "free"
    debian.program("sleep", f"touch {free}\n")
    debian.program(
        "apt-get", f"[ -e {free} ] || {{ echo 'E: Could not get lock x' >&2; exit 100; }}\n"
    )

    versions(debian, Lists.FETCHED)

    assert [line.split()[0] for line in debian.ran[:3]] == ["apt-get", "sleep", "apt-get"]


def test_another_who_never_ends_is_not_waited_for_for_ever(debian):
    debian.program("sleep", "exit 0\n")
    debian.program("apt-get", "echo 'E: Could not get lock x' >&2; exit 100\n")

    ran = debian.run(shell_upgrade.ask_versions(["nginx"], Lists.FETCHED))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Could not get lock" in ran.stderr
    assert len([line for line in debian.ran if line.startswith("apt-get")]) == 61


@pytest.mark.parametrize("lists", [Lists.FETCHED, Lists.FETCHED_APART])
def test_lists_that_could_not_be_fetched_are_a_failure_and_nothing_is_asked(debian, lists):
    debian.program("apt-get", "echo 'E: Could not resolve deb.example.org' >&2; exit 100\n")

    ran = debian.run(shell_upgrade.ask_versions(["nginx"], lists))

    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "Could not resolve" in ran.stderr
    assert not [line for line in debian.ran if line.startswith("apt-cache")]


@pytest.mark.parametrize("lists", [Lists.FETCHED, Lists.FETCHED_APART])
def test_old_lists_used_instead_are_a_failure_too(debian, lists):
    """apt-get(8) update ends with 0 and a warning where a server does not answer."""
    versions(debian, lists)

    (update,) = [line for line in debian.ran if line.startswith("apt-get update")]
    assert "-o APT::Update::Error-Mode=any" in update


@pytest.mark.parametrize("status", [0, 100])
def test_lists_apart_leave_nothing_behind_and_the_nodes_own_as_they_are(
    debian, tmp_path_factory, monkeypatch, status
):
    """apt-get writes where its configuration says: that is read here as apt does."""
    apart = tmp_path_factory.mktemp("apart")
    monkeypatch.setenv("TMPDIR", str(apart))
    debian.write(f"{LISTS}/old", "old")
    debian.program(
        "apt-get",
        'folder=$(sed -n \'s/^Dir::State::Lists "\\(.*\\)";$/\\1/p\' "$APT_CONFIG")\n'
        '[ -d "$folder/partial" ] || exit 9\n'
        f'echo new >"$folder/new"; exit {status}\n',
    )

    ran = debian.run(
        "export TMPDIR="
        + str(apart)
        + "; "
        + shell_upgrade.ask_versions(["nginx"], Lists.FETCHED_APART)
    )

    assert ran.returncode == (1 if status else 0), ran.stderr
    assert list(apart.iterdir()) == []
    assert debian.files == {f"{LISTS}/old": debian.files[f"{LISTS}/old"]}


def test_a_folder_apart_that_cannot_be_made_is_a_failure(debian):
    debian.program("mktemp", "exit 1\n")

    ran = debian.run(shell_upgrade.ask_versions(["nginx"], Lists.FETCHED_APART))

    assert ran.returncode != 0
    assert ran.stdout == ""


# --- a unit of its own ---

SYSTEMD_RUN = """\
while [ $# -gt 0 ] && [ "$1" != sh ]; do
    case $1 in StandardOutput=append:*) log=${1#*append:} ;; esac
    shift
done
"$@" >>"$log" 2>&1
"""


@pytest.fixture
def unit(node):
    """A node whose systemd runs the unit at once; nothing was ever run there."""
    node.path("/var/log").mkdir(parents=True)
    node.program("systemd-run", SYSTEMD_RUN)
    node.program("systemctl", '[ "$1" != is-active ]\n')
    node.program("dpkg", "exit 0\n")
    node.program("apt-get", 'echo "apt did $*"\n')
    node.program("sleep", "exit 0\n")
    return node


def called(node, *programs: str) -> list[str]:
    return [line for line in node.ran if line.split()[0] in programs]


def test_packages_are_installed_in_these_versions_and_half_done_ones_mended_before(unit):
    ran = unit.run(shell_upgrade.install({"keepalived": NEW, "nginx": "1.23.4-1"}))

    assert ran.returncode == 0, ran.stderr
    mend, install = called(unit, "dpkg", "apt-get")
    assert mend == "dpkg --configure -a"
    assert install.endswith(f"install keepalived={NEW} nginx=1.23.4-1")
    assert "--allow-downgrades" in install
    assert "apt did" in unit.path(places.UPGRADE_LOG).read_text()
    assert unit.files == {places.UPGRADE_LOG: 0o600}


def test_a_unit_that_is_at_work_is_waited_for(unit):
    """A run that was killed has left it there."""
    unit.program(
        "systemctl", "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; [ $n -lt 3 ]\n"
    )

    ran = unit.run(f"cd {unit.root}; " + shell_upgrade.install({"keepalived": NEW}))

    assert ran.returncode == 0, ran.stderr
    programs = [line.split()[0] for line in unit.ran if not line.startswith("systemctl reset")]
    assert programs[: programs.index("systemd-run")] == ["systemctl", "sleep"] * 3 + ["systemctl"]


def test_a_unit_that_does_not_end_is_given_up_and_nothing_is_begun(unit):
    unit.program("systemctl", "exit 0\n")

    ran = unit.run(shell_upgrade.install({"keepalived": NEW}, patience_s=4))

    assert (ran.returncode, ran.stderr) == (1, f"{UNIT} does not end\n")
    assert len(called(unit, "sleep")) == 4
    assert called(unit, "systemd-run") == []


def test_a_failure_shows_the_end_of_the_log(unit):
    unit.write(places.UPGRADE_LOG, "of another day\n" * 20)
    unit.program("apt-get", "seq 20; echo 'E: Held packages were changed' ; exit 100\n")

    ran = unit.run(shell_upgrade.install({"keepalived": NEW}))

    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        *map(str, range(7, 21)),
        "E: Held packages were changed",
    ]


def test_what_cannot_be_mended_is_not_installed_over(unit):
    unit.program("dpkg", "exit 1\n")

    assert unit.run(shell_upgrade.install({"keepalived": NEW})).returncode == 1
    assert called(unit, "apt-get") == []


def test_a_systemd_that_does_not_answer_is_a_failure(unit):
    unit.program("systemd-run", "echo 'Failed to connect to bus' >&2; exit 1\n")

    ran = unit.run(shell_upgrade.install({"keepalived": NEW}))

    assert ran.returncode == 1
    assert "Failed to connect to bus" in ran.stderr


# --- a way back ---

DOWNLOAD = """\
[ "$1 $2" = "-q download" ] || exit 0
case $3 in
    *=gone*) echo "E: Version '${3#*=}' was not found" >&2; exit 100 ;;
    *) touch "${3%%=*}_$(echo "${3#*=}" | sed s/:/%3a/)_amd64.deb" ;;
esac
"""


@pytest.fixture
def keeping(unit):
    """A node whose apt can download every version but "gone"."""
    unit.program("apt-get", DOWNLOAD)
    unit.program("dpkg-query", "exit 1\n")
    return unit


def test_packages_are_kept_under_apts_names_and_for_root_only(keeping):
    ran = keeping.run(shell_upgrade.keep_packages({"keepalived": OLD, "nginx": "1.22~rc1-9"}))

    assert (ran.returncode, ran.stderr) == (0, "")
    kept = {path.rpartition("/")[2] for path in keeping.files}
    assert kept == {"keepalived_1%3a2.2.7-1+b2_amd64.deb", "nginx_1.22~rc1-9_amd64.deb"}
    assert keeping.path(places.ROLLBACK).stat().st_mode & 0o777 == 0o700


def test_what_an_upgrade_before_has_kept_goes(keeping):
    keeping.write(f"{places.ROLLBACK}/keepalived_1%3a2.2.6-1_amd64.deb", "")
    keeping.write(f"{places.ROLLBACK}/nginx_1.22.1-9_amd64.deb", "")

    keeping.run(shell_upgrade.keep_packages({"keepalived": OLD}))

    assert list(keeping.files) == [FILE]


def test_what_apt_has_no_more_is_said_and_stops_nothing(keeping):
    ran = keeping.run(shell_upgrade.keep_packages({"nginx": "gone", "keepalived": OLD}))

    assert ran.returncode == 0
    assert ran.stderr.splitlines()[-1] == (
        "nginx=gone is in no package list: it could not be put back"
    )
    assert list(keeping.files) == [FILE]


def test_what_the_interrupted_run_has_kept_stays_though_apt_has_forgotten_it(keeping):
    keeping.write(f"{places.ROLLBACK}/nginx_gone_amd64.deb", "kept")

    ran = keeping.run(shell_upgrade.keep_packages({"nginx": "gone"}))

    assert ran.returncode == 0
    assert "could not be put back" not in ran.stderr
    assert keeping.path(f"{places.ROLLBACK}/nginx_gone_amd64.deb").read_text() == "kept"


def test_nothing_to_keep_is_no_failure(keeping):
    assert keeping.run(shell_upgrade.keep_packages({})).returncode == 0


def put_back(node, *units: str, **versions: str) -> subprocess.CompletedProcess[str]:
    return node.run(shell_upgrade.put_back(versions, units))


def test_what_is_kept_is_installed_and_the_units_are_started(keeping):
    keeping.run(shell_upgrade.keep_packages({"keepalived": OLD}))

    ran = put_back(keeping, "keepalived.service", "nginx.service", keepalived=OLD)

    assert ran.returncode == 0, ran.stderr
    install = called(keeping, "apt-get")[-1]
    assert install.endswith(f"install {FILE}")
    assert "--allow-downgrades" in install
    starts = [line for line in called(keeping, "systemctl") if UNIT not in line]
    assert starts == [
        "systemctl reset-failed keepalived.service",
        "systemctl restart keepalived.service",
        "systemctl reset-failed nginx.service",
        "systemctl restart nginx.service",
    ]


@pytest.mark.parametrize("kept", [{}, {"nginx": "1.22.1-9"}, {"keepalived": "1:2.2.6-1"}])
def test_where_a_package_is_not_kept_nothing_is_put_back(keeping, kept):
    """Half of it would be neither the one nor the other."""
    keeping.run(shell_upgrade.keep_packages(kept))

    ran = put_back(keeping, "keepalived.service", keepalived=OLD)

    told = f"nothing is kept of keepalived {OLD}: it cannot be put back\n"
    assert (ran.returncode, ran.stderr) == (1, told)
    assert called(keeping, "systemd-run") == []


def test_what_is_installed_still_need_not_be_kept(keeping):
    """apt failed before it did anything; the units are started again all the same."""
    keeping.program("dpkg-query", f"echo 'installed {OLD}'\n")

    ran = put_back(keeping, "keepalived.service", keepalived=OLD)

    assert ran.returncode == 0, ran.stderr
    assert "systemctl restart keepalived.service" in keeping.ran


def test_a_unit_that_does_not_start_is_a_failure(keeping):
    keeping.run(shell_upgrade.keep_packages({"keepalived": OLD}))
    keeping.program("systemctl", "[ $1 != is-active ] && [ $1 != restart ]\n")

    assert put_back(keeping, "keepalived.service", keepalived=OLD).returncode != 0


def test_a_first_unit_that_does_not_start_is_a_failure_too(keeping):
    keeping.run(shell_upgrade.keep_packages({"keepalived": OLD}))
    keeping.program("systemctl", '[ $1 != is-active ] && [ "$*" != "restart a.service" ]\n')

    assert put_back(keeping, "a.service", "b.service", keepalived=OLD).returncode != 0
    assert "systemctl restart b.service" in keeping.ran


# --- a reboot ---


def test_a_reboot_lets_the_connection_go_before(node):
    node.program("sleep", "exit 0\n")

    ran = node.run(shell_upgrade.reboot() + " wait")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert node.ran == ["sleep 1", "systemctl reboot"]


def test_a_boots_id_is_the_kernels(node):
    said = node.run(shell_upgrade.boot_id()).stdout.strip()

    assert len(said) == 36


# --- every script ---

ODD = {"g++": "4:12.2.0-3", "lib-x.y": "1~rc1+dfsg-1"}


@pytest.mark.parametrize(
    "script",
    [
        shell_upgrade.write_mark(json.dumps({"by": "o'brien"})),
        shell_upgrade.clear_mark(),
        *(shell_upgrade.ask_versions(ODD, lists) for lists in Lists),
        *(shell_upgrade.ask_versions([], lists) for lists in Lists),
        shell_upgrade.install(ODD),
        shell_upgrade.keep_packages(ODD),
        shell_upgrade.keep_packages({}),
        shell_upgrade.put_back(ODD, ["a@b.service"]),
        shell_upgrade.put_back({}, []),
        shell_upgrade.reboot(),
        shell_upgrade.boot_id(),
    ],
)
def test_a_shell_accepts_it(script):
    ran = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
