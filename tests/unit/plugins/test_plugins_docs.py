"""docs/plugins.md and the hooks are one: each with its arguments, and an example that works."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace

import pytest

from selfbalance import testing
from selfbalance.plugins import (
    Agreement,
    Component,
    Plugins,
    Problem,
    Upgrade,
    Verdict,
    spec,
)
from selfbalance.testing import nodes

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "plugins.md").read_text(encoding="utf-8")
UPGRADES = (DOCS / "upgrade.md").read_text(encoding="utf-8")
HOOKS = {name: thing for name, thing in vars(spec).items() if hasattr(thing, "selfbalance_spec")}
_PARTS = re.split(r"^## `(register_\w+\([^)]*\))`$", PAGE, flags=re.MULTILINE)
EXAMPLES = {
    heading: text.split("\n## ")[0]
    for heading, text in zip(_PARTS[1::2], _PARTS[2::2], strict=True)
}
SUITES = PAGE.split("## For plugin authors: tests")[1]


def test_the_page_has_every_hook_with_its_exact_arguments_in_the_same_order():
    assert HOOKS
    assert list(EXAMPLES) == [
        f"{name}({', '.join(inspect.signature(hook).parameters)})" for name, hook in HOOKS.items()
    ]


@pytest.mark.parametrize("heading", EXAMPLES)
def test_each_example_registers_one_thing_by_its_hook(heading):
    (source,) = re.findall(r"^```python\n(.*?)^```$", EXAMPLES[heading], re.MULTILINE | re.DOTALL)
    example = ModuleType("example")
    exec(compile(source, "docs/plugins.md", "exec"), vars(example))

    plugins = Plugins((example,))

    mine = [
        registry.kind
        for registry in plugins.registries
        for name in registry
        if registry.plugin_of(name) == "example"
    ]
    (kind,) = mine
    assert heading == f"register_{kind.replace(' ', '_')}s(register)"


def test_the_smoke_test_of_the_page_on_upgrades_asks_every_node():
    (source,) = re.findall(r"^```python\n(.*?)^```$", UPGRADES, re.MULTILINE | re.DOTALL)
    example = ModuleType("example")
    exec(compile(source, "docs/upgrade.md", "exec"), vars(example))
    smoke = Plugins((example,)).gates["smoke"]
    nodes = [
        SimpleNamespace(name="web1", address="127.0.0.1"),
        SimpleNamespace(name="web2", address="127.0.0.2"),
    ]

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        example.URL = f"http://{{}}:{server.server_port}/health"
        Thread(target=server.serve_forever, daemon=True).start()
        verdict = smoke(SimpleNamespace(cluster=SimpleNamespace(nodes=nodes)))
        server.shutdown()

    (problem,) = verdict.problems
    assert (problem.node, verdict.seen) == ("web2", "2 nodes asked")


class Healthy(BaseHTTPRequestHandler):
    """A web server that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def test_the_page_has_every_field_of_an_upgrade_with_what_it_is_unless_said():
    (component,) = [text for heading, text in EXAMPLES.items() if "component" in heading]
    table = component.split("| `Upgrade` |")[1]

    told = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", table, re.MULTILINE))

    assert told == {each.name: _in_words(each.default) for each in fields(Upgrade)}


def _in_words(value: object) -> str:
    """A function is what it says of itself."""
    return (value.__doc__ or "").lower().rstrip(".") if callable(value) else repr(value)


@pytest.mark.parametrize(
    ("thing", "hook"),
    [(Component, "component"), (Agreement, "component"), (Problem, "gate"), (Verdict, "gate")],
)
def test_the_page_names_every_field_of_what_components_and_gates_are_made_of(thing, hook):
    (text,) = [text for heading, text in EXAMPLES.items() if hook in heading]

    # The description is the words that come first in each example.
    for name in {each.name for each in fields(thing)} - {"description"}:
        assert re.search(rf"\b{name}\b", text), name


def test_the_page_has_every_suite_and_every_variable():
    suites = [name for name in testing.__all__ if name.endswith("Suite")]

    assert sorted(re.findall(r"^\| `(\w+Suite)` \|", SUITES, re.MULTILINE)) == sorted(suites)
    assert len(suites) == len(HOOKS)
    for name in (nodes.RUNNING, nodes.REQUIRED):
        assert f"`{name}=" in SUITES


def test_the_example_of_a_test_is_a_test():
    (source,) = re.findall(r"^```python\n(.*?)^```$", SUITES, re.MULTILINE | re.DOTALL)
    names: dict[str, type] = {}
    exec(compile(source, "docs/plugins.md", "exec"), names)

    assert issubclass(names["TestDouble"], testing.SchedulerSuite)
    assert names["TestDouble"].name == "double"
