"""A volume as described: where its copies are, what its unit is called, and what is refused."""

from __future__ import annotations

import copy
import pickle
import shutil
import subprocess
from ipaddress import ip_address

import pytest
from described_twice import GONE, changed, cluster, refused_in_code, refused_in_toml, toml

from selfbalance.model import Cluster, Volume, from_toml
from selfbalance.model.volume import FEWEST_COPIES, OURS

SHARED = {"name": "shared", "brick": "/data/shared", "mount": "/srv/shared"}
OTHER = {"name": "other", "brick": "/data/other", "mount": "/srv/other"}
WHOLE = {
    **SHARED,
    "bricks": {"web2": "/ssd/shared"},
    "replica": 3,
    "arbiter": True,
    "options": {"storage.owner-uid": "33", "network.ping-timeout": "5"},
    "clients": ["198.51.100.7", "2001:db8::7"],
    "on_root": True,
}
FOURTH = ("nodes.3", {"name": "web4", "address": "192.0.2.14", "address6": "2001:db8::14"})


def shared(**changes: object) -> dict:
    return {**SHARED, **changes}


def with_volumes(*volumes: dict, changes: tuple = ()) -> dict:
    return changed(*changes, ("volumes", list(volumes)))


def volume_of(*changes: tuple[str, object], **values: object) -> tuple[Cluster, Volume]:
    made = cluster(*changes, ("volumes", [shared(**values)]))
    return made, made.volumes[0]


# --- what it says ---


def test_toml_and_code_describe_the_same_volume():
    description = with_volumes(WHOLE, OTHER)

    described = Cluster(**description)

    assert from_toml(toml(description), "prod.toml") == described
    assert described.volumes[0] == Volume(
        name="shared",
        brick="/data/shared",
        mount="/srv/shared",
        bricks={"web2": "/ssd/shared"},
        replica=3,
        arbiter=True,
        options={"storage.owner-uid": "33", "network.ping-timeout": "5"},
        clients=["198.51.100.7", "2001:db8::7"],
        on_root=True,
    )
    assert described.volumes[0].clients == (ip_address("198.51.100.7"), ip_address("2001:db8::7"))


def test_a_short_volume_says_what_the_long_one_says():
    assert Volume(**SHARED) == Volume(
        **SHARED, bricks={}, replica=None, arbiter=False, options={}, clients=[], on_root=False
    )


def test_a_cluster_has_no_volume_unless_said():
    assert cluster().volumes == ()


def test_a_described_volume_cannot_change_and_may_be_a_key():
    """As everything described: whoever holds it may count on it."""
    one, other = Volume(**WHOLE), Volume(**copy.deepcopy(WHOLE))

    assert (one, hash(one)) == (other, hash(other))
    assert hash(one) != hash(Volume(**{**WHOLE, "options": {}}))
    for mapping in (one.options, one.bricks, Volume(**SHARED).options):
        with pytest.raises(TypeError, match="cannot change"):
            mapping["network.ping-timeout"] = "42"
        with pytest.raises(TypeError, match="cannot change"):
            mapping.update(more="1")
        with pytest.raises(TypeError, match="cannot change"):
            mapping |= {"more": "1"}
        with pytest.raises(TypeError, match="cannot change"):
            mapping.clear()
    assert one == other


def test_what_was_handed_over_may_change_afterwards():
    options = {"storage.owner-uid": "33"}

    volume = Volume(**shared(options=options))
    options["storage.owner-uid"] = "0"

    assert volume.options == {"storage.owner-uid": "33"}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_a_copy_of_a_volume_is_the_same(again):
    volume = Volume(**WHOLE)

    assert again(volume) == volume
    assert again(volume.options) == volume.options


def test_it_is_shown_as_it_was_described():
    described, _ = volume_of(options={"storage.owner-uid": "33"}, clients=["198.51.100.7"])

    (shown,) = described.to_json()["volumes"]

    assert shown == {
        **SHARED,
        "bricks": {},
        "replica": None,
        "arbiter": False,
        "options": {"storage.owner-uid": "33"},
        "clients": ["198.51.100.7"],
        "on_root": False,
    }


# --- where its copies are ---


@pytest.mark.parametrize(
    ("replica", "holders"),
    [
        (None, ["web1", "web2", "web3", "web4"]),
        (3, ["web1", "web2", "web3"]),
        (4, ["web1", "web2", "web3", "web4"]),
    ],
)
def test_the_first_nodes_have_a_copy_and_every_node_unless_said(replica, holders):
    described, volume = volume_of(FOURTH, replica=replica)

    assert [node.name for node in described.holders_of(volume)] == holders


def test_a_node_may_have_its_copy_elsewhere():
    _, volume = volume_of(bricks={"web2": "/ssd/shared"})

    assert [volume.brick_on(name) for name in ("web1", "web2", "web3")] == [
        "/data/shared",
        "/ssd/shared",
        "/data/shared",
    ]


# --- the name of its mount unit ---

UNITS = {
    "/srv/shared": "srv-shared.mount",
    "/srv/my-files": r"srv-my\x2dfiles.mount",
    "/srv/a.b": "srv-a.b.mount",
    "/.hidden": r"\x2ehidden.mount",
    "/.hidden/x": r"\x2ehidden-x.mount",
    "/srv/.x": "srv-.x.mount",
    "/-": r"\x2d.mount",
    "/data/_x_y": "data-_x_y.mount",
    "/_x": "_x.mount",
    "/a--b/c": r"a\x2d\x2db-c.mount",
    "/9/9": "9-9.mount",
    "/srv/A.B-C_d": r"srv-A.B\x2dC_d.mount",
    "/srv/..x": "srv-..x.mount",
}


@pytest.mark.parametrize(("folder", "unit"), UNITS.items(), ids=UNITS)
def test_its_mount_unit_is_called_as_systemd_does(folder, unit):
    assert Volume(**shared(mount=folder)).mount_unit == unit


@pytest.mark.skipif(not shutil.which("systemd-escape"), reason="no systemd-escape here")
@pytest.mark.parametrize("folder", UNITS)
def test_systemd_itself_says_the_same(folder):
    said = subprocess.run(
        ["systemd-escape", "-p", "--suffix=mount", folder],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"{UNITS[folder]}\n"


# --- what is refused ---

FEW = "cannot tell a dead peer from a cut cable; a volume needs 3"
FIVE = [("nodes.3", FOURTH[1]), ("nodes.4", {**FOURTH[1], "name": "web5", "address": "192.0.2.15",
        "address6": "2001:db8::15"})]  # fmt: skip
FOLDERS = "are one in the other; give each a folder of its own"
ONLY_SIX = [
    ("vips", [{"address": "2001:db8::10"}]),
    ("nodes.1", {"name": "web2", "address": "2001:db8::12"}),
]
SHAPE = "should be a group of keys and values"
REFUSED = [
    # changes of the cluster, volumes, all that is said
    *(
        ([], [{k: v for k, v in SHARED.items() if k != key}],
         f"volumes[0].{key}: is missing; it has to be given")
        for key in SHARED
    ),
    ([], [shared(colour="blue")], "volumes[0].colour: is not a known key; see docs/description.md "
     "for the ones that are"),
    ([], [SHARED, {**OTHER, "name": "shared"}],
     "volumes: name 'shared' is given 2 times; each must be its own"),
    # copies
    ([], [shared(replica=4)], "volumes: shared: replica 4 needs as many nodes; there are 3"),
    ([FOURTH], [OTHER, shared(replica=5)],
     "volumes: shared: replica 5 needs as many nodes; there are 4"),
    ([("nodes.2", GONE)], [SHARED], f"volumes: shared: 2 nodes {FEW}"),
    ([("nodes.2", GONE), ("nodes.1", GONE)], [SHARED], f"volumes: shared: 1 node {FEW}"),
    ([("nodes.2", GONE)], [shared(replica=3)],
     "volumes: shared: replica 3 needs as many nodes; there are 2"),
    *(
        ([], [shared(replica=few)],
         f"volumes[0].replica: {few}: input should be greater than or equal to 3")
        for few in (-1, 0, 1, 2)
    ),
    *(
        ([], [shared(replica=odd)],
         f"volumes[0].replica: {odd!r}: input should be a valid integer")
        for odd in ("3", True, 3.0)
    ),
    ([FOURTH], [shared(arbiter=True)], "volumes: shared: an arbiter is the third of three; write "
     "replica = 3, or no arbiter"),
    (FIVE, [shared(arbiter=True, replica=4)], "volumes: shared: an arbiter is the third of three; "
     "write replica = 3, or no arbiter"),
    *(
        ([], [shared(**{key: odd})], f"volumes[0].{key}: {odd!r}: input should be a valid boolean")
        for key in ("arbiter", "on_root")
        for odd in ("no", 1)
    ),
    # bricks
    ([], [shared(bricks={"web4": "/data/x"})],
     "volumes: shared: bricks: web4 has no copy; it is on web1 web2 web3"),
    ([FOURTH], [shared(bricks={"web4": "/data/x"}, replica=3)],
     "volumes: shared: bricks: web4 has no copy; it is on web1 web2 web3"),
    ([], [shared(bricks="/data/x")], f"volumes[0].bricks: {SHAPE}"),
    ([], [shared(bricks={"Web1": "/data/x"})], "volumes[0].bricks.Web1: 'Web1' is not a name "
     "(lower-case letters, digits and inner dashes, at most 30); write something like 'web1'"),
    # folders
    *(
        ([], [shared(**{key: f"/srv/{odd}/x"})],
         f"volumes[0].{key}: '/srv/{odd}/x' takes a detour; write it without '.' and '..'")
        for key in ("brick", "mount")
        for odd in (".", "..")
    ),
    *(
        ([], [shared(**{key: odd})],
         f"volumes[0].{key}: '{odd}' is the system's own; write a folder like '/srv/shared'")
        for key in ("brick", "mount")
        for odd in ("/srv", "/etc", "/var", "/home", "/usr", "/root", "/etc/x", "/proc/1", "/run/x",
                    "/tmp/x", "/sys/a/b", "/dev/shm")
    ),
    ([], [shared(mount="/data/shared")], "volumes: on web1, shared's brick '/data/shared' and "
     f"shared's mount '/data/shared' {FOLDERS}"),
    ([], [shared(mount="/data/shared/all")], "volumes: on web1, shared's brick '/data/shared' and "
     f"shared's mount '/data/shared/all' {FOLDERS}"),
    ([], [shared(brick="/srv/shared/brick")], "volumes: on web1, shared's brick "
     f"'/srv/shared/brick' and shared's mount '/srv/shared' {FOLDERS}"),
    ([], [SHARED, {**OTHER, "brick": "/data/shared/other"}], "volumes: on web1, other's brick "
     f"'/data/shared/other' and shared's brick '/data/shared' {FOLDERS}"),
    ([], [SHARED, {**OTHER, "mount": "/srv/shared"}], "volumes: on web1, other's mount "
     f"'/srv/shared' and shared's mount '/srv/shared' {FOLDERS}"),
    ([], [shared(bricks={"web3": "/srv/shared/brick"})], "volumes: on web3, shared's brick "
     f"'/srv/shared/brick' and shared's mount '/srv/shared' {FOLDERS}"),
    # options
    *(
        ([], [shared(options={"storage.owner-uid": "33", name: "1"})],
         f"volumes: shared: options: leave {name} out: {why}")
        for name, why in OURS.items()
    ),
    *(
        ([], [shared(options={odd: "1"})], f"volumes[0].options.{shown}: {odd!r} is not an option "
         "of a volume; write something like 'network.ping-timeout'")
        for odd, shown in (
            ("network", "network"),
            ("Network.x", "'Network.x'"),
            ("network.", "'network.'"),
            (".x", "'.x'"),
            ("a.b c", "'a.b c'"),
            ("a.b;id", "'a.b;id'"),
            ("-a.b", "'-a.b'"),
        )
    ),
    *(
        ([], [shared(options={"a.b": odd})], f"volumes[0].options.'a.b': {odd!r} is not an "
         "option's value, as text without spaces; write something like '10'")
        for odd in ("", "a b", "$(id)", "`id`", "a;b", "a'b", "*", "a\nb")
    ),
    ([], [shared(options={"a.b": 10})],
     "volumes[0].options.'a.b': 10: input should be a valid string"),
    ([], [shared(options=["a.b"])], f"volumes[0].options: {SHAPE}"),
    # clients
    ([], [shared(clients="198.51.100.7")],
     "volumes[0].clients: should be a list, also for a single one: [...]"),
    ([], [shared(clients=["127.0.0.1"])], "volumes[0].clients[0]: '127.0.0.1' is a loopback "
     "address; write one that a network routes"),
    ([], [shared(clients=["192.0.2.0/24"])], "volumes[0].clients[0]: '192.0.2.0/24' is not an IP "
     "address; write one like '192.0.2.10' or '2001:db8::10', without a prefix length"),
    # addresses
    (ONLY_SIX, [SHARED], "volumes: web2 has no IPv4 address, by which gluster's daemons find each "
     "other; give it one as address"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "volumes", "said"), REFUSED, ids=[f"{said:.60}" for *_, said in REFUSED]
)
def test_what_could_not_work_is_refused_in_one_line_in_toml_and_in_code(changes, volumes, said):
    description = with_volumes(*volumes, changes=changes)

    assert refused_in_toml(description) == said
    assert refused_in_code(description) == said


ALLOWED = [
    ([], shared(brick="/var/lib/shared")),
    ([], shared(mount="/home/shared")),
    ([], shared(mount="/mnt/x", brick="/media/x")),
    ([], shared(mount="/srv/shared2", brick="/srv/shared")),
    ([], shared(arbiter=True)),
    ([FOURTH], shared(arbiter=True, replica=3)),
    # The fourth node has no copy: what would be its brick is no matter there.
    (
        [FOURTH],
        shared(
            replica=3,
            brick="/srv/shared/brick",
            bricks=dict.fromkeys(("web1", "web2", "web3"), "/data/b"),
        ),
    ),
    ([], shared(options={"performance.cache-size": "64MB", "auth.reject": "192.0.2.99"})),
    ([], shared(options={"cluster.self-heal-daemon": "on", "features.shard-block-size": "64MB"})),
    # As it has an IPv6 address too.
    ([], shared(clients=["2001:db8::7"])),
]


@pytest.mark.parametrize(("changes", "volume"), ALLOWED)
def test_what_could_work_is_taken(changes, volume):
    (described,) = Cluster(**with_volumes(volume, changes=tuple(changes))).volumes

    assert described.name == "shared"


def test_nodes_of_ipv6_only_are_no_fault_where_nothing_is_shared():
    assert cluster(*ONLY_SIX).volumes == ()


def test_three_copies_are_the_fewest():
    """Two halves of a cut network of two: each would have to choose between dead and cut off."""
    assert FEWEST_COPIES == 3
