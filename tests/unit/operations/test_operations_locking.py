"""A node's lock, by a real shell: who has it, who may break it, and who gives it back."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from selfbalance.desired import places
from selfbalance.operations import locking
from selfbalance.operations.locking import STALE_S, _beat, _free, _take

MINE, OTHER = "0123456789ab", "ba9876543210"
OWNER = "ops@bastion"


def take(node, run: str = MINE, owner: str = OWNER) -> str:
    ran = node.run(_take(run, owner, STALE_S))
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.strip()


def beat(node, run: str = MINE) -> str:
    ran = node.run(_beat(run))
    assert ran.returncode == 0
    return ran.stdout.strip()


def free(node, run: str = MINE) -> None:
    assert node.run(_free(run)).returncode == 0


def grow_old(node, seconds: int = STALE_S + 5) -> None:
    """Let the last heartbeat be so long ago."""
    then = time.time() - seconds
    os.utime(node.path(places.LOCK), (then, then))


def lock(node) -> str:
    return node.path(places.LOCK).read_text()


def test_a_lock_is_a_file_with_the_run_and_its_owner_and_nothing_else_stays(node):
    assert take(node) == "taken"

    assert lock(node) == f"{MINE} {OWNER}\n"
    assert node.files == {places.LOCK: 0o600}


def test_a_lock_that_is_held_is_told_with_its_age_and_owner(node):
    take(node)
    grow_old(node, 17)

    held, age, owner = take(node, OTHER, "me@here").split(None, 2)

    assert (held, owner) == ("held", OWNER)
    assert 17 <= int(age) <= 20
    assert lock(node) == f"{MINE} {OWNER}\n"
    assert node.files == {places.LOCK: 0o600}


def test_a_lock_without_a_heartbeat_is_broken_and_whose_it_was_is_told(node):
    take(node)
    grow_old(node, 300)

    broke, age, owner = take(node, OTHER, "me@here").split(None, 2)

    assert (broke, owner) == ("broke", OWNER)
    assert 300 <= int(age) <= 303
    assert lock(node) == f"{OTHER} me@here\n"
    assert node.files == {places.LOCK: 0o600}


def test_a_lock_of_the_future_is_held(node):
    """A node's clock was put back."""
    take(node)
    grow_old(node, -3600)

    assert take(node, OTHER).startswith("held -3")


@pytest.mark.parametrize(
    "owner", ["CORP\\new@x", "o'brien@x", "$(id)@`id`", "a  b%s@x", "ä@x", "-n", '"@x', "a;b&c|d"]
)
def test_whoever_it_is_is_told_as_he_is_called(node, owner):
    take(node, owner=owner)
    assert lock(node) == f"{MINE} {owner}\n"

    assert take(node, OTHER).split(" ", 2)[2] == owner
    assert beat(node, OTHER) == owner


@pytest.mark.parametrize("text", ["", "\n", "0123456789ab", "no end"])
@pytest.mark.parametrize("old", [False, True])
def test_half_a_lock_is_one_too(node, text, old):
    """A power loss may leave an empty file."""
    node.write(places.LOCK, text)
    if old:
        grow_old(node)

    assert take(node).split()[0] == ("broke" if old else "held")


# --- two at once ---


def both(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


@pytest.mark.parametrize("stale", [False, True], ids=["free", "stale"])
def test_of_two_that_take_it_at_once_exactly_one_has_it(node, stale):
    """Twenty times. Who breaks a stale lock must not break the one that was just taken, too."""
    for _ in range(20):
        if stale:
            node.write(places.LOCK, "dead0000dead somebody@gone\n")
            grow_old(node)

        said = both(lambda: take(node, MINE, "me@here"), lambda: take(node, OTHER, OWNER))

        (won,) = [run for run, word in zip((MINE, OTHER), said, strict=True) if word[0] in "tb"]
        assert lock(node).split()[0] == won
        assert [word.split()[0] for word in said].count("held") == 1
        assert list(node.files) == [places.LOCK]
        free(node, won)
        assert node.files == {}


# --- heartbeats, and the end ---


def test_a_heartbeat_makes_a_lock_young_again(node):
    take(node)
    grow_old(node)

    assert beat(node) == "beat"
    assert take(node, OTHER).startswith("held 0 ")


def test_a_heartbeat_of_a_run_that_has_lost_its_lock_is_told_whose_it_is_and_touches_nothing(node):
    take(node, OTHER, "me@here")
    grow_old(node, 20)
    before = node.path(places.LOCK).stat().st_mtime

    assert beat(node) == "me@here"
    assert node.path(places.LOCK).stat().st_mtime == before


def test_a_heartbeat_without_a_lock_makes_none(node):
    assert beat(node) == "nobody"
    assert node.files == {}


def test_a_heartbeat_that_comes_as_the_lock_is_given_back_leaves_no_empty_one(node):
    """`touch` itself would make a file, which belongs to nobody and is held for half a minute."""
    take(node)
    node.program("touch", f'rm -f {node.path(places.LOCK)}; exec /usr/bin/touch "$@"\n')

    beat(node)

    assert node.files == {}


def test_only_ones_own_lock_is_given_back(node):
    take(node, OTHER)

    free(node, MINE)
    assert lock(node).startswith(OTHER)

    free(node, OTHER)
    assert node.files == {}
    free(node, OTHER)


@pytest.mark.parametrize("folder", [False, True])
def test_where_nothing_is_nothing_is_given_back(node, folder):
    if folder:
        node.path(places.LOCK).parent.mkdir(parents=True)

    node.run(_free(MINE))

    assert node.files == {}


def test_a_node_on_which_no_lock_can_be_written_says_why(node):
    node.path("/var").mkdir()
    node.write("/var/lib", "a file, no folder")

    ran = node.run(_take(MINE, OWNER, STALE_S))

    assert ran.returncode != 0
    assert ran.stdout == ""
    assert ran.stderr


# --- over several nodes ---


class Nodes:
    """Nodes that answer `ask` from a table, and note what they were asked."""

    def __init__(self, monkeypatch, **answers: str | None) -> None:
        self.answers = answers
        self.asked: list[str] = []
        monkeypatch.setattr(locking, "ask", self._ask)
        monkeypatch.setattr(locking, "say", lambda _: None)
        self.hosts = [Host(name) for name in answers]

    def _ask(self, host, command):
        kind = "take" if " ln " in command else "free" if " rm " in command else "beat"
        self.asked.append(f"{host.name} {kind}")
        if kind != "take":
            return locking_answer("")
        return locking_answer(self.answers[host.name])


class Host:
    def __init__(self, name: str) -> None:
        self.name, self.print_prefix = name, f"[{name}] "


def locking_answer(said: str | None):
    from selfbalance.operations.context import Answer

    return Answer(said is not None, said or "", "" if said is not None else "ssh went away")


def held(nodes) -> None:
    with locking.Lock(MINE, OWNER, nodes.hosts).held():
        pass


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "web2 could not be locked: ssh went away; nothing was changed"),
        ("", "web2 could not be locked"),
        ("held 7 me and you@here", "me and you@here holds the lock on web2, heartbeat 7 s ago"),
        ("held 7", "somebody holds the lock on web2, heartbeat 7 s ago"),
    ],
)
def test_what_was_taken_is_given_back_where_a_later_one_is_not_to_be_had(monkeypatch, answer, said):
    """Also the one that did not answer: it may have been locked all the same."""
    nodes = Nodes(monkeypatch, web1="taken", web2=answer, web3="taken")

    with pytest.raises(locking.OperationError) as refused:
        held(nodes)

    assert said in str(refused.value)
    assert nodes.asked == ["web1 take", "web2 take", "web1 free", "web2 free"]


@pytest.mark.parametrize("word", ["taken", "broke 31 me@here", "broke 31"])
def test_all_are_given_back_at_the_end(monkeypatch, word):
    nodes = Nodes(monkeypatch, web1=word, web2="taken")

    held(nodes)

    assert nodes.asked == ["web1 take", "web2 take", "web1 free", "web2 free"]
