"""The plan of a rolling upgrade: who, in which order, from what to what, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from clusters import steady
from hypothesis import given
from hypothesis import strategies as st
from looks import ACTIVE, NAMES, ROUTED, Look

from selfbalance.errors import UpgradeError
from selfbalance.observed import NodeState, Stage, UpgradeMark
from selfbalance.plan import PackageVersions, Turn, UpgradePlan, Wish, plan_upgrade, read_versions
from selfbalance.plan.upgrade import upstream
from selfbalance.plugins import Upgrade

OLD, NEW, NEWER = "1:2.2.7-1+b2", "1:2.2.8-1", "1:2.3.3-1"
KEEPALIVED = Upgrade(packages=("keepalived",), interrupts=False)
NAMED, REBOOT = Upgrade(named=True), Upgrade(reboots=True)
Versions = Mapping[str, Mapping[str, PackageVersions]]


def has(installed: str | None = OLD, candidate: str | None = NEW, *more: str) -> PackageVersions:
    """What a node has of a package, and could have."""
    listed = [each for each in (candidate, *more) if each]
    return PackageVersions(installed, candidate, tuple(listed))


def everywhere(there: PackageVersions, name: str = "keepalived") -> Versions:
    return {node: {name: there} for node in NAMES}


UPGRADABLE = everywhere(has(OLD, NEW, OLD))


def plan(
    look: Look | None = None,
    version: str | None = None,
    versions: Versions = UPGRADABLE,
    active: tuple[str, ...] = NAMES,
) -> UpgradePlan:
    wish = Wish("keepalived", {"keepalived": version})
    return plan_upgrade((look or Look()).view, wish, KEEPALIVED, versions, active)


def plan_reboot(look: Look) -> UpgradePlan:
    return plan_upgrade(look.view, Wish("reboot"), REBOOT, {}, NAMES)


def mark(stage: Stage, **changes: object) -> UpgradeMark:
    made = UpgradeMark(
        run="0123456789ab",
        by="ops@bastion",
        since=1_795_383_000,
        component="keepalived",
        stage=stage,
        before={"keepalived": OLD},
        target={"keepalived": NEW},
        boot="00000000-0000-4000-8000-00000000000f",
    )
    return replace(made, **changes)


def reboot_mark(stage: Stage) -> UpgradeMark:
    return mark(stage, component="reboot", before={}, target={})


def marked(**marks: UpgradeMark) -> Look:
    look = Look()
    for node, each in marks.items():
        look.change(node, upgrade=each)
    return look


def order(planned: UpgradePlan) -> list[str]:
    return [turn.node for turn in planned.turns]


def boot_id(name: str) -> str:
    seen = Look().nodes[name]
    assert isinstance(seen, NodeState)
    return seen.boot_id


# --- who, and in which order ---


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("web1", ["web2", "web3", "web1"]),
        ("web2", ["web1", "web3", "web2"]),
        ("web3", ["web1", "web2", "web3"]),
    ],
)
def test_backups_come_first_and_the_master_last(master, expected):
    assert order(plan(Look(master=master))) == expected
    assert order(plan_reboot(Look(master=master))) == expected


def test_who_is_master_of_any_instance_comes_after_who_is_of_none():
    assert order(plan(Look(ACTIVE, ("web1", "web2")))) == ["web3", "web1", "web2"]


@pytest.mark.parametrize("node", NAMES)
def test_a_node_that_is_in_progress_comes_first_of_all_even_if_it_is_master(node):
    look = marked(**dict.fromkeys(NAMES, mark(Stage.PLANNED)))
    look.change(node, upgrade=mark(Stage.IN_PROGRESS))

    assert order(plan(look))[0] == node


def test_a_turn_says_from_what_to_what_and_which_boot_it_was():
    first, *_ = plan().turns

    assert first == Turn("web1", {"keepalived": OLD}, {"keepalived": NEW}, boot_id("web1"))
    assert first.words == f"keepalived {OLD} -> {NEW}"


def test_nodes_that_have_it_are_current_and_have_no_turn():
    planned = plan(versions={**UPGRADABLE, "web3": {"keepalived": has(NEW, NEW, OLD)}})

    assert order(planned) == ["web1", "web2"]
    assert planned.current == ("web3",)
    assert planned.resumes is None


def test_where_all_are_current_there_is_nothing_to_do():
    assert plan(versions=everywhere(has(NEW, NEW))) == UpgradePlan((), NAMES)


# --- --limit ---


def test_a_node_that_only_serves_may_be_left_out():
    planned = plan(Look(ROUTED), active=("web1", "web2"))

    assert order(planned) == ["web1", "web2"]
    assert planned.current == ()


def test_a_director_that_works_may_not_be_left_out_and_nothing_was_changed():
    """It would go on to send clients to whoever is drained."""
    with pytest.raises(UpgradeError, match=r"web1 directs too.*; nothing was changed"):
        plan(active=("web2", "web3"))


def test_a_director_that_is_down_may_be_left_out():
    assert order(plan(Look().unobserved("web3"), active=("web1", "web2"))) == ["web1", "web2"]


def test_where_nothing_is_to_be_done_nobody_is_told_of_a_drain():
    planned = plan(versions=everywhere(has(NEW, NEW)), active=("web2",))

    assert planned == UpgradePlan((), ("web2",))


def test_what_a_node_that_is_left_out_has_is_not_asked():
    assert order(plan(Look(ROUTED), versions=_without("web3"), active=NAMES[:2])) == [*NAMES[:2]]


def _without(name: str) -> Versions:
    return {node: there for node, there in UPGRADABLE.items() if node != name}


# --- versions ---


@pytest.mark.parametrize("asked", [OLD, "2.2.7"])
def test_an_older_version_is_taken_when_it_is_asked_for_whole_or_by_its_upstream_part(asked):
    planned = plan(version=asked, versions=everywhere(has(NEW, NEW, OLD)))

    assert {each.target["keepalived"] for each in planned.turns} == {OLD}


def test_the_whole_version_comes_before_an_upstream_part_that_reads_alike():
    there = has("1", "1.0-2", "1.0")

    assert plan(version="1.0", versions=everywhere(there)).turns[0].target == {"keepalived": "1.0"}


def test_what_is_installed_may_be_asked_for_where_apt_has_forgotten_it():
    assert plan(version="2.2.7", versions=everywhere(has(OLD, NEW))).current == NAMES


@pytest.mark.parametrize(
    ("asked", "there", "said"),
    [
        ("9.9", has(OLD, NEW, OLD), f"there is no keepalived 9.9; apt has {NEW} {OLD}"),
        ("9.9", has(OLD, None), "there is no keepalived 9.9; apt has none"),
        ("2.2", has(OLD, NEW), f"there is no keepalived 2.2; apt has {NEW}"),
        (None, has(OLD, None), "apt knows no keepalived to install"),
        (None, has(None, NEW), "keepalived is not installed"),
        (NEW, has(None, NEW), "keepalived is not installed"),
    ],
)
def test_what_is_not_to_be_had_is_refused_with_the_nodes_name(asked, there, said):
    with pytest.raises(UpgradeError) as refused:
        plan(version=asked, versions=everywhere(there))

    assert str(refused.value) == f"web1: {said}; nothing was changed"


def test_a_node_that_said_nothing_of_a_package_has_none():
    with pytest.raises(UpgradeError, match="web3: keepalived is not installed"):
        plan(versions={**UPGRADABLE, "web3": {}})


def test_named_packages_each_have_their_version():
    wish = Wish("packages", {"nginx": "1.22.1-9", "openssl": None})
    there = {"nginx": has("1.22.1-8", "1.23-1", "1.22.1-9"), "openssl": has("3.0", "3.1")}

    turn = plan_upgrade(Look().view, wish, NAMED, dict.fromkeys(NAMES, there), NAMES).turns[0]

    assert turn.before == {"nginx": "1.22.1-8", "openssl": "3.0"}
    assert turn.target == {"nginx": "1.22.1-9", "openssl": "3.1"}
    assert turn.words == "nginx 1.22.1-8 -> 1.22.1-9, openssl 3.0 -> 3.1"
    assert wish.words == "nginx 1.22.1-9, openssl"


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("1:2.2.7-1+b2", "2.2.7"),
        ("2.2.7-1", "2.2.7"),
        ("2.2.7", "2.2.7"),
        ("1:2.2", "2.2"),
        ("1.0-rc1-2", "1.0-rc1"),
        ("0:1:2-3", "1:2"),
    ],
)
def test_the_upstream_part_of_a_version(whole, part):
    """Debian policy, 5.6.12: up to the first colon an epoch, from the last hyphen a revision."""
    assert upstream(whole) == part


@given(
    st.from_regex(r"[0-9][A-Za-z0-9.+~-]{0,9}", fullmatch=True),
    st.integers(0, 9),
    st.from_regex(r"[A-Za-z0-9+.~]{1,6}", fullmatch=True),
)
@steady(100)
def test_any_upstream_part_is_found_again(part, epoch, revision):
    assert upstream(f"{epoch}:{part}-{revision}") == part


# --- what nodes say of versions ---


def test_lines_of_several_packages_are_read():
    found = read_versions(
        [
            f"keepalived installed {OLD}",
            f"keepalived candidate {NEW}",
            f"keepalived available {NEW}",
            f"keepalived available {OLD}",
            "nginx candidate (none)",
        ]
    )

    assert found == {"keepalived": has(OLD, NEW, OLD), "nginx": PackageVersions()}


@pytest.mark.parametrize(
    "line", ["", "keepalived", "keepalived installed", "a installed 1 2", "a removed 1"]
)
def test_other_lines_are_an_error(line):
    with pytest.raises(ValueError, match=r".+"):
        read_versions([line])


# --- going on ---


def test_a_resumed_run_keeps_to_what_it_began_with_on_every_node():
    """Meanwhile apt has something newer. A node killed before it was marked goes along."""
    look = marked(web1=mark(Stage.IN_PROGRESS, drained=True), web3=mark(Stage.PLANNED))

    planned = plan(look, versions=everywhere(has(OLD, NEWER, NEW, OLD)))

    assert {turn.node: turn.target["keepalived"] for turn in planned.turns} == dict.fromkeys(
        NAMES, NEW
    )
    assert planned.resumes == mark(Stage.IN_PROGRESS, drained=True)
    assert [turn.resumed and turn.resumed.stage for turn in planned.turns] == [
        Stage.IN_PROGRESS,
        Stage.PLANNED,
        None,
    ]


def test_a_node_that_was_current_when_it_began_still_is():
    versions = {
        **everywhere(has(OLD, NEWER, NEW, OLD)),
        "web3": {"keepalived": has(NEW, NEWER, OLD)},
    }

    planned = plan(marked(web1=mark(Stage.PLANNED)), versions=versions)

    assert planned.current == ("web3",)


def test_a_node_that_cannot_have_what_it_was_begun_with_takes_what_it_can():
    """Nodes of two distributions."""
    look = marked(web1=mark(Stage.PLANNED))
    versions = {**UPGRADABLE, "web3": {"keepalived": has("2.0", "2.1")}}

    turns = {turn.node: turn.target["keepalived"] for turn in plan(look, versions=versions).turns}

    assert turns == {"web1": NEW, "web2": NEW, "web3": "2.1"}


def test_a_version_that_apt_has_forgotten_since_is_refused_before_anything_is_touched():
    look = marked(web1=mark(Stage.PLANNED))

    with pytest.raises(UpgradeError, match=f"web1: there is no keepalived {NEW}; apt has {NEWER}"):
        plan(look, versions=everywhere(has(OLD, NEWER)))
    assert order(plan(look, NEWER, everywhere(has(OLD, NEWER)))) == ["web1", "web3", "web2"]


def test_another_version_may_be_asked_for_and_what_was_before_stays():
    """As the command back does."""
    look = marked(web1=mark(Stage.IN_PROGRESS))

    (turn,) = plan(look, OLD, everywhere(has(OLD, NEW))).turns

    assert (turn.node, turn.before, turn.target) == (
        "web1",
        {"keepalived": OLD},
        {"keepalived": OLD},
    )


@pytest.mark.parametrize("asked", [None, NEW, "2.2.8"])
def test_what_a_power_loss_has_left_half_installed_goes_on(asked):
    look = marked(web1=mark(Stage.IN_PROGRESS))
    versions = {**UPGRADABLE, "web1": {"keepalived": has(None, NEW, OLD)}}

    turn = plan(look, asked, versions).turns[0]

    assert (turn.before, turn.target) == ({"keepalived": OLD}, {"keepalived": NEW})


def test_a_node_in_progress_has_a_turn_though_it_has_the_version_and_keeps_its_boot():
    look = marked(web3=mark(Stage.IN_PROGRESS))

    (turn,) = plan(look, versions=everywhere(has(NEW, NEW))).turns

    assert (turn.node, turn.boot) == ("web3", mark(Stage.DONE).boot)


def test_a_node_that_is_done_and_has_it_is_current():
    planned = plan(
        marked(web1=mark(Stage.DONE)),
        versions={**UPGRADABLE, "web1": {"keepalived": has(NEW, NEW)}},
    )

    assert (order(planned), planned.current) == (["web3", "web2"], ("web1",))


def test_killed_while_it_cleared_its_marks_all_are_current_and_it_resumes():
    planned = plan(marked(web3=mark(Stage.DONE)), versions=everywhere(has(NEW, NEW)))

    assert planned == UpgradePlan((), NAMES, mark(Stage.DONE))


@pytest.mark.parametrize("stage", Stage)
def test_another_components_mark_is_refused_with_what_ends_it(stage):
    with pytest.raises(UpgradeError) as refused:
        plan(marked(web3=reboot_mark(stage)))

    assert str(refused.value) == (
        "an upgrade of reboot by ops@bastion was interrupted, see web3; "
        "end that first: upgrade.py --data component=reboot"
    )


def test_other_packages_are_another_upgrade():
    """Its marks would be cleared, and with them the way back of what is half done."""
    nginx = mark(
        Stage.IN_PROGRESS,
        component="packages",
        before={"nginx": "1", "nginx-common": "1"},
        target={"nginx": "2", "nginx-common": "2"},
        named=True,
    )
    wish = Wish("packages", {"openssl": None})

    with pytest.raises(UpgradeError) as refused:
        plan_upgrade(marked(web2=nginx).view, wish, NAMED, UPGRADABLE, NAMES)

    assert str(refused.value) == (
        "an upgrade of nginx nginx-common by ops@bastion was interrupted, see web2; end that "
        "first: upgrade.py --data component=packages --data packages=nginx,nginx-common"
    )


def test_a_mark_on_a_node_that_is_left_out_is_one_too():
    look = Look(ROUTED).change("web3", upgrade=reboot_mark(Stage.PLANNED))

    with pytest.raises(UpgradeError, match="see web3"):
        plan(look, active=("web1", "web2"))


# --- reboots ---


def test_a_reboot_takes_every_node_and_notes_its_boot():
    planned = plan_reboot(Look())

    assert planned.turns == tuple(
        Turn(name, {}, {}, boot_id(name)) for name in ("web1", "web3", "web2")
    )
    assert planned.turns[0].words == "reboot"
    assert Wish("reboot").words == "reboot"


@pytest.mark.parametrize("stage", [Stage.PLANNED, Stage.IN_PROGRESS])
def test_a_reboot_that_goes_on_compares_with_the_boot_that_was_noted(stage):
    planned = plan_reboot(marked(web3=reboot_mark(stage)))

    boots = {turn.node: turn.boot for turn in planned.turns}
    assert boots == {
        "web3": mark(stage).boot,
        "web1": boot_id("web1"),
        "web2": boot_id("web2"),
    }
    assert (order(planned)[0] == "web3") is (stage is Stage.IN_PROGRESS)


def test_a_node_that_has_rebooted_is_not_rebooted_again():
    planned = plan_reboot(marked(web1=reboot_mark(Stage.DONE), web2=reboot_mark(Stage.PLANNED)))

    assert (order(planned), planned.current) == (["web3", "web2"], ("web1",))


def test_where_all_marks_that_are_left_are_done_so_is_everything():
    """Killed while it cleared them: those that are gone were done, too."""
    planned = plan_reboot(marked(web3=reboot_mark(Stage.DONE)))

    assert planned == UpgradePlan((), NAMES, reboot_mark(Stage.DONE))


# --- any state ---

STAGES = st.none() | st.sampled_from(Stage)


@given(
    st.sampled_from(NAMES),
    st.tuples(STAGES, STAGES, STAGES),
    st.tuples(*(st.sampled_from([OLD, NEW]) for _ in NAMES)),
)
@steady(200)
def test_whatever_was_interrupted_each_node_has_one_turn_or_is_current(master, stages, installed):
    look = Look(master=master)
    for name, stage in zip(NAMES, stages, strict=True):
        look.change(name, upgrade=stage and mark(stage))
    versions = {
        name: {"keepalived": has(each, NEWER, NEW, OLD)}
        for name, each in zip(NAMES, installed, strict=True)
    }

    planned = plan(look, versions=versions)

    assert sorted([*order(planned), *planned.current]) == [*NAMES]
    targets = {turn.target["keepalived"] for turn in planned.turns}
    assert targets <= ({NEW} if any(stages) else {NEWER})
    begun = [turn.resumed and turn.resumed.stage is Stage.IN_PROGRESS for turn in planned.turns]
    assert [bool(each) for each in begun] == sorted(map(bool, begun), reverse=True)
    if Stage.IN_PROGRESS not in stages and master in order(planned):
        assert order(planned)[-1] == master
