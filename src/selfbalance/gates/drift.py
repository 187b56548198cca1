"""Gate `drift`: packages and files on the nodes are those that were deployed."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.desired import DesiredNode, File
from selfbalance.gates.view import View
from selfbalance.observed import NodeState, SeenFile
from selfbalance.plugins import Problem, Verdict


def drift(view: View) -> Verdict:
    """Compare packages, and each file's content, owner and mode, with what is desired."""
    problems = [problem for want, seen in view.pairs() for problem in differences(want, seen)]
    return Verdict("files and packages as deployed", tuple(problems))


def differences(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Yield what of a node's packages and files is not as desired."""
    for package in want.packages:
        if package not in seen.packages and "packages" not in seen.unknown:
            yield Problem(f"{seen.name}: package {package} is not installed", seen.name, _REMEDY)
    if "files" in seen.unknown:
        return
    for file in want.all_files:
        wrong = _wrong(file, seen.files.get(file.path))
        if wrong:
            yield Problem(f"{seen.name}: {file.path} {wrong}", seen.name, _REMEDY)


def _wrong(file: File, found: SeenFile | None) -> str | None:
    if found is None:
        return "is missing"
    if found.sha256 != file.sha256:
        return "was changed by hand, or is not deployed yet"
    if (found.mode, found.uid, found.gid) != (file.mode, 0, 0):
        return (
            f"has mode {found.mode:o} and owner {found.uid}:{found.gid}; "
            f"it should be {file.mode:o} and root's"
        )
    return None


_REMEDY = "see what cluster.py would change: run it with --dry --diff; then run it"
