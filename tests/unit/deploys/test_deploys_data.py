"""What an operator says with `--data`: read as he means it, or refused in words."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import pytest
from looks import CLUSTER
from pyinfra.api.exceptions import PyinfraError

from selfbalance.deploys import data
from selfbalance.deploys.data import careful, name_of_node, seconds, wished
from selfbalance.operations import Options
from selfbalance.plan import Wish
from selfbalance.plugins import Component, Plugins, Upgrade, hook

NGINX = Component("web server", ("nginx",), (), upgrade=Upgrade(packages=("nginx", "nginx-common")))


class Site:
    """A plugin: a component that can be upgraded, and one that cannot."""

    __name__ = "site"

    @staticmethod
    @hook
    def register_components(register):
        register("nginx", NGINX)
        register("fixed", Component("never upgraded", ("hello",), ()))


@pytest.fixture
def said(monkeypatch):
    """A host of a cluster, with these data."""
    ready = SimpleNamespace(cluster=CLUSTER, plugins=Plugins((Site(),)))
    monkeypatch.setattr(data, "deployment_of", lambda _: ready)
    monkeypatch.setattr(sys, "argv", ["pyinfra"])
    return lambda **values: SimpleNamespace(data=SimpleNamespace(**values))


WAYS = "nginx keepalived packages reboot"


@pytest.mark.parametrize(
    ("values", "wish"),
    [
        ({"component": "keepalived"}, Wish("keepalived", {"keepalived": None})),
        (
            {"component": "keepalived", "version": "1:2.2.7-1+b2"},
            Wish("keepalived", {"keepalived": "1:2.2.7-1+b2"}),
        ),
        ({"component": "keepalived", "version": 9}, Wish("keepalived", {"keepalived": "9"})),
        (
            {"component": "nginx", "version": "1.22.1-9"},
            Wish("nginx", {"nginx": "1.22.1-9", "nginx-common": "1.22.1-9"}),
        ),
        ({"component": "reboot"}, Wish("reboot")),
        (
            {"component": "packages", "packages": "nginx,g++=4:12.2.0-3,lib.x-y=1~rc1"},
            Wish("packages", {"nginx": None, "g++": "4:12.2.0-3", "lib.x-y": "1~rc1"}),
        ),
    ],
)
def test_a_wish_is_a_component_and_versions(said, values, wish):
    assert wished(said(**values)) == wish


@pytest.mark.parametrize("flag", [["--data", "version=2.10"], ["--data=version=2.10"]])
def test_a_version_is_what_was_typed_not_the_number_that_pyinfra_makes_of_it(
    said, monkeypatch, flag
):
    monkeypatch.setattr(sys, "argv", ["pyinfra", *flag])

    wish = wished(said(component="keepalived", version=2.1))

    assert wish.versions == {"keepalived": "2.10"}


NEEDS = "component 'packages' needs --data packages=NAME[=VERSION],...; nothing was changed"
NO_PACKAGE = "is no package: NAME or NAME=VERSION; nothing was changed"
REFUSED = [
    ({}, f"say what: --data component=NAME, one of {WAYS}; nothing was changed"),
    (
        {"component": "haproxy"},
        f"there is no component 'haproxy': --data component=NAME, one of {WAYS}; "
        "nothing was changed",
    ),
    ({"component": "fixed"}, "there is no component 'fixed'"),
    ({"component": 5}, "there is no component '5'"),
    ({"component": ["keepalived"]}, "there is no component '['keepalived']'"),
    ({"component": "packages"}, NEEDS),
    ({"component": "packages", "version": "1"}, NEEDS),
    (
        {"component": "keepalived", "packages": "nginx"},
        "component 'keepalived' takes no --data packages=NAME[=VERSION],...; nothing was changed",
    ),
    ({"component": "reboot", "packages": "nginx"}, "component 'reboot' takes no --data packages"),
    (
        {"component": "reboot", "version": "1"},
        "component 'reboot' takes no version; nothing was changed",
    ),
    (
        {"component": "packages", "packages": "nginx", "version": "1"},
        "component 'packages' takes no version; nothing was changed",
    ),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_what_cannot_be_wished_is_refused_in_words(said, values, words):
    with pytest.raises(PyinfraError) as refused:
        wished(said(**values))

    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "n",
        "Nginx",
        "-nginx",
        "nginx=",
        "nginx=1 2",
        "nginx=$(id)",
        "nginx;id",
        "a b",
        "nginx/sid",
    ],
)
@pytest.mark.parametrize("form", ["{}", "curl,{}"])
def test_what_is_no_package_is_refused_by_its_name(said, name, form):
    with pytest.raises(PyinfraError) as refused:
        wished(said(component="packages", packages=form.format(name)))

    assert str(refused.value) == f"'{name}' {NO_PACKAGE}"


@pytest.mark.parametrize(("value", "told"), [(5, "5"), (True, "True"), (["nginx"], "['nginx']")])
def test_packages_that_are_no_text_are_refused_as_they_look(said, value, told):
    with pytest.raises(PyinfraError) as refused:
        wished(said(component="packages", packages=value))

    assert str(refused.value) == f"'{told}' {NO_PACKAGE}"


# --- how careful ---


def test_unless_said_it_is_as_careful_as_options_are(said):
    assert careful(said()) == Options()


def test_all_of_it_can_be_said(said):
    asked = said(soak=0, drain_timeout=1.5, patience=2, reboot_timeout=600, rollback="never")

    assert careful(asked) == Options(0.0, 1.5, 2.0, 600.0, rollback=False)


@pytest.mark.parametrize("value", ["perhaps", True, None, 0, ["auto"]])
def test_another_rollback_is_refused(said, value):
    with pytest.raises(PyinfraError) as refused:
        careful(said(rollback=value))

    assert str(refused.value) == f"--data rollback={value}: auto or never; nothing was changed"


@pytest.mark.parametrize("key", ["soak", "drain_timeout", "patience", "reboot_timeout"])
@pytest.mark.parametrize("value", [-1, "long", True, None, math.nan, math.inf, -math.inf, [1]])
def test_what_is_no_time_is_refused(said, key, value):
    """JSON of Python knows NaN and Infinity, and pyinfra reads data as JSON."""
    with pytest.raises(PyinfraError) as refused:
        careful(said(**{key: value}))

    assert str(refused.value) == (
        f"--data {key}={value} is no time: a number of seconds, 0 or more; nothing was changed"
    )


@pytest.mark.parametrize(("value", "number"), [(0, 0.0), (2, 2.0), (0.25, 0.25)])
def test_a_time_is_a_number_of_seconds(said, value, number):
    assert seconds(said(soak=value), "soak", 9.0) == number
    assert seconds(said(), "soak", 9.0) == 9.0


# --- which node ---


def test_a_node_is_one_of_the_description(said):
    assert name_of_node(said(node="web2")) == "web2"


@pytest.mark.parametrize(
    ("values", "wrong"), [({}, "say which node"), ({"node": "web9"}, "there is no node 'web9'")]
)
def test_another_node_is_refused_with_those_that_are(said, values, wrong):
    with pytest.raises(PyinfraError) as refused:
        name_of_node(said(**values))

    assert str(refused.value) == (
        f"{wrong}: --data node=NAME, one of web1 web2 web3; nothing was changed"
    )
