"""The page's files: what is vendored is what was vendored, nothing is loaded from elsewhere, nothing is inline."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tools.vendor import LIBRARIES, STAND_INS

from usagedeck.web.pages import STATIC

VENDOR = STATIC / "vendor"
JS = STATIC / "js"
IMPORT = re.compile(
    r"""(?:^|[\s;}])(?:import|export)\s*(?:[\w*{}\s,$]+?\s*from\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)"""
)
LOADED = re.compile(
    r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|fetch\(\s*["'`]https?:|@import"""
)


def sources(*suffixes: str) -> list[Path]:
    return sorted(p for p in STATIC.rglob("*") if p.suffix in suffixes)


def code(path: Path) -> str:
    """Without comments: types are described there by imports that nobody makes."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def imports(path: Path) -> Iterator[str]:
    for match in IMPORT.finditer(code(path)):
        yield match[1] or match[2]


def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VENDOR / "VENDORED.json").read_text())
    return found


def test_vendored_files_are_what_they_were() -> None:
    shipped = {one["file"]: one for one in described()["files"]}
    assert sorted(shipped) == sorted(p.name for p in VENDOR.glob("*.js")) == sorted(one.file for one in LIBRARIES)
    for name, one in shipped.items():
        content = (VENDOR / name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["bytes"]), name


def test_every_vendored_package_has_a_licence_and_an_integrity() -> None:
    declared = {p.name: p for library in LIBRARIES for p in library.packages}
    for one in described()["files"]:
        for package in one["packages"]:
            known = declared.pop(package["name"])
            assert (package["version"], package["integrity"]) == (known.version, known.integrity)
            text = (VENDOR / package["licence_file"]).read_bytes()
            assert hashlib.sha256(text).hexdigest() == package["licence_sha256"]
            assert package["licence"] in ("BSD-3-Clause", "ISC")
            assert b"Copyright" in text
    assert not declared
    assert not STAND_INS.keys() & {p.name for library in LIBRARIES for p in library.packages}


@pytest.mark.parametrize("path", sources(".js"), ids=lambda p: str(p.relative_to(STATIC)))
def test_modules_import_relatively_what_is_there(path: Path) -> None:
    for found in imports(path):
        assert found.startswith(("./", "../")), found
        assert (path.parent / found).resolve().is_file(), found
        assert (path.parent / found).resolve().is_relative_to(STATIC), found


@pytest.mark.parametrize("path", sources(".js", ".css", ".html", ".svg"), ids=lambda p: str(p.relative_to(STATIC)))
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert not LOADED.search(text)
    assert "sourceMappingURL" not in text


def test_modules_have_no_cycles_and_are_small() -> None:
    static = {p: [(p.parent / f).resolve() for f in imports(p)] for p in sources(".js") if p.is_relative_to(JS)}
    seen: dict[Path, bool] = {}

    def walk(path: Path, trail: tuple[Path, ...]) -> None:
        assert path not in trail, " -> ".join(p.name for p in (*trail, path))
        if path in static and path not in seen:
            for other in static[path]:
                walk(other, (*trail, path))
            seen[path] = True

    for path in static:
        walk(path, ())
        assert len(path.read_text().splitlines()) < 400, path.name
        assert path.read_text().startswith("/**"), f"{path.name} does not say what it is for"


def test_templates_set_no_inline_style_and_no_handlers() -> None:
    """The policy forbids both; `.style=` sets a property and is fine."""
    for path in sources(".js"):
        if path.is_relative_to(JS):
            assert not re.search(r"""[\s`]style=|[\s`]on\w+=["'$]""", code(path)), path.name
            assert not re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|unsafe\w+)\b", code(path)), (
                path.name
            )


def test_only_one_module_fetches_and_one_knows_the_address() -> None:
    for path in sources(".js"):
        if path.is_relative_to(JS):
            assert "fetch(" not in re.sub(r"[.\w]fetch\(|async fetch\(", "", code(path)) or path.name == "api.js", path.name
            assert not re.search(r"\bhistory\.(?:push|replace)State", code(path)) or path.name in ("state.js", "docs.js"), (
                path.name
            )


class _Page(HTMLParser):
    """Collects what a document would run or style by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        names = dict(attrs)
        self.inline += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.inline.append(tag)

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_documents_hold_no_script_and_no_style(name: str) -> None:
    page = _Page()
    page.feed((STATIC / name).read_text())
    assert page.inline == []


def eager() -> set[Path]:
    """Every module that the page imports statically."""
    found: set[Path] = set()
    queue = [JS / "app.js"]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            loaded_at_once = re.sub(r"import\([^)]*\)", "", code(path))
            queue += [(path.parent / (m[1] or m[2])).resolve() for m in IMPORT.finditer(loaded_at_once)]
    return found


def test_the_document_preloads_what_is_imported() -> None:
    """So that a browser fetches all of it at once instead of level by level."""
    named = re.findall(r'rel="modulepreload" href="/static/([^"]+)"', (STATIC / "index.html").read_text())
    assert named == sorted(str(p.relative_to(STATIC)) for p in eager() - {JS / "app.js"})


def test_the_three_tabs_are_light() -> None:
    """What a browser fetches for all three tabs, compressed as the server does it."""
    fetched = eager() | {STATIC / "css" / "page.css", STATIC / "index.html"}
    assert sum(len(gzip.compress(p.read_bytes())) for p in fetched) <= 78_000
