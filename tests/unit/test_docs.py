"""The docs are true: what they describe loads, what they name exists, what exists is described."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

import selfbalance
from selfbalance import Check, Cluster, Node, Service, Vip, Volume, VrrpOptions
from selfbalance.cli import main
from selfbalance.deployment import Deployment, deployment
from selfbalance.gates import builtin
from selfbalance.inventory import DATA_KEY
from selfbalance.model.described import Described
from selfbalance.plugins import Plugins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DESCRIPTION = "docs/description.md"
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
)
#: Section of docs/description.md -> the model that it documents.
MODELS: dict[str, type[Described]] = {
    "The cluster": Cluster,
    "`nodes`": Node,
    "`vips`": Vip,
    "`services`": Service,
    "`services.check`": Check,
    "`vrrp`": VrrpOptions,
    "`volumes`": Volume,
}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    text = read(page)
    return [
        Block(page, text[: found.start()].count("\n") + 1, found["language"], found["text"])
        for found in re.finditer(
            r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", text, re.MULTILINE | re.DOTALL
        )
    ]


def sections(page: str) -> dict[str, str]:
    _, *parts = re.split(r"^## (.+)$", read(page), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# --- descriptions load -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of inventories in which everything is that the examples name."""
    for example in blocks(DESCRIPTION):
        if example.language == "toml":
            (tmp_path / "prod.toml").write_text(example.text, encoding="utf-8")
            break
    example = read("inventories/example.toml")
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "vrrp").write_text("s3same\n", encoding="utf-8")
    monkeypatch.setenv("VRRP_PASSWORD", "s3same")
    return tmp_path


def python(text: str, folder: Path) -> dict[str, object]:
    """Run Python as an inventory in that folder; return the names that it gives."""
    names: dict[str, object] = {name: getattr(selfbalance, name) for name in selfbalance.__all__}
    before = {*names, "__builtins__"}
    exec(compile(text, str(folder / "prod.py"), "exec"), names)
    return {name: value for name, value in names.items() if name not in before}


def described(group: object) -> Cluster:
    """Return the cluster that `hosts()` made this pyinfra group of."""
    assert isinstance(group, list)
    ready = group[0][1][DATA_KEY]
    assert isinstance(ready, Deployment)
    return ready.cluster


INVENTORIES = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "python" and "hosts(" in block.text
]
FRAGMENTS = [
    block
    for block in blocks(DESCRIPTION)
    if block.language in ("python", "toml") and "hosts(" not in block.text
][1:]  # the first one is the whole description in TOML
PAIRS = list(zip(FRAGMENTS[::2], FRAGMENTS[1::2], strict=True))


@pytest.mark.parametrize("block", INVENTORIES, ids=str)
def test_every_inventory_in_the_docs_loads(block: Block, folder: Path) -> None:
    assert described(python(block.text, folder)["web"]).nodes


def test_the_two_forms_of_the_whole_description_are_one(folder: Path) -> None:
    in_code, in_file = [b for b in INVENTORIES if b.page == DESCRIPTION]
    assert described(python(in_code.text, folder)["web"]) == described(
        python(in_file.text, folder)["web"]
    )


def whole(fragment: Mapping[str, object], folder: Path) -> Cluster:
    """Put an example of some keys into the whole description, and make a deployment of it."""
    base = tomllib.loads((folder / "prod.toml").read_text(encoding="utf-8"))
    return deployment(Cluster(**{**base, **fragment}), DESCRIPTION, folder).cluster


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair[0]))
def test_every_example_loads_and_its_two_forms_are_one(
    pair: tuple[Block, Block], folder: Path
) -> None:
    in_code, in_file = pair
    assert (in_code.language, in_file.language) == ("python", "toml")
    assert whole(python(in_code.text, folder), folder) == whole(tomllib.loads(in_file.text), folder)


def test_the_examples_to_copy_are_one_and_stand_in_the_readme(folder: Path) -> None:
    prod = read("inventories/prod.py")
    in_code = described(python(prod, folder)["web"])
    in_file = deployment(Path("example.toml"), "prod.py", folder).cluster
    assert in_code == in_file
    assert prod in [block.text for block in blocks("README.md")]


# --- every key is described ------------------------------------------------------------------


def rows(section: str) -> dict[str, str]:
    """Return key -> default as the first table of a section of docs/description.md tells it."""
    table = sections(DESCRIPTION)[section].split("| key | default |", 1)[1].split("\n\n", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", table, re.MULTILINE))


def default_in_words(model: type[Described], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, Described):
        return "see there"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    quote = '"' if isinstance(field.default, str) else ""
    return f"`{quote}{field.default}{quote}`"


@pytest.mark.parametrize(("section", "model"), MODELS.items(), ids=MODELS)
def test_every_key_and_no_other_is_described_with_its_default(
    section: str, model: type[Described]
) -> None:
    assert rows(section) == {key: default_in_words(model, key) for key in model.model_fields}


def models_within(model: type[Described]) -> Iterator[type[Described]]:
    """Yield a model and every model that its fields hold."""
    yield model
    for field in model.model_fields.values():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Described):
                yield from models_within(candidate)


def test_every_model_has_its_section() -> None:
    assert set(MODELS.values()) == set(models_within(Cluster))


def keys_set(part: Described) -> Iterator[tuple[type[Described], str]]:
    """Yield each key that was written, in the part and in the parts of it."""
    for key in part.model_fields_set:
        yield type(part), key
        value = getattr(part, key)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Described):
                yield from keys_set(each)


def test_every_key_has_an_example(folder: Path) -> None:
    shown = {
        key for _, in_file in PAIRS for key in keys_set(whole(tomllib.loads(in_file.text), folder))
    }
    assert shown == {(model, key) for model in MODELS.values() for key in model.model_fields}


def test_every_scheduler_and_flag_is_described() -> None:
    for name, scheduler in Plugins().schedulers.items():
        for word in (name, *scheduler.flags):
            assert f"`{word}`" in sections(DESCRIPTION)["`services`"], word


# --- status ----------------------------------------------------------------------------------


def test_every_gate_is_explained_in_the_order_of_status() -> None:
    titles = [title.strip("`") for title in sections("docs/status.md") if title.startswith("`")]
    assert titles == list(Plugins((builtin,)).gates)
    for title in titles:
        section = sections("docs/status.md")[f"`{title}`"]
        assert "**Proves:**" in section
        assert "| BAD | means | what to do |" in section


# --- what the docs name exists ---------------------------------------------------------------


def commands(page: str) -> list[str]:
    """Return each command line of a page: in `sh` blocks, in indented blocks, in backticks."""
    text = read(page)
    lines = [line for b in blocks(page) if b.language == "sh" for line in b.text.splitlines()]
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [line.strip() for line in plain.splitlines() if line.startswith("    ")]
    lines += re.findall(r"`([^`\n]+)`", plain)
    starts = ("./scripts/", "pyinfra ", "selfbalance ", ".tox/", ".venv/bin/")
    return [line.split(" #")[0].strip() for line in lines if line.startswith(starts)]


COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


def test_the_docs_have_commands() -> None:
    assert {"./scripts/demo", "./scripts/test"} <= set(commands("README.md"))
    assert any("cluster.py" in command for command in commands("README.md"))
    assert any("status.py" in command for command in commands("README.md"))
    assert {"tests/changes", "tests/upgrades", "tests/matrix", "tests/benchmarks"} == {*MEASURING}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_in_the_docs_exists(page: str, command: str) -> None:
    program, *arguments = shlex.split(command)
    if program.startswith("./"):
        assert os.access(ROOT / program, os.X_OK), program
        if program == "./scripts/tox" and arguments:
            assert arguments[:2] == ["run", "-e"]
            assert arguments[2] in tox_environments()
    elif Path(program).name == "selfbalance":
        exists_in_click(arguments)
    elif Path(program).name == "pyinfra":
        files = [word for word in arguments if word.endswith(".py")]
        assert files
        assert not [file for file in files if not (ROOT / file).is_file()]


MEASURING = re.findall(r"pytest (tests/\w+) -s", read("tox.ini"))


@pytest.mark.parametrize("folder", MEASURING)
def test_what_is_measured_outside_of_ci_can_be_collected(folder: str) -> None:
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", folder]
    ran = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def tox_environments() -> set[str]:
    config = ConfigParser(interpolation=None)
    config.read_string(read("tox.ini"))
    listed = re.findall(r"py3(\d+)|\{([\d,]+)\}", config["tox"]["env_list"])
    minors = {minor for one, many in listed for minor in (one or many).split(",")}
    sections = {name.partition(":")[2] for name in config.sections() if ":" in name}
    return sections | {f"py3{minor}" for minor in minors}


def exists_in_click(arguments: list[str]) -> None:
    """Follow the words of a command line through the groups of the console script."""
    command: click.Command = main
    words = list(arguments)
    while words and isinstance(command, click.Group):
        word = words.pop(0)
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"no command {word!r}"
        command = found
    options = {name for parameter in command.params for name in parameter.opts}
    if any(parameter.nargs == -1 for parameter in command.params):
        return  # the rest is a command of its own
    assert {word for word in words if word.startswith("--")} <= options


def test_every_verb_of_the_lab_is_in_its_page_with_every_option_of_up() -> None:
    lab = main.get_command(click.Context(main), "lab")
    assert isinstance(lab, click.Group)
    page = read("docs/lab.md")
    for verb in lab.commands:
        assert f"`selfbalance lab {verb}" in page, verb
    for parameter in lab.commands["up"].params:
        assert f"`{parameter.opts[0]}`" in page, parameter.opts[0]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(r"`((?:src|tests|docs|deploys|scripts|plugins)/[\w./-]+)`", read(page))
    for name in named:
        assert "NAME" in name or (ROOT / name).exists(), name


def test_the_picture_is_small_and_fits_both_schemes() -> None:
    picture = read("docs/topology.svg")
    ElementTree.fromstring(picture)
    assert len(picture.encode()) < 12_000
    assert "prefers-color-scheme: dark" in picture
