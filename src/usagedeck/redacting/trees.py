"""JSON from which parts are taken out, and which is written again only if any was."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from usagedeck.redacting.names import MARK, is_secret
from usagedeck.redacting.rules import ANY, DEEP, Path, Step

MAX_DEPTH = 100
"""Levels of JSON; what is deeper is not kept."""

_HALVES = re.compile("[\ud800-\udfff]")


class Unsure(Exception):
    """Something may be left in it, so it must not be kept. The message says why, in a few words."""


class _Number(str):
    """The digits of a number, as they stand in the text."""

    __slots__ = ()


class _Object(list[Any]):
    """Members of an object: names and values."""


class _Leaf:
    """A text or number, to be looked at together with all others."""

    __slots__ = ("digits", "text")

    def __init__(self, text: str, digits: str | None = None) -> None:
        self.text = text
        self.digits = digits
        """How a number is spelt."""


States = Sequence[tuple[int, int]]
"""Paths and how many of their steps have been taken."""


class Tree:
    """Names that are secrets' and paths of rules are followed when it is read; its texts are for others to look at."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._leaves: list[_Leaf] = []
        self._root: Any = None
        self.changed = False
        """It is not any more what the text says."""

    @classmethod
    def read(cls, text: str, paths: Sequence[Path]) -> Optional["Tree"]:
        """None when the text is no object and no list. Raises `Unsure` when it is nested too deeply to tell."""
        text = bare(text)
        if text[:1] not in ("{", "["):
            return None
        tree = cls(paths)
        try:
            root = json.loads(text, object_pairs_hook=tree._members, parse_int=_Number, parse_float=_Number)
        except RecursionError:
            raise Unsure("nested too deeply") from None
        except ValueError:
            return None
        tree._root = tree._walk(root, [(which, 0) for which in range(len(paths))], 0)
        return tree

    def texts(self) -> list[str]:
        """All names, texts and numbers that are left in it."""
        return [storable(leaf.text) for leaf in self._leaves]

    def put(self, texts: Sequence[str]) -> None:
        """What is to stand in their places."""
        for leaf, text in zip(self._leaves, texts, strict=True):
            if text != leaf.text:
                self.changed = True
                leaf.text, leaf.digits = text, None

    def written(self) -> str:
        return "".join(_written(self._root))

    def _members(self, found: list[tuple[str, Any]]) -> dict[str, Any]:
        """Of members with one name the last one counts, and the others must not stay in the text."""
        made = dict(found)
        self.changed = self.changed or len(made) != len(found)
        return made

    def _walk(self, node: Any, states: States, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unsure("nested too deeply")
        if isinstance(node, dict):
            return _Object((self._leaf(name), self._member(name, value, states, depth)) for name, value in node.items())
        if isinstance(node, list):
            return [self._below(at, value, states, depth) for at, value in enumerate(node)]
        if isinstance(node, _Number):
            return self._leaf(str(node), str(node))
        return self._leaf(node) if isinstance(node, str) else node

    def _leaf(self, text: str, digits: str | None = None) -> _Leaf:
        leaf = _Leaf(text, digits)
        self._leaves.append(leaf)
        return leaf

    def _member(self, name: str, value: Any, states: States, depth: int) -> Any:
        if is_secret(name) and not isinstance(value, bool) and value not in (None, ""):
            self.changed = True
            return MARK
        return self._below(name, value, states, depth)

    def _below(self, step: Step, value: Any, states: States, depth: int) -> Any:
        after: list[tuple[int, int]] = []
        for which, done in states:
            path, at = self._paths[which], done
            if path[at] == DEEP:
                after.append((which, done))
                at += 1
            if path[at] in (ANY, step):
                if at + 1 == len(path):
                    self.changed = True
                    return MARK
                after.append((which, at + 1))
        return self._walk(value, after, depth + 1)


def bare(text: str) -> str:
    """Without blanks around it, and without the mark that some programs put before everything they write."""
    return text.strip().strip("\ufeff").strip()


def storable(text: str) -> str:
    """Without halves of characters, which JSON can spell and nothing can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _HALVES.search(text) else text


def _written(node: Any) -> Iterator[str]:
    if isinstance(node, _Leaf):
        yield node.digits if node.digits is not None else _text(node.text)
    elif isinstance(node, _Object):
        for at, (name, value) in enumerate(node):
            yield "," if at else "{"
            yield _text(name.text)
            yield ":"
            yield from _written(value)
        yield "}" if node else "{}"
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield "," if at else "["
            yield from _written(value)
        yield "]" if node else "[]"
    else:
        yield _text(node)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
