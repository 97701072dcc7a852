"""Headers and bodies without what must not be kept.

A body is read as what it is: JSON, lines of JSON (also as server-sent events), a form, parts, or plain text; and so is what is
written inside of it: JSON in a text, texts in base64 or with percent signs. JSON in which nothing is taken out stays as it was,
to the last blank; otherwise it is written anew, its numbers digit by digit as they were.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby, islice
from urllib.parse import quote_plus, unquote, unquote_plus, unquote_to_bytes

from usagedeck.redacting.names import MARK, is_secret, is_secret_header
from usagedeck.redacting.patterns import ALWAYS, Patterns
from usagedeck.redacting.rules import ANY, DEEP, Rules, read_rules
from usagedeck.redacting.trees import Tree, Unsure, bare, storable

MAX_INSIDE = 4
"""Texts within texts."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LINE = re.compile(r"(data:[ ]?)?([\[{].*[\]}])[ \t]*\r?")
_OPENS = re.compile(r"\s*(?:data:)?\s*(?:\{|\[\s*[\"{\[0-9])")
_WORD = re.compile(r"[^\s\"'<>,;&=?]+")
_MEMBER = r"[^=&\s{}<>\"]{0,200}(?:=[^&\s]*)?"
_FORM = re.compile(rf"(?=[^=]*=){_MEMBER}(?:&{_MEMBER})*")
_TEXTUAL = re.compile(r"text/|json|xml|x-www-form-urlencoded", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[A-Za-z-]{1,60}")
_BOUNDARY = re.compile(r"boundary=\"?([^\";,\s]{1,70})", re.IGNORECASE)
_MARK = re.compile(rb"--[A-Za-z0-9'()+_,./:=? -]{1,70}")
_PART_NAME = re.compile(rb"name\*?=(?:\"([^\"\r\n]{1,300})\"|(?:[^\s;\"']{0,40}'){0,2}([^\s;\"']{1,300}))", re.IGNORECASE)
_PART_GAP = re.compile(rb"\r?\n\r?\n")
_PART_TYPE = re.compile(rb"content-type:[ \t]*([^\r\n]{1,200})", re.IGNORECASE)


class Redactor:
    """Safe to use from many threads."""

    def __init__(self, rules: Rules) -> None:
        self._headers = rules.headers
        self._paths = tuple(rules.paths)
        self._patterns = Patterns(rules.patterns, ALWAYS)
        self._own = Patterns(rules.patterns)

    def headers(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Raises `Unsure` when a value has more secrets than can be told."""
        denied = [name.strip().lower() in self._headers or is_secret_header(name.strip()) for name, _ in pairs]
        names = [storable(name) for name, _ in pairs]
        plain = all(map(_PLAIN_NAME.fullmatch, names))  # words like `authorization` would only have patterns asked for nothing
        names = _sure(self._own.clean(names)) if plain else self._texts(names, 0)
        values = self._texts(["" if no else storable(value) for (_, value), no in zip(pairs, denied, strict=True)], 0)
        return [(name, MARK if no else value) for name, value, no in zip(names, values, denied, strict=True)]

    def text(self, text: str, content_type: str = "") -> str:
        """A body that is text. Raises `Unsure`."""
        text = storable(text)
        if "\0" in text and self._holds(text.replace("\0", ""), content_type):
            raise Unsure("text in letters of several bytes, with what looks like a secret in it")
        return self._body(text, content_type, 0)

    def binary(self, data: bytes, content_type: str = "") -> bytes:
        """A body that is none: its parts are looked at by themselves; else it stays as it is, or is not kept at all.

        Raises `Unsure` when it holds what looks like a secret, since nothing can be taken out of it.
        """
        if (parted := self._parts(data, content_type, 0)) is not None:
            return parted
        self._look(data, content_type)
        return data

    def _look(self, data: bytes, content_type: str) -> None:
        for text in (data.decode("latin-1"), data.replace(b"\0", b"").decode("latin-1")):
            reads = _TEXTUAL.search(content_type) or _OPENS.match(bare(text))  # it was to be text, in whatever charset
            if self._holds(text, content_type) if reads else self._clean([text])[0] != text:
                raise Unsure("binary, with what looks like a secret in it")

    def _holds(self, text: str, content_type: str) -> bool:
        """Whether there is something in it that would be taken out."""
        return self._body(text, content_type, 0) != text

    # --- forms of text

    def _body(self, text: str, content_type: str, inside: int) -> str:
        if not text or text.isspace():
            return text
        if (parted := self._parts(text.encode(), content_type, inside)) is not None:
            return parted.decode("utf-8", "replace")
        if (made := self._json(text, inside)) is not None:
            return made
        if _FORM.fullmatch(bare(text)):
            return self._form(text, inside)
        return self._lines(text, content_type, inside)

    def _lines(self, text: str, content_type: str, inside: int) -> str:
        """Lines that are JSON one by one, and what stands between them as one text each; all of it looked at together."""
        lines = text.split("\n")
        trees = [self._tree_of(line) for line in lines]
        if self._paths:
            rest = [line for line, tree in zip(lines, trees, strict=True) if tree is None and line.strip()]
            if rest and ("json" in content_type.lower() or any(_OPENS.match(bare(line)) for line in rest)):
                raise Unsure("broken JSON, and rules name parts of it")
        pieces: list[tuple[str, Tree | None]] = []
        for is_tree, group in groupby(zip(lines, trees, strict=True), key=lambda one: one[1] is not None):
            found = list(group)
            pieces += found if is_tree else [("\n".join(line for line, _ in found), None)]
        made = iter(self._texts([one for piece, tree in pieces for one in (tree.texts() if tree else [piece])], inside))
        written = []
        for piece, tree in pieces:
            if tree is None:
                written.append(next(made))
                continue
            tree.put([next(made) for _ in tree.texts()])
            written.append(f"{_before(piece)}{tree.written()}" if tree.changed else piece)
        return self._clean_own("\n".join(written))

    def _tree_of(self, line: str) -> Tree | None:
        found = _LINE.fullmatch(bare(line))
        return Tree.read(found[2], self._paths) if found else None

    def _form(self, text: str, inside: int) -> str:
        """`a=1&b=2`: names say what is secret; names and values are looked at as what they stand for."""
        members = [piece.partition("=") for piece in text.split("&")]
        names = [unquote_plus(name) for name, _, _ in members]
        denied = [is_secret(bare(name)) or self._hit(bare(name)) for name in names]
        values = [MARK if no and equals else unquote_plus(value) for (_, equals, value), no in zip(members, denied, strict=True)]
        made = iter(self._texts([*names, *values], inside))
        names, values = list(islice(made, len(members))), list(made)
        pieces = [
            f"{_as_in_forms(name, said)}{equals}{_as_in_forms(value, kept)}"
            for (name, equals, value), said, kept in zip(members, names, values, strict=True)
        ]
        return self._clean_own("&".join(pieces))

    def _hit(self, name: str) -> bool:
        """Whether a rule names a member of that name at the top."""
        return any(path[-1] in (name, ANY) and path[:-1] in ((), (DEEP,)) for path in self._paths)

    def _parts(self, data: bytes, content_type: str, inside: int) -> bytes | None:
        """`multipart/…`: each part by itself. None when it is none."""
        boundary = _BOUNDARY.search(content_type) if "multipart" in content_type.lower() else None
        if boundary is not None:
            mark = b"--" + boundary[1].encode()
        elif data.startswith(b"--") and b"form-data" in data[:2000].lower():
            mark = data[:200].splitlines()[0].strip()
        else:
            return None
        if not _MARK.fullmatch(mark) or self._clean([mark.decode()]) != [mark.decode()]:
            return None
        first, *parts = data.split(mark)
        whole = mark.join([self._plain(first, inside), *(self._part(part, inside) for part in parts)])
        try:
            return self._clean_own(whole.decode()).encode()
        except UnicodeDecodeError:
            return whole

    def _part(self, part: bytes, inside: int) -> bytes:
        found = _PART_GAP.search(part)
        head, gap, data = part.partition(found[0] if found else b"\r\n\r\n")
        names = [(quoted or unquote_to_bytes(word)).decode("utf-8", "replace") for quoted, word in _PART_NAME.findall(head)]
        kind = _PART_TYPE.search(head)
        if any(is_secret(name.strip()) or self._hit(name) for name in names):
            data = MARK.encode() + (b"\r\n" if data.endswith(b"\r\n") else b"")
        else:
            data = self._plain(data, inside, kind[1].decode("latin-1") if kind else "")
        return self._plain(head, inside) + gap + data

    def _plain(self, data: bytes, inside: int, content_type: str = "") -> bytes:
        """A part of a body, whatever it is."""
        if inside >= MAX_INSIDE:
            raise Unsure("nested too deeply")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._look(data, content_type)
            return data
        return self._body(text, content_type, inside + 1).encode()

    # --- JSON

    def _json(self, text: str, inside: int) -> str | None:
        """None when it is none, or a mere text or number."""
        tree = Tree.read(text, self._paths)
        if tree is None:
            return None
        tree.put(self._texts(tree.texts(), inside))
        if inside and not tree.changed:
            return text  # which was looked at as a whole where it stands
        return self._clean_own(tree.written() if tree.changed else text)

    # --- texts

    def _texts(self, texts: Sequence[str], inside: int) -> list[str]:
        """Single texts: what stands in them, and what they stand for."""
        made = self._clean(texts)
        for at, text in enumerate(made):
            if _hides(text):
                made[at] = self._opened(text, inside)
        return made

    def _opened(self, text: str, inside: int) -> str:
        if inside >= MAX_INSIDE:
            raise Unsure("nested too deeply")
        if (made := self._json(text, inside + 1)) is not None:
            return made
        if "%" in text and (meant := unquote(text)) != text and self._body(meant, "", inside + 1) != meant:
            text = self._disguised(text, _WORD, unquote, inside)
        return self._disguised(text, _BASE64, _plain_of_base64, inside)

    def _disguised(self, text: str, looks: "re.Pattern[str]", plain: Callable[[str], str], inside: int) -> str:
        """Words that stand for something else are taken out whole when there is something in that."""

        def put(found: "re.Match[str]") -> str:
            meant = plain(found[0])
            if not meant or meant == found[0]:
                return found[0]
            return found[0] if self._body(meant, "", inside + 1) == meant else MARK

        return looks.sub(put, text)

    def _clean(self, texts: Sequence[str]) -> list[str]:
        return _sure(self._patterns.clean(texts))

    def _clean_own(self, text: str) -> str:
        """The whole as it is written, for patterns that go over more than one of its texts."""
        return _sure(self._own.clean([text]))[0]


@lru_cache(maxsize=256)
def redactor(rules: tuple[str, ...]) -> Redactor:
    """Of a workspace with these rules. Raises `InvalidInput` for a rule that cannot be followed."""
    return Redactor(read_rules(rules))


def _sure(made: list[str] | None) -> list[str]:
    if made is None:
        raise Unsure("too many secrets in it")
    return made


def _as_in_forms(written: str, meant: str) -> str:
    """A part of a form that is to mean this; as it was written when it does."""
    return written if unquote_plus(written) == meant else quote_plus(meant, "[]")


def _before(line: str) -> str:
    """What stands before the JSON of an event of a stream."""
    return (found[1] or "") if (found := _LINE.fullmatch(bare(line))) else ""


def _hides(text: str) -> bool:
    """Whether it may be JSON or another text in disguise."""
    return "%" in text or bare(text)[:1] in ("{", "[") or _BASE64.search(text) is not None


def _plain_of_base64(text: str) -> str:
    """What it stands for if that is readable text, else nothing."""
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        meant = data.decode()
    except (binascii.Error, ValueError):
        return ""
    return meant if meant.isprintable() or all(ch.isprintable() or ch in "\r\n\t" for ch in meant) else ""
