"""Plugins from outside: found once, in order, and said in one line where one is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from selfbalance import Cluster, Node, Service, Vip
from selfbalance.errors import PluginError
from selfbalance.inventory import hosts
from selfbalance.loading import DISABLED, FOLDER, plugin_folder, plugins_from_outside
from selfbalance.plugins import Plugins

TWOS = """\
from selfbalance.plugins import Scheduler, hook

@hook
def register_schedulers(register):
    register("twos", Scheduler("wrr", "two each", weigh=lambda node: 2))
"""


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder with inventories/ and plugins/, the working folder."""
    for name in (FOLDER, DISABLED):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "inventories").mkdir()
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(site: Path, name: str, text: str) -> Path:
    file = site / "plugins" / name
    file.write_text(dedent(text))
    return file


def loaded(site: Path) -> list[str]:
    return [module.__name__ for module in plugins_from_outside(site / "inventories")]


def refused(site: Path) -> str:
    with pytest.raises(PluginError) as caught:
        Plugins(plugins_from_outside(site / "inventories"))
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def test_a_file_beside_the_inventories_is_used_by_one_of_them(site):
    write(site, "twos.py", TWOS)
    (site / "inventories" / "prod.py").write_text(
        dedent(
            """
            from selfbalance import Cluster, Node, Service, Vip
            from selfbalance.inventory import hosts

            web = hosts(Cluster(
                name="web", interface="eth0",
                nodes=[Node(name="web1", address="192.0.2.11")],
                vips=[Vip(address="192.0.2.10")],
                services=[Service(name="http", port=80, scheduler="twos")],
            ))
            """
        )
    )
    place = str(site / "inventories" / "prod.py")
    names: dict[str, object] = {}
    exec(compile(Path(place).read_text(), place, "exec"), names)

    ((name, data),) = names["web"]
    weights = data["selfbalance"].desired[name].services[0].weights
    assert list(weights.values()) == [2]


def test_files_come_by_name_and_what_begins_with_an_underscore_does_not(site):
    for name in ("b.py", "a.py", "_helper.py", "note.txt"):
        write(site, name, "")

    assert loaded(site) == ["a", "b"]


def test_no_folder_is_no_plugin(site):
    (site / "plugins").rmdir()

    assert loaded(site) == []


def test_it_is_loaded_once_however_many_inventories_ask(site):
    write(site, "counted.py", "import sys\nsys.counted = getattr(sys, 'counted', 0) + 1\n")

    assert loaded(site) == loaded(site) == ["counted"]
    assert sys.counted == 1


def test_an_inventory_that_lies_in_no_folder_of_its_own_has_its_plugins_beside_it(tmp_path):
    assert plugin_folder(tmp_path) == tmp_path / "plugins"


def test_another_folder_is_named_by_the_environment(site, monkeypatch):
    (site / "mine").mkdir()
    (site / "mine" / "twos.py").write_text(TWOS)
    monkeypatch.setenv(FOLDER, str(site / "mine"))

    assert loaded(site) == ["twos"]


def test_a_named_folder_that_is_not_there_is_refused(site, monkeypatch):
    monkeypatch.setenv(FOLDER, "nowhere")

    assert refused(site) == (
        "SELFBALANCE_PLUGINS is 'nowhere', which is no folder; name one, or unset it"
    )


def test_what_is_disabled_is_not_even_imported(site, monkeypatch):
    write(site, "broken.py", "raise RuntimeError('never')")
    write(site, "twos.py", TWOS)
    monkeypatch.setenv(DISABLED, "broken, other")

    assert loaded(site) == ["twos"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("import no_such_thing\n", 1, "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("def f(:\n", 1, "SyntaxError: invalid syntax"),
        ("def f():\n    raise ValueError('a\\nb')\nf()\n", 2, "ValueError: a b"),
        ("raise ValueError\n", 1, "ValueError: no reason given"),
    ],
)
def test_a_file_that_cannot_be_imported_says_file_line_and_why(site, text, line, what):
    file = write(site, "broken.py", text)

    said = refused(site)

    assert said.startswith(f"plugin broken: cannot be imported: {file}:{line}: {what}")
    assert said.endswith("; mend it, or set SELFBALANCE_DISABLED_PLUGINS=broken")


WRONG = {
    "the wrong type": (
        "\nfrom selfbalance.plugins import hook\n"
        "@hook\ndef register_schedulers(register):\n    register('mine', 'wrr')\n",
        5,
        "plugin mine: scheduler 'mine' is a str; it should be a Scheduler",
    ),
    "a name twice": (
        "from selfbalance.plugins import hook\n"
        "@hook\ndef register_gates(register):\n"
        "    register('a', print)\n    register('a', print)\n",
        5,
        "plugin mine: gate 'a' is already registered by plugin mine (",
    ),
    "the name of a built-in": (
        "from selfbalance.plugins import SnapshotStore, hook\n"
        "@hook\ndef register_snapshot_stores(register):\n"
        "    register('local', SnapshotStore('', '', ''))\n",
        4,
        "plugin selfbalance.plugins.builtin.folders: snapshot store 'local' is already registered "
        "by plugin mine (",
    ),
    "a hook that does not exist": (
        "from selfbalance.plugins import hook\n\n@hook\ndef register_schedlers(register): ...\n",
        3,
        "plugin mine: unknown hook 'register_schedlers'; known are: register_schedulers, ",
    ),
    "a hook that is not marked": (
        "def register_gates(register):\n    ...\n",
        1,
        "plugin mine: register_gates is not marked; write @hook",
    ),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_plugin_says_file_and_line_and_what_it_should_be(site, text, line, words):
    file = write(site, "mine.py", text)

    said = refused(site)

    assert said.startswith(words)
    assert f" ({file}:{line})" in said


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with entry points; returns how to write it."""

    def install(name: str, module: str, value: str | None = None) -> None:
        folder = tmp_path / "installed" / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[selfbalance]\n{name} = {value or name}\n")
        (folder / f"{name}.py").write_text(module)
        monkeypatch.syspath_prepend(folder)
        plugins_from_outside.__globals__["_packaged"].cache_clear()

    yield install
    plugins_from_outside.__globals__["_packaged"].cache_clear()


def test_packages_come_after_the_files_of_the_folder(site, package):
    write(site, "zeta.py", "")
    package("packaged_twos", TWOS)

    assert loaded(site) == ["zeta", "packaged_twos"]
    plugins = Plugins(plugins_from_outside(site / "inventories"))
    assert plugins.schedulers.plugin_of("twos") == "packaged_twos"


def test_a_package_that_cannot_be_imported_is_named_and_can_be_disabled(site, package, monkeypatch):
    package("packaged_broken", "1 / 0\n")

    said = refused(site)

    assert said.startswith("plugin packaged_broken: cannot be imported: packaged_broken: ZeroDiv")
    assert said.endswith("or set SELFBALANCE_DISABLED_PLUGINS=packaged_broken")
    monkeypatch.setenv(DISABLED, "packaged_broken")
    assert loaded(site) == []


def test_an_entry_point_that_is_no_module_says_what_it_should_be(site, package):
    package("packaged_function", "def plugin(): ...\n", "packaged_function:plugin")

    assert refused(site) == (
        "plugin packaged_function: its entry point packaged_function:plugin is a function; "
        "it should be a module that has hooks"
    )


def test_a_module_that_the_inventory_names_is_used(site, monkeypatch):
    write(site, "twos.py", TWOS)
    (module,) = plugins_from_outside(site / "inventories")
    (site / "none").mkdir()
    monkeypatch.setenv(FOLDER, str(site / "none"))
    cluster = Cluster(
        name="web",
        interface="eth0",
        nodes=[Node(name="web1", address="192.0.2.11")],
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80, scheduler="twos")],
    )

    ((_, data),) = hosts(cluster, plugins=(module,))

    assert "twos" in list(data["selfbalance"].plugins.schedulers)
