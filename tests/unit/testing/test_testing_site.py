"""The shipped site: whoever has no deploys of their own has ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfbalance.testing import Site
from selfbalance.testing.users_files import USERS_FILES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", USERS_FILES)
def test_what_is_shipped_is_what_this_repository_has(name):
    assert USERS_FILES[name] == (ROOT / name).read_text()


def test_every_deploy_of_this_repository_is_shipped():
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "deploys").glob("*.py")}

    assert ours | {"config.py"} == set(USERS_FILES)


def test_a_project_with_deploys_of_its_own_is_tried_with_them(tmp_path):
    project, folder = tmp_path / "project", tmp_path / "site"
    (project / "deploys").mkdir(parents=True)
    (project / "deploys" / "cluster.py").write_text("theirs = True\n")

    Site(None, folder, project)

    assert (folder / "deploys" / "cluster.py").read_text() == "theirs = True\n"
    assert (folder / "deploys" / "status.py").read_text() == USERS_FILES["deploys/status.py"]
    assert (folder / "config.py").read_text() == USERS_FILES["config.py"]
