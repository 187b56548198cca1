"""What to do on one node: nothing where nothing differs, and for each difference the right act."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clusters import clusters, steady
from hypothesis import given
from hypothesis import strategies as st
from looks import (
    ACTIVE,
    APART,
    CLUSTER,
    DUAL,
    NAMES,
    ROUTED,
    ROUTED_APART,
    SHARING,
    VIP,
    VIP6,
    Look,
    bare,
    described,
    desired,
    healthy,
)
from printed import SECTIONS

from selfbalance.desired import DesiredNode, File, places
from selfbalance.observed import NodeState, SeenFile, SeenMarks, SeenUnit
from selfbalance.plan import Act, NodePlan, begins_later, lacking_modules, plan_node

WEB1 = desired()["web1"]
GOOD = healthy()["web1"]
FILES = {file.path: file for file in WEB1.all_files}
CONFIG, GUARD = FILES[places.CONFIG], FILES[places.GUARD]


def plan(**changes: object) -> NodePlan:
    """The plan of a healthy BACKUP but for these fields."""
    return plan_node(WEB1, replace(GOOD, **changes))


def files(path: str, **changes: object) -> dict[str, SeenFile]:
    return {**GOOD.files, path: replace(GOOD.files[path], **changes)}


def units(name: str, **changes: object) -> dict[str, SeenUnit]:
    return {**GOOD.units, name: replace(GOOD.units[name], **changes)}


@pytest.mark.parametrize(
    "cluster",
    [CLUSTER, DUAL, APART, ACTIVE, ROUTED, ROUTED_APART],
    ids=["one VIP", "both families", "apart", "active/active", "routed", "routed, apart"],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_node_as_described_is_left_alone(name, cluster):
    made = plan_node(desired(cluster)[name], healthy(cluster)[name])

    assert made.empty
    assert (made.harmless, made.kernel, made.agreed, made.lines()) == (False, False, False, ())


def test_a_bare_node_gets_everything_in_the_order_in_which_it_is_done():
    made = plan_node(WEB1, bare(CLUSTER, "web1"))

    assert made.lines() == (
        "install keepalived ipvsadm",
        *(f"write {file.path}" for file in WEB1.all_files),
        "load module ip_vs ip_vs_mh",
        "set net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.arp_ignore=1 "
        "net.ipv4.vs.backup_only=1 net.ipv4.vs.conn_reuse_mode=3 "
        "net.ipv4.vs.expire_nodest_conn=1 net.ipv4.vs.expire_quiescent_template=1 "
        "net.ipv4.vs.sloppy_tcp=1 net.ipv4.vs.sync_refresh_period=10 net.ipv4.vs.sync_retries=2 "
        "net.ipv4.vs.sync_threshold=3 0",
        "enable selfbalance-vip.service keepalived.service selfbalance-watch.service",
        "put the VIPs on their interface",
        "start keepalived",
    )
    assert (made.files, made.config, made.act) == (WEB1.files, WEB1.config, Act.START)


MOUNT = "srv-shared.mount"


@pytest.mark.parametrize("name", NAMES)
def test_a_node_that_shares_as_described_is_left_alone(name):
    assert plan_node(desired(SHARING)[name], healthy(SHARING)[name]).empty


@pytest.mark.parametrize(
    ("unit", "changes", "lines"),
    [
        # What is mounted when, another plan says.
        (MOUNT, {"active": "inactive"}, ()),
        (MOUNT, {"enabled": "disabled"}, (f"enable {MOUNT}",)),
        ("glusterd.service", {"active": "failed"}, ("enable glusterd.service",)),
    ],
)
def test_of_a_volume_gluster_has_to_run_and_the_mount_to_come_at_boot(unit, changes, lines):
    seen = healthy(SHARING)["web1"]
    odd = {**seen.units, unit: replace(seen.units[unit], **changes)}

    made = plan_node(desired(SHARING)["web1"], replace(seen, units=odd))

    assert (made.lines(), made.act) == (lines, Act.NONE)
    assert begins_later(unit) is (unit == MOUNT)


DEAD = units("keepalived.service", active="inactive", sub="dead")
TABLE = GOOD.table[0]
FEWER = (replace(TABLE, realservers=TABLE.realservers[:2]),)
HARMLESS = {
    "a package": (
        {"packages": {"keepalived": "1:2.2.7-1+b2"}},
        ("install ipvsadm",),
        Act.NONE,
    ),
    "a file changed": (
        {"files": files(places.GUARD, sha256="0" * 64)},
        (f"write {places.GUARD}",),
        Act.NONE,
    ),
    "a file missing": (
        {"files": {path: seen for path, seen in GOOD.files.items() if path != places.SYSCTLS}},
        (f"write {places.SYSCTLS}",),
        Act.NONE,
    ),
    "a mode": ({"files": files(places.GUARD, mode=0o755)}, (f"write {places.GUARD}",), Act.NONE),
    "an owner": ({"files": files(places.GUARD, uid=33)}, (f"write {places.GUARD}",), Act.NONE),
    "a group": ({"files": files(places.GUARD, gid=33)}, (f"write {places.GUARD}",), Act.NONE),
    "a module": ({"modules": frozenset({"ip_vs"})}, ("load module ip_vs_mh",), Act.NONE),
    "a sysctl": (
        {"sysctls": {**GOOD.sysctls, "net.ipv4.vs.backup_only": "0"}},
        ("set net.ipv4.vs.backup_only=1",),
        Act.NONE,
    ),
    "a VIP on lo": (
        {"addresses": {**GOOD.addresses, "lo": GOOD.addresses["lo"] - {VIP}}},
        ("put the VIPs on their interface",),
        Act.NONE,
    ),
    "resets that are not held back": (
        {"held_resets": frozenset()},
        ("put the VIPs on their interface",),
        Act.NONE,
    ),
    "the VIP's unit inactive": (
        {"units": units("selfbalance-vip.service", active="failed")},
        ("enable selfbalance-vip.service", "put the VIPs on their interface"),
        Act.NONE,
    ),
    "the watch inactive": (
        {"units": units("selfbalance-watch.service", active="inactive")},
        ("enable selfbalance-watch.service",),
        Act.NONE,
    ),
    "keepalived not at boot": (
        {"units": units("keepalived.service", enabled="disabled")},
        ("enable keepalived.service",),
        Act.NONE,
    ),
    "units not read again": (
        {"units": units("keepalived.service", needs_reload=True)},
        ("enable keepalived.service",),
        Act.NONE,
    ),
    "the configuration": (
        {"files": files(places.CONFIG, sha256="0" * 64)},
        (f"write {places.CONFIG}", "reload keepalived"),
        Act.RELOAD,
    ),
    "the configuration's mode": (
        {"files": files(places.CONFIG, mode=0o644)},
        (f"write {places.CONFIG}", "reload keepalived"),
        Act.RELOAD,
    ),
    "a drop-in that an interrupted run has written": (
        {"drop_in_read": False},
        ("restart keepalived",),
        Act.RESTART,
    ),
    "the drop-in": (
        {"files": files(places.DROP_IN, sha256="0" * 64)},
        (f"write {places.DROP_IN}", "restart keepalived"),
        Act.RESTART,
    ),
    "keepalived dead": ({"units": DEAD}, ("start keepalived",), Act.START),
    "keepalived dead, with another configuration": (
        {"units": DEAD, "files": files(places.CONFIG, sha256="0" * 64)},
        (f"write {places.CONFIG}", "start keepalived"),
        Act.START,
    ),
    "a table changed behind keepalived": ({"table": FEWER}, ("restart keepalived",), Act.RESTART),
    "an empty table": ({"table": ()}, ("restart keepalived",), Act.RESTART),
    "no sync daemon": ({"sync": frozenset()}, ("restart keepalived",), Act.RESTART),
    "two sync daemons": (
        {"sync": frozenset({"master", "backup"})},
        ("restart keepalived",),
        Act.RESTART,
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_one_difference_is_one_act(name):
    changes, lines, act = HARMLESS[name]

    made = plan(**changes)

    assert made.lines() == lines
    assert made.act is act
    assert not made.empty
    # What is said beside keepalived's act is what is prepared, and nothing is prepared unsaid.
    assert made.harmless is any(not line.endswith(" keepalived") for line in lines)


ACTIVE1 = desired(ACTIVE)["web1"]
ACTIVE_GOOD = healthy(ACTIVE)["web1"]
KNOWN = ACTIVE_GOOD.marks.peers
MARKED = ACTIVE_GOOD.marks.services


@pytest.mark.parametrize(
    "marks",
    [
        SeenMarks(),
        SeenMarks("nft", {}, KNOWN),
        SeenMarks("nft", dict(list(MARKED.items())[1:]), KNOWN),
        SeenMarks("tc", MARKED, {}),
        SeenMarks("tc", MARKED, {**KNOWN, "02:00:5e:10:00:00": frozenset(MARKED)}),
        SeenMarks("tc", MARKED, dict.fromkeys(KNOWN, frozenset(list(MARKED)[:1]))),
    ],
    ids=["none", "no service", "one less", "no peer", "a stranger", "a peer for one service"],
)
def test_marks_that_are_odd_are_set_anew_and_keepalived_goes_on(marks):
    made = plan_node(ACTIVE1, replace(ACTIVE_GOOD, marks=marks))

    assert (made.lines(), made.act) == (("put the VIPs on their interface",), Act.NONE)


@pytest.mark.parametrize("tool", ["nft", "iptables-legacy", "tc"])
def test_whichever_tool_marks_is_fine(tool):
    marks = replace(ACTIVE_GOOD.marks, tool=tool)

    assert plan_node(ACTIVE1, replace(ACTIVE_GOOD, marks=marks)).empty


@pytest.mark.parametrize("sync", [(), ("master",), ("backup",)])
@pytest.mark.parametrize("config", [False, True])
def test_sync_daemons_start_with_keepalived_only(sync, config):
    """A reload changes no sync daemon, also where it is the new configuration that wants both."""
    seen = replace(ACTIVE_GOOD, sync=frozenset(sync))
    if config:
        old = replace(seen.files[places.CONFIG], sha256="0" * 64)
        seen = replace(seen, files={**seen.files, places.CONFIG: old})

    assert plan_node(ACTIVE1, seen).act is Act.RESTART


def test_a_weight_that_no_check_gives_is_put_right():
    service = GOOD.table[0]
    odd = (replace(service.realservers[0], weight=7), *service.realservers[1:])

    assert plan(table=(replace(service, realservers=odd), *GOOD.table[1:])).act is Act.RESTART


def test_a_drained_realserver_is_the_checks_business():
    assert plan(table=Look().weigh(0, "web2").nodes["web1"].table).empty


OLD = {"files": files(places.CONFIG, sha256="0" * 64)}


@pytest.mark.parametrize(
    ("changes", "agreed"),
    [
        ({**OLD, "dialect": "0ther"}, True),
        ({**OLD, "dialect": ""}, True),
        (OLD, False),
        ({**OLD, "table": FEWER}, False),
        ({**OLD, "dialect": "0ther", "units": DEAD}, False),
        ({"dialect": "0ther"}, False),
    ],
    ids=["another", "not known", "the same", "another table", "dead", "the file is today's"],
)
def test_vrrp_peers_have_to_agree_where_their_adverts_change(changes, agreed):
    assert plan(**changes).agreed is agreed


def test_a_node_that_only_serves_has_no_peers_to_agree_with():
    seen = healthy(ROUTED)["web3"]
    old = {**seen.files, places.CONFIG: replace(seen.files[places.CONFIG], sha256="0" * 64)}

    made = plan_node(desired(ROUTED)["web3"], replace(seen, files=old, dialect="0ther"))

    assert (made.act, made.agreed) == (Act.RELOAD, False)


def test_a_node_is_new_where_it_has_no_configuration():
    assert not plan().new
    assert plan_node(WEB1, bare(CLUSTER, "web1")).new


def test_a_vip_that_is_not_described_any_more_is_taken_away():
    made = plan(held_resets=GOOD.held_resets | {VIP6})

    assert made.strays == (VIP6,)
    assert made.lines() == (f"take away {VIP6}",)
    assert (made.empty, made.harmless, made.act) == (False, False, Act.NONE)


LACKS = {"kernel": "6.1.176", "modules": frozenset({"ip_vs"})}


def lacking(look: Look, *names: str) -> str:
    return lacking_modules(desired(), look.view.state, names or NAMES)


def test_a_module_that_is_loaded_or_can_be_is_not_lacking():
    look = Look().change("web2", modules=frozenset())

    assert lacking(Look()) == lacking(look) == ""


def test_a_module_that_a_kernel_lacks_is_said_with_node_and_kernel():
    look = Look().change("web2", unavailable=frozenset({"ip_vs_mh", "ip_vs_sed"}), **LACKS)

    assert lacking(look) == "web2: its kernel 6.1.176 has no module ip_vs_mh"
    assert lacking(look, "web1", "web3") == ""


def test_all_that_is_lacking_is_one_line():
    look = Look().change("web1", unavailable=frozenset({"ip_vs", "ip_vs_mh"}), **LACKS)
    look.change("web3", unavailable=frozenset({"ip_vs_mh"}), **LACKS)

    assert lacking(look) == (
        "web1: its kernel 6.1.176 has no module ip_vs nor ip_vs_mh; "
        "web3: its kernel 6.1.176 has no module ip_vs_mh"
    )


def test_modules_that_could_not_be_observed_count_as_bad():
    assert lacking(Look().unknown("web2", "modules")) == (
        "web2: which modules its kernel has could not be observed: modules went wrong"
    )


def test_a_node_that_was_not_seen_is_not_said_to_lack_anything():
    assert lacking(Look().unobserved("web2")) == ""


@pytest.mark.parametrize(("old", "new"), [("dr", "tun"), ("tun", "dr")])
def test_another_way_of_forwarding_is_a_restart(old, new):
    """The kernel would keep connections of both ways, and one route for both."""
    made = plan_node(
        desired(described(forwarding=new))["web1"], healthy(described(forwarding=old))["web1"]
    )

    assert (made.act, made.agreed) == (Act.RESTART, False)


def test_another_wrapping_is_a_reload():
    seen = healthy(described(forwarding="tun"))["web1"]

    made = plan_node(desired(described(forwarding="tun-gue"))["web1"], seen)

    assert made.act is Act.RELOAD


TUNNEL = {
    "its interface is down": {"up": frozenset({"tunl0"})},
    "the segment size is the link's own": {"segments": {}},
    "the MTU has changed": {"mtu": 1400},
}


@pytest.mark.parametrize("name", ["web1", "web3"])
@pytest.mark.parametrize("changes", TUNNEL.values(), ids=TUNNEL)
def test_a_tunnel_is_put_right_without_keepalived(name, changes):
    seen = replace(healthy(ROUTED)[name], **changes)

    assert plan_node(desired(ROUTED)[name], seen).lines() == ("put the VIPs on their interface",)


def test_a_table_on_a_node_that_only_serves_is_for_a_person_to_look_at():
    seen = replace(healthy(ROUTED)["web3"], table=healthy(ROUTED)["web1"].table)

    assert plan_node(desired(ROUTED)["web3"], seen).act is Act.NONE


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_unknown_never_touches_keepalived(section):
    """An act on what could not be seen would be a guess; to write a file again is none."""
    assert plan_node(WEB1, Look().unknown("web1", section).nodes["web1"]).act is Act.NONE


def test_a_plan_shows_no_content():
    made = plan(files={})

    assert GUARD.content not in repr(made)
    assert CONFIG.content not in repr(made)


def applied(want: DesiredNode, seen: NodeState) -> NodeState:
    """The node after its plan was carried out, as far as a plan goes."""
    made = plan_node(want, seen)
    written = {file.path: _written(file) for file in (*made.files, *filter(None, [made.config]))}
    done = healthy_like(want)
    return replace(
        seen,
        packages={**seen.packages, **dict.fromkeys(made.packages, "1")},
        files={**seen.files, **written},
        modules=seen.modules | {*made.modules},
        sysctls={**seen.sysctls, **made.sysctls},
        units={**seen.units, **{u: done.units[u] for u in made.units}}
        | ({"keepalived.service": done.units["keepalived.service"]} if _acts(made) else {}),
        addresses=done.addresses if made.vips else seen.addresses,
        held_resets=done.held_resets if made.vips else seen.held_resets - {*made.strays},
        marks=done.marks if made.vips else seen.marks,
        segments=done.segments if made.vips else seen.segments,
        up=done.up if made.vips else seen.up,
        table=done.table if _acts(made) else seen.table,
        sync=done.sync if _acts(made) else seen.sync,
        dialect=done.dialect if made.config else seen.dialect,
        drop_in_read=made.act in (Act.START, Act.RESTART) or seen.drop_in_read,
    )


def _written(file: File) -> SeenFile:
    return SeenFile(file.sha256, file.mode, 0, 0)


def _acts(made: NodePlan) -> bool:
    return made.act is not Act.NONE


def healthy_like(want: DesiredNode) -> NodeState:
    cluster = next(c for c in (CLUSTER, DUAL, ACTIVE, ROUTED) if desired(c).get(want.name) == want)
    return healthy(cluster)[want.name]


@given(
    st.sampled_from((CLUSTER, DUAL, ACTIVE, ROUTED)),
    st.sampled_from(NAMES),
    st.sets(st.sampled_from([f for f in vars(GOOD) if f not in {"name", "unknown", "mac"}])),
)
@steady(60)
def test_what_is_carried_out_has_not_to_be_done_again(cluster, name, fields):
    """Whatever mixture of bare and deployed a node is, one run is enough."""
    want, good, empty = desired(cluster)[name], healthy(cluster)[name], bare(cluster, name)
    seen = replace(good, **{field: getattr(empty, field) for field in fields})

    assert plan_node(want, applied(want, seen)).empty


@given(clusters(max_nodes=3))
@steady(10)
def test_the_same_look_gives_the_same_plan(cluster):
    for name, want in desired(cluster).items():
        assert plan_node(want, healthy(cluster, name)[name]).empty
        assert plan_node(want, bare(cluster, name)) == plan_node(want, bare(cluster, name))


def test_a_table_apart_that_somebody_emptied_is_filled_by_a_restart_the_nodes_own_is_not():
    want, good = desired(APART)["web2"], healthy(APART)["web2"]

    assert plan_node(want, replace(good, kept=())).act is Act.RESTART
    assert plan_node(want, replace(good, table=())).act is Act.NONE


@pytest.mark.parametrize(("old", "new"), [(CLUSTER, APART), (APART, CLUSTER)])
def test_another_standby_mode_goes_node_by_node_by_a_restart(old, new):
    for name, seen in healthy(old).items():
        made = plan_node(desired(new)[name], seen)
        assert (made.act, made.agreed) == (Act.RESTART, False)
