"""The house's arrows: who may import whom, and which rooms stay pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import selfbalance

HOUSE = Path(selfbalance.__file__).parent

# Each room may import what stands before it; rooms of one row may import each other.
ORDER = [
    {"errors"},
    {"model"},
    {"plugins"},
    {"desired"},
    {"observed"},
    {"gates"},
    {"plan"},
    {"status"},
    {"secrets", "loading", "snapshots", "deployment", "journal"},
    {"inventory"},
    {"operations"},
    {"deploys"},
]
RANK = {room: rank for rank, row in enumerate(ORDER) for room in row}
PURE = {"errors", "model", "plugins", "desired", "observed", "gates", "plan", "status"}
# The lab knows nothing of the cluster; config.py's rails and the command line stand at the door.
APART = {"lab": {"lab", "errors"}, "rails": {"rails", "errors"}}
AT_THE_DOOR = {"cli", "listing", "testing", "__main__"}
IMPURE = {"pyinfra", "gevent", "subprocess", "socket", "paramiko", "asyncio", "multiprocessing"}
FRONT = {"", "errors", "model"}


def _files() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def _room(path: Path) -> str:
    """The room of a file: its folder, or its own name; empty for selfbalance/__init__.py."""
    first = path.relative_to(HOUSE).parts[0]
    return first.removesuffix(".py").removeprefix("__init__")


def _nodes(path: Path) -> Iterator[ast.AST]:
    """Every node of a file, but what only a type checker reads."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports: modules, and names from modules."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _rooms_imported(path: Path) -> set[str]:
    """Rooms that a file imports. A name of the package's own front counts as the front, ''."""
    rooms = {path.name.removesuffix(".py") for path in HOUSE.iterdir()}
    found = set()
    for name in _imports(path):
        package, _, rest = name.partition(".")
        if package == "selfbalance":
            first = rest.partition(".")[0]
            found.add(first if first in rooms else "")
    return found


def _named(path: Path) -> str:
    return str(path.relative_to(HOUSE))


EVERY_FILE = pytest.mark.parametrize("path", _files(), ids=_named)


@EVERY_FILE
def test_every_room_has_its_place(path):
    assert _room(path) in {*RANK, *APART, *AT_THE_DOOR, ""}, (
        f"{_room(path)} is a new room: give it its place in {__file__}"
    )


@EVERY_FILE
def test_arrows_point_to_purer_rooms(path):
    room = _room(path)
    imported = _rooms_imported(path)
    if room in AT_THE_DOOR:
        return
    if room == "":
        assert imported <= FRONT
    elif room in APART:
        assert imported <= APART[room]
    else:
        upward = {other for other in imported if RANK.get(other, 99) > RANK[room]}
        assert not upward - {""}, f"{room} imports {sorted(upward)}"
        assert "" not in imported or RANK[room] > RANK["status"]


@EVERY_FILE
def test_nobody_but_the_command_line_knows_the_lab(path):
    if _room(path) not in {"lab", *AT_THE_DOOR}:
        assert "lab" not in _rooms_imported(path)


@EVERY_FILE
def test_only_what_is_for_tests_knows_pytest(path):
    """No deployer needs it: it comes with the extra `selfbalance[testing]`."""
    if _room(path) != "testing":
        assert "testing" not in _rooms_imported(path)
        assert not {name.split(".")[0] for name in _imports(path)} & {
            "pytest",
            "pytest_selfbalance",
        }


@EVERY_FILE
def test_pure_rooms_touch_nothing(path):
    if _room(path) not in PURE:
        return
    assert not {name.split(".")[0] for name in _imports(path)} & IMPURE
    assert not [name for name in _imports(path) if name in {"os.environ", "os.getenv"}]
    asked = {ast.unparse(n) for n in _nodes(path) if isinstance(n, ast.Attribute)}
    assert not asked & {"os.environ", "os.getenv", "os.system", "os.popen", "time.time"}
    called = {ast.unparse(n.func) for n in _nodes(path) if isinstance(n, ast.Call)}
    assert not called & {"open", "input", "print", "exec", "eval"}


@EVERY_FILE
def test_a_journal_is_read_and_written_without_a_node(path):
    if _room(path) == "journal":
        assert _rooms_imported(path) <= {"journal", "errors"}
        assert not {name.split(".")[0] for name in _imports(path)} & IMPURE


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import selfbalance.gates", {"gates"}),
        ("from selfbalance import gates", {"gates"}),
        ("from selfbalance.gates.view import View", {"gates"}),
        ("from selfbalance import Cluster", {""}),
        ("import selfbalance", {""}),
        ("def f():\n    from selfbalance.lab import Lab", {"lab"}),
        ("if TYPE_CHECKING:\n    from selfbalance.gates import Gate", set()),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import selfbalance.plan", {"plan"}),
        ("import selfbalances", set()),
    ],
)
def test_this_file_sees_an_import_however_it_is_written(source, found, tmp_path):
    file = tmp_path / "file.py"
    file.write_text(source, encoding="utf-8")

    assert _rooms_imported(file) == found


def test_the_house_was_read():
    assert {_room(path) for path in _files()} >= {*PURE, "secrets", "deployment", "inventory"}
