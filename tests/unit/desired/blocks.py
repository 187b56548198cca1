"""keepalived.conf as blocks, so that a test asks what a file means, not how it is indented."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field


@dataclass
class Block:
    """A line of words, and what stands in braces after it."""

    words: tuple[str, ...]
    inside: list[Block] = field(default_factory=list)

    def all(self, *words: str) -> list[Block]:
        """Every block inside that begins with these words."""
        return [block for block in self.inside if block.words[: len(words)] == words]

    def one(self, *words: str) -> Block:
        """The only block inside that begins with these words."""
        found = self.all(*words)
        assert len(found) == 1, f"{len(found)} blocks {words} in {self.words}"
        return found[0]

    def anywhere(self, word: str) -> list[Block]:
        """Every block that begins with this word, at any depth."""
        deeper = [found for block in self.inside for found in block.anywhere(word)]
        return [*self.all(word), *deeper]

    def get(self, word: str) -> str:
        """What stands after this word, which is there once."""
        return " ".join(self.one(word).words[1:])

    @property
    def meaning(self) -> dict[str, object]:
        """What is inside, in order: words, or their block's own meaning."""
        return {
            " ".join(block.words) if block.inside or len(block.words) == 1 else block.words[0]: (
                block.meaning if block.inside else " ".join(block.words[1:])
            )
            for block in self.inside
        }


def parse(text: str) -> Block:
    """Read a configuration. Every brace is closed; `#` and `!` start comments."""
    root = Block(("file",))
    way = [root]
    for line in text.splitlines():
        words = shlex.split(line.split("#")[0].split("!")[0])
        if not words:
            continue
        if words == ["}"]:
            way.pop()
            continue
        opens = words[-1] == "{"
        block = Block(tuple(words[:-1] if opens else words))
        assert not {"{", "}"} & set(block.words), line
        way[-1].inside.append(block)
        if opens:
            way.append(block)
    assert way == [root]
    return root
