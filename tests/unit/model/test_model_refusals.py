"""Wrong input: one line that names file, key, what is wrong and what would be right, said alike."""

from __future__ import annotations

import pytest
from described_twice import GONE, changed, refused_in_code, refused_in_toml

from selfbalance.errors import DescriptionError
from selfbalance.model import Check, Cluster, Node, Secret, Service, Vip, VrrpOptions, from_toml

NODE_17 = [{"name": f"web{n}", "address": f"192.0.2.{n + 100}"} for n in range(17)]
VIPS_65 = [{"address": f"192.0.2.{n + 100}"} for n in range(65)]
V2 = (("vrrp.version", 2), ("detection", "calm"))

ADDRESSES = [
    # value, what is wrong, what would be right
    ("web1.example.org", "'web1.example.org' is not an IP address", "write one like '192.0.2.10'"),
    ("", "'' is not an IP address", "without a prefix length"),
    ("192.0.2.10/24", "'192.0.2.10/24' is not an IP address", "without a prefix length"),
    ("192.0.2.256", "'192.0.2.256' is not an IP address", "write one like"),
    ("192.0.2.010", "'192.0.2.010' is not an IP address", "write one like"),
    ("192.0.2", "'192.0.2' is not an IP address", "write one like"),
    ("192.0.2.10\n", r"'192.0.2.10\n' is not an IP address", "write one like"),
    (" 192.0.2.10", "' 192.0.2.10' is not an IP address", "write one like"),
    ("192.0.2.10 dev lo", "'192.0.2.10 dev lo' is not an IP address", "write one like"),
    ("192.0.2.1\uff10", "is not an IP address", "write one like"),
    ("2001:db8::1\n", r"'2001:db8::1\n' is not an IP address", "write one like"),
    ("2001:db8:::1", "'2001:db8:::1' is not an IP address", "or '2001:db8::10'"),
    ("[2001:db8::1]", "'[2001:db8::1]' is not an IP address", "or '2001:db8::10'"),
    (3221225994, "'3221225994' is not an IP address", "write one like"),
    (True, "'True' is not an IP address", "write one like"),
    (192.0, "'192.0' is not an IP address", "write one like"),
    (["192.0.2.10"], "is not an IP address", "write one like"),
    ({"v4": "192.0.2.10"}, "is not an IP address", "write one like"),
    ("x" * 5000, "xxx' is not an IP address", "write one like"),
    ("127.0.0.1", "'127.0.0.1' is a loopback address", "write one that a network routes"),
    ("::1", "'::1' is a loopback address", "write one that a network routes"),
    ("0.0.0.0", "'0.0.0.0' is an unspecified address", "write one that a network routes"),
    ("::", "'::' is an unspecified address", "write one that a network routes"),
    ("224.0.0.18", "'224.0.0.18' is a multicast address", "write one that a network routes"),
    ("ff02::12", "'ff02::12' is a multicast address", "write one that a network routes"),
    ("169.254.1.1", "'169.254.1.1' is a link-local address", "write one that a network routes"),
    ("fe80::1", "'fe80::1' is a link-local address", "write one that a network routes"),
    ("255.255.255.255", "'255.255.255.255' is a reserved address", "that a network routes"),
    ("::ffff:192.0.2.10", "is a reserved address", "write one that a network routes"),
    ("::192.0.2.10", "is a reserved address", "write one that a network routes"),
    ("2001:db8::1%eth0", "'2001:db8::1%eth0' names a zone", "write the address without '%'"),
    ("2001:db8::1%\n}", r"'2001:db8::1%\n}' names a zone", "write the address without '%'"),
]

EVIL = [
    'we"b',
    "we'b",
    "we{b",
    "we}b",
    "web\n",
    "we\nb",
    "web\r",
    "web\t",
    "$web",
    "web#",
    "!web",
    "@web",
    "~web",
    "we b",
    " web",
    "web ",
    "web;id",
    "web|id",
    "`id`",
    "$(id)",
    "web>x",
    "we\\b",
    "web*",
    "[web]",
    "w\u0435b",  # a Cyrillic letter that looks like e
    "\uff57eb",  # a full-width w
    "web\u0661",  # an Arabic digit
    "web\u00a0",
    "web\u200b",
    "web\u2028",
    "web\u0085",
    "web\x00",
    "web\x7f",
    "web\x1b[31m",
    "web\u202e",
    "\U0001d430eb",  # a mathematical bold w
]
NAME = "is not a name (lower-case letters, digits and inner dashes, at most 30)"
WIRE = "is not a network interface that adverts can leave by"
PLACES = [
    # key, what comes before the evil, how it is said, example of what is right, more that is wrong
    ("name", "", NAME, "'web1'", ["", "Web", "-web", "web-", "we.b", "we_b", "x" * 31]),
    ("nodes.1.name", "", NAME, "'web1'", ["", "WEB1", "web2.example.org", "1-", "x" * 5000]),
    ("services.0.name", "", NAME, "'web1'", ["", "http_", "-"]),
    (
        "interface",
        "",
        WIRE,
        "'bond0'",
        ["", "lo", "all", "default", "-a", ".a", "x" * 16, "eth0:1"],
    ),
    ("nodes.2.interface", "", WIRE, "'bond0'", ["", "lo", "../eth0", "a/b", "eth0@if2", "eth0%x"]),
    (
        "nodes.1.ssh",
        "",
        "is not a host name",
        "'www.example.org'",
        ["", "-oProxyCommand=id", "a@b"],
    ),
    ("services.0.scheduler", "", "is not a plugin's name", "'mh'", ["", "MH", "-mh", "x" * 42]),
    ("services.0.scheduler_flags.0", "", "is not a plugin's name", "'mh'", ["", "mh_port"]),
    ("forwarding", "", "is not a plugin's name", "'mh'", [""]),
    ("standby", "", "is not a plugin's name", "'mh'", [""]),
    ("snapshots", "", "is not a plugin's name", "'mh'", [""]),
    (
        "services.0.check.host",
        "",
        "is not a host name",
        "'www.example.org'",
        ["", "-a", "a..b", "a."],
    ),
    (
        "services.0.check.host",
        "",
        "is not a host name",
        "'www.",
        ["a_b", "x" * 64, "a." * 126 + "ab"],
    ),
    (
        "services.0.check.path",
        "/",
        "is not a path of a URL",
        "'/health'",
        ["", "health", "/" * 202],
    ),
    ("volumes.0.name", "", NAME, "'web1'", ["", "Shared", "a/b", "x" * 31]),
    *(
        (
            f"volumes.0.{key}",
            "/srv/",
            "is not an absolute path of a folder",
            "'/srv/shared'",
            ["", "srv/shared", "/", "/srv/shared/", "//srv", "/srv//shared", "/" + "x" * 200],
        )
        for key in ("brick", "mount", "bricks.web1")
    ),
]
VOLUME = [("volumes", [{"name": "shared", "brick": "/data/shared", "mount": "/srv/shared"}])]
FOR_PLACE = {
    "services.0.scheduler_flags.0": [("services.0.scheduler_flags", ["mh-port"])],
    "services.0.check.host": [("services.0.check", {"kind": "http"})],
    "services.0.check.path": [("services.0.check", {"kind": "http"})],
    **{f"volumes.0.{key}": VOLUME for key in ("name", "brick", "mount", "bricks.web1")},
}


def _shown(path: str) -> str:
    """`nodes.1.name` as messages write it: `nodes[1].name`."""
    parts = path.split(".")
    return "".join(
        f"[{p}]" if p.isdigit() else p if i == 0 else f".{p}" for i, p in enumerate(parts)
    )


NO_DIRECTOR = [(f"nodes.{n}.director", False) for n in range(3)]
KEYS = [
    # changes, key, what is wrong, what would be right
    ([("name", GONE)], "name", "is missing", "has to be given"),
    ([("interface", GONE)], "interface", "is missing", "has to be given"),
    ([("nodes", GONE)], "nodes", "is missing", "has to be given"),
    ([("nodes.0.name", GONE)], "nodes[0].name", "is missing", "has to be given"),
    ([("nodes.2.address", GONE)], "nodes[2].address", "is missing", "has to be given"),
    ([("vips.1.address", GONE)], "vips[1].address", "is missing", "has to be given"),
    ([("services.1.port", GONE)], "services[1].port", "is missing", "has to be given"),
    ([("name", 1)], "name", "1: input", "should be a valid string"),
    ([("interface", ["eth0"])], "interface", "input", "should be a valid string"),
    ([("nodes", [])], "nodes", "is empty", "at least one"),
    ([("vips", [])], "vips", "is empty", "at least one"),
    ([("services", [])], "services", "is empty", "at least one"),
    (NO_DIRECTOR, "nodes", "none may be director", "leave director out"),
    ([("nodes", NODE_17)], "nodes", "17 nodes would collide", "at most 16"),
    ([("vips", VIPS_65)], "vips", "65 VIPs are more than was ever tried", "at most 64"),
    ([("nodes", "web1")], "nodes", "should be a list", "[...]"),
    ([("vips", {"address": "192.0.2.10"})], "vips", "should be a list", "[...]"),
    ([("nodes.0", "web1")], "nodes[0]", "should be a group", "of keys and values"),
    ([("nodes.1.name", "web1")], "nodes: name", "'web1' is given 2 times", "must be its own"),
    (
        [("nodes.1.address", "192.0.2.11")],
        "nodes: address",
        "'192.0.2.11' is given 2 times",
        "must be its own",
    ),
    (
        [("nodes.1.address6", "2001:0db8:0::11")],
        "nodes: address",
        "'2001:db8::11' is given 2 times",
        "must be its own",
    ),
    (
        [("vips.2", {"address": "192.0.2.10"})],
        "vips: address",
        "'192.0.2.10' is given 2 times",
        "must be its own",
    ),
    ([("services.1.name", "http")], "services: name", "'http' is given 2 times", "its own"),
    ([("services.1.port", 80)], "services: port", "'tcp/80' is given 2 times", "its own"),
    (
        [("vips.0.address", "192.0.2.12")],
        "vips",
        "'192.0.2.12' is the address of node web2",
        "one more address",
    ),
    (
        [("vips.1.address", "2001:db8::13")],
        "vips",
        "'2001:db8::13' is the address of node web3",
        "one more address",
    ),
    (
        [("nodes.1.address6", GONE)],
        "nodes",
        "web2 has no IPv6 address, but VIP '2001:db8::10' needs one",
        "give address6",
    ),
    (
        [("nodes.1", {"name": "web2", "address": "2001:db8::12"})],
        "nodes",
        "web2 has no IPv4 address, but VIP '192.0.2.10' needs one",
        "give address",
    ),
    (
        [("nodes.0.address6", "192.0.2.99")],
        "nodes[0]",
        "address6 '192.0.2.99' is IPv4",
        "write an IPv6 address there",
    ),
    (
        [("nodes.0.address", "2001:db8::99")],
        "nodes[0]",
        "address is IPv6 already",
        "leave address6 out",
    ),
    ([("vips.0.vrid", 51)], "vips", "VRID 51 is used twice", "leave vrid out"),
    (
        [("vips.0.vrid", 7), ("vips.1.vrid", 7)],
        "vips",
        "VRID 7 is used twice",
        "or give each its own",
    ),
    (
        [("services.0.check", {"host": "a"})],
        "services[0].check",
        "host belongs to an HTTP check",
        "write kind = 'http'",
    ),
    (
        [("services.0.check", {"kind": "tcp", "path": "/", "status": 200})],
        "services[0].check",
        "path, status belongs to an HTTP check",
        "write kind = 'http'",
    ),
    (
        [("services.0.check.kind", "https")],
        "services[0].check.kind",
        "'https'",
        "should be 'tcp' or 'http'",
    ),
    (
        [("services.0.check", {"kind": "http", "status": 99})],
        "services[0].check.status",
        "99",
        "greater than or equal to 100",
    ),
    (
        [("services.0.check", {"kind": "http", "status": "200"})],
        "services[0].check.status",
        "'200'",
        "should be a valid integer",
    ),
    ([("services.0.protocol", "udp")], "services[0].protocol", "'udp'", "should be 'tcp'"),
    (
        [("services.0.scheduler_flags", "mh-port")],
        "services[0].scheduler_flags",
        "should be a list",
        "[...]",
    ),
    (
        [("services.0.scheduler_flags", ["mh-port", "mh-port"])],
        "services[0]: scheduler_flags",
        "'mh-port' is given 2 times",
        "must be its own",
    ),
    ([("detection", "quick")], "detection", "'quick'", "should be 'fast' or 'calm'"),
    ([("vrrp", 51)], "vrrp", "should be a group", "of keys and values"),
    ([("vrrp.version", 4)], "vrrp.version", "4", "should be 2 or 3"),
    ([("vrrp.version", "3")], "vrrp.version", "'3'", "should be 2 or 3"),
    ([("vrrp.unicast", "no")], "vrrp.unicast", "'no'", "should be a valid boolean"),
    (
        [("vrrp.version", 2)],
        "vrrp.version 2",
        "counts whole seconds, too slow for detection 'fast'",
        "write detection = 'calm', or version = 3",
    ),
    ([*V2, ("vips.0", GONE)], "vrrp.version 2", "knows no IPv6", "write version = 3"),
    (
        [*V2, ("vips.1.vrid", 66)],
        "vrrp.version 2 knows no IPv6",
        "VRID 66 has no other VIP than 2001:db8::10",
        "write version = 3",
    ),
    (
        [("vrrp.password", "env:VRRP_PASSWORD")],
        "vrrp",
        "VRRPv3 knows no password",
        "leave password out, or write version = 2",
    ),
    (
        [("vrrp.advert_s", 2)],
        "vrrp",
        "advert_s belongs to version 2",
        "in version 3 detection says how often",
    ),
    ([*V2, ("vrrp.advert_s", 0)], "vrrp.advert_s", "0", "1"),
    ([("colour", "blue")], "colour", "is not a known key", "see docs/description.md"),
    ([("nodes.0.adress", "a")], "nodes[0].adress", "is not a known key", "see docs/"),
    ([("vips.0.port", 1)], "vips[0].port", "is not a known key", "see docs/"),
    ([("services.0.vrid", 1)], "services[0].vrid", "is not a known key", "see docs/"),
    ([("services.0.check.url", "/")], "services[0].check.url", "is not a known key", "docs/"),
    ([("vrrp.passwort", "sesame")], "vrrp.passwort", "is not a known key", "see docs/"),
    ([("we b\n}", 1)], r"'we b\n}'", "is not a known key", "see docs/"),
    ([("nodes.0.\u2028", 1)], r"nodes[0].'\u2028'", "is not a known key", "see docs/"),
    ([("x" * 5000, 1)], "'xxx", "xxx...: is not a known key", "see docs/"),
]
NUMBERS = [
    ("services.0.port", [0, -1], "greater than or equal to 1"),
    ("services.0.port", [65536, 2**70], "less than or equal to 65535"),
    ("services.0.port", ["80", True, 80.0, 80.5, [80], "http"], "a valid integer"),
    ("services.0.check.port", [0, -80], "greater than or equal to 1"),
    ("services.0.check.port", [65536], "less than or equal to 65535"),
    ("services.0.check.port", ["80", False], "a valid integer"),
    ("vrrp.vrid", [0, -1], "greater than or equal to 1"),
    ("vrrp.vrid", [256, 1000], "less than or equal to 255"),
    ("vrrp.vrid", ["51", True, 51.0], "a valid integer"),
    ("vips.0.vrid", [0], "greater than or equal to 1"),
    ("vips.0.vrid", [256], "less than or equal to 255"),
    ("vips.0.vrid", ["51", True], "a valid integer"),
]
TABLE = [
    *(
        pytest.param([(path, value)], _shown(path), wrong, right, id=f"{path}={value!r:.20}")
        for path in ("nodes.0.address", "nodes.1.address6", "vips.0.address")
        for value, wrong, right in ADDRESSES
    ),
    *(
        pytest.param(
            [*FOR_PLACE.get(path, []), (path, value)],
            _shown(path),
            wrong,
            f"write something like {right}",
            id=f"{path}={value!a:.20}",
        )
        for path, start, wrong, right, more in PLACES
        for value in (*(start + evil for evil in EVIL), *more)
    ),
    *(
        pytest.param(
            [(path, value)], _shown(path), "input", f"should be {right}", id=f"{path}={value!r}"
        )
        for path, values, right in NUMBERS
        for value in values
    ),
    *(pytest.param(*row, id=f"{row[1]:.30} {row[2]:.20}") for row in KEYS),
]


@pytest.mark.parametrize(("changes", "key", "wrong", "right"), TABLE)
def test_one_line_says_key_wrong_and_right_alike_in_toml_and_in_code(changes, key, wrong, right):
    said = refused_in_toml(changed(*changes))

    assert said.startswith(key)
    assert wrong in said
    assert right in said
    assert said.index(key) <= said.rindex(wrong) <= said.rindex(right)
    assert len(said) < 300
    assert refused_in_code(changed(*changes)) == said


LITERALS = ["sesame", "env:", "env:1se", "env:se same", "ENV:sesame", "file:", "sesame:env", ""]
ODD = ["file:se\nsame", "file:se\u2028same", "env:sesame\n", 5318008, True, ["sesame"], {"a": "s"}]


@pytest.mark.parametrize("literal", [*LITERALS, *ODD])
def test_a_secret_itself_is_refused_and_not_repeated(literal):
    description = changed(*V2, ("vrrp.password", literal))

    said = refused_in_toml(description)

    assert said == (
        "vrrp.password: a secret is given by reference; "
        "write 'env:NAME' or 'file:PATH', not the secret itself"
    )
    assert refused_in_code(description) == said


@pytest.mark.parametrize("misplaced", ["sesame", ["sesame"]])
def test_a_secret_in_the_wrong_place_is_not_repeated(misplaced):
    assert "sesame" not in refused_in_toml(changed(("vrrp", misplaced)))
    assert "sesame" not in refused_in_code(changed(("vrrp", misplaced)))


def test_more_than_one_fault_is_counted():
    description = changed(("nodes.0.name", "A"), ("vips.0.address", "B"), ("interface", ""))

    assert refused_in_toml(description).endswith("(and 2 more)")
    assert refused_in_code(description).endswith("(and 2 more)")


PARTS = [
    (lambda: Node(name="web1"), "Node.address: is missing"),
    (lambda: Node(name="Web", address="192.0.2.11"), "Node.name: 'Web' is not a name"),
    (lambda: Vip(address="x"), "Vip.address: 'x' is not an IP address"),
    (lambda: Service(name="http", port=0), "Service.port: 0: input should be greater"),
    (lambda: Check(host="a"), "Check: host belongs to an HTTP check"),
    (
        lambda: VrrpOptions(password="sesame"),
        "VrrpOptions.password: a secret is given by reference",
    ),
    (lambda: Secret("sesame"), "Secret: a secret is given by reference"),
]


@pytest.mark.parametrize(("build", "wrong"), PARTS)
def test_a_part_in_code_names_the_line_that_wrote_it(build, wrong):
    line = build.__code__.co_firstlineno

    with pytest.raises(DescriptionError) as caught:
        build()

    said = str(caught.value)
    assert f"test_model_refusals.py line {line}: {wrong}" in said
    assert len(said.splitlines()) == 1
    assert "sesame" not in said


def test_things_without_an_order_are_refused_where_the_order_means_something():
    nodes = {Node(name="web1", address="192.0.2.11"), Node(name="web2", address="192.0.2.12")}

    with pytest.raises(DescriptionError, match=r"Cluster\.nodes: is a set.*; write a list"):
        Cluster(**{**changed(), "nodes": nodes})


UNREADABLE = [
    ("name = ", "Invalid value (at end of document)"),
    ("name = 'web'\nname = 'web'", "Cannot overwrite a value"),
    ("<cluster/>", "Invalid statement (at line 1, column 1)"),
    ("name = 'web\n'", "character '\\n'"),
    ("\ufeffname = 'web'", "Invalid statement"),
    ("a = " + "1" * 5000, ""),
    ("a = " + "[" * 50_000, ""),
]


@pytest.mark.parametrize(("text", "reason"), UNREADABLE, ids=[t[:12] for t, _ in UNREADABLE])
def test_unreadable_toml_names_file_and_line(text, reason):
    with pytest.raises(DescriptionError) as caught:
        from_toml(text, "prod.toml")

    said = str(caught.value)
    assert said.startswith("prod.toml: not readable as TOML: ")
    assert reason in said
    assert len(said.splitlines()) == 1
