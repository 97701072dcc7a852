"""Fetch the page's two libraries, check them, and write them to `src/usagedeck/static/vendor`.

    python tools/vendor.py

Needs `npm` and the network; nothing else in the product does, and browsers load only what is written here. Each library
becomes one minified ES module without imports. Versions are exact and every package must have the integrity given below,
which is npm's: SHA-512 of its tarball. `VENDORED.json` says what was shipped; `tests/test_vendor.py` holds the files to it.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parent.parent / "src" / "usagedeck" / "static" / "vendor"
ESBUILD = ("esbuild", "0.28.2")
"""The tool that joins the modules of a library; never shipped."""


STAND_INS = {
    "d3-interpolate": """
const number = (a, b) => (a = +a, b = +b, (t) => a * (1 - t) + b * t);
const round = (a, b) => (a = +a, b = +b, (t) => Math.round(a * (1 - t) + b * t));
export {number as interpolate, number as interpolateNumber, round as interpolateRound, number as piecewise};
""",
    "d3-format": """
const none = () => { throw new Error("Numbers are formatted by Intl"); };
export {none as format, none as formatPrefix, none as formatSpecifier};
export {none as precisionFixed, none as precisionPrefix, none as precisionRound};
""",
}
"""Small modules in place of packages that d3-scale asks for: the page's scales map numbers only, and Intl formats. They save
more than half of the file."""


@dataclass(frozen=True)
class Package:
    """A package of the registry, exactly."""

    name: str
    version: str
    integrity: str


@dataclass(frozen=True)
class Library:
    """A shipped file: what it exports, and the packages it is made of."""

    file: str
    source: str
    packages: Sequence[Package]


LIBRARIES = (
    Library(
        "lit.js",
        """
        export {LitElement, css, html, nothing, svg} from 'lit';
        export {live} from 'lit/directives/live.js';
        export {repeat} from 'lit/directives/repeat.js';
        """,
        (
            Package(
                "lit",
                "3.3.3",
                "sha512-fycuvZg/hkpozL00lm1pEJH5nN/lr9ZXd6mJI2HSN4+Bzc+LDNdEApJ6HFbPkdFNHLvOplIIuJvxkS4XUxqirw==",
            ),
            Package(
                "lit-html",
                "3.3.3",
                "sha512-el8M6jK2o3RXBnrSHX3ZKrsN8zEV63pSExTO1wYJz7QndGYZ8353e2a5PPX+qHe2aGayfnchQmkAojaWAREOIA==",
            ),
            Package(
                "lit-element",
                "4.2.2",
                "sha512-aFKhNToWxoyhkNDmWZwEva2SlQia+jfG0fjIWV//YeTaWrVnOxD89dPKfigCUspXFmjzOEUQpOkejH5Ly6sG0w==",
            ),
            Package(
                "@lit/reactive-element",
                "2.1.2",
                "sha512-pbCDiVMnne1lYUIaYNN5wrwQXDtHaYtg7YEFPeW+hws6U47WeFvISGUWekPGKWOP1ygrs0ef0o1VJMk1exos5A==",
            ),
        ),
    ),
    Library(
        "d3.js",
        """
        export {bisectRight, max, min} from 'd3-array';
        export {scaleLinear, scaleLog} from 'd3-scale';
        export {area, line, stack} from 'd3-shape';
        """,
        (
            Package(
                "d3-array",
                "3.2.5",
                "sha512-Th8qGXoBalmWsstpkuhmBuTsBQIFqYOJtjlBvNVvBfJ8E3uYusBUwUR8HU20U0qKKQkgCvKyR1YjiozWadk5QA==",
            ),
            Package(
                "d3-scale",
                "4.0.3",
                "sha512-66cWobCNzcMvlfoaDHCxuIv9TBUWG1BLOWdv9kHHFuCr1JdqAWPvTmsaEYDD5NRMyWZ5+7u0GqiCDfMXMqh3hg==",
            ),
            Package(
                "d3-shape",
                "3.2.1",
                "sha512-dm2o+lbKdzg9tY7GEag/dB9hcbodLfwkE/DkvqbELJXaMz0yKzWWhZqhbI7CKubukA7HnRyz0avdtvi7EPxPvw==",
            ),
            Package(
                "d3-path",
                "3.1.1",
                "sha512-jsbgV8zIT38ReB9O7X7gcLndTQRONSqNNd+oGIaTBdUug4r5jFmp0N6RY9R5GWbdUDucn0qoTGyfjapT4tDhcg==",
            ),
        ),
    ),
)


def main() -> None:
    """Do it all anew."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not on PATH; it is needed to fetch packages (never to run the product).")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _install(npm, work)
        _check_integrity(work)
        target = work / "vendor"
        (target / "licences").mkdir(parents=True)
        shipped = [_ship(work, target, library) for library in LIBRARIES]
        text = json.dumps({"made_with": dict([ESBUILD]), "files": shipped}, indent=2, ensure_ascii=False)
        (target / "VENDORED.json").write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.copytree(target, VENDOR)
    for one in shipped:
        sys.stdout.write(f"{one['file']}  {one['bytes']:,} bytes  sha256 {one['sha256']}\n")


def _install(npm: str, work: Path) -> None:
    """Every package at its exact version. No script of any package is run."""
    wanted = dict([ESBUILD], **{p.name: p.version for library in LIBRARIES for p in library.packages})
    (work / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=work, check=True)  # noqa: S603 - npm itself, with arguments of ours


def _check_integrity(work: Path) -> None:
    lock = json.loads((work / "package-lock.json").read_text())["packages"]
    for library in LIBRARIES:
        for package in library.packages:
            found = lock[f"node_modules/{package.name}"]
            if (found["version"], found["integrity"]) != (package.version, package.integrity):
                sys.exit(f"{package.name} {package.version} is not what it was: {found['version']} {found['integrity']}")


def _ship(work: Path, target: Path, library: Library) -> Mapping[str, Any]:
    """Join a library into one file and say what it is."""
    entry, made_of, out = work / f"entry-{library.file}", work / "made-of.json", target / library.file
    entry.write_text(library.source)
    for name, source in STAND_INS.items():
        (work / f"{name}.js").write_text(source)
    command = [
        *(str(work / "node_modules" / ".bin" / "esbuild"), str(entry), f"--outfile={out}", f"--metafile={made_of}"),
        *(
            "--bundle",
            "--format=esm",
            "--minify",
            "--target=es2022",
            "--charset=utf8",
            "--legal-comments=none",
            "--log-level=error",
        ),
        *(f"--alias:{name}={work / name}.js" for name in STAND_INS),
        f"--banner:js=/* {', '.join(f'{p.name} {p.version}' for p in library.packages)}; licences beside */",
    ]
    subprocess.run(command, cwd=work, check=True)  # noqa: S603 - the tool just installed
    _check_contents(library, json.loads(made_of.read_text()))
    content = out.read_bytes()
    return {
        "file": library.file,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "stand_ins": sorted(STAND_INS) if any(p.name == "d3-scale" for p in library.packages) else [],
        "packages": [_described(work, target, package) for package in library.packages],
    }


def _check_contents(library: Library, made_of: Mapping[str, Any]) -> None:
    """What is in the file is what is declared above, so that no licence is missing beside it."""
    (output,) = made_of["outputs"].values()
    parts = [name.partition("node_modules/")[2].split("/") for name, part in output["inputs"].items() if part["bytesInOutput"]]
    found = {"/".join(part[: 2 if part[0].startswith("@") else 1]) for part in parts if part[0]}
    declared = {package.name for package in library.packages}
    if not found <= declared:
        sys.exit(f"{library.file} holds {sorted(found - declared)}, which are not declared here.")


def _described(work: Path, target: Path, package: Package) -> Mapping[str, Any]:
    home = work / "node_modules" / package.name
    licence = json.loads((home / "package.json").read_text())["license"]
    text = (home / "LICENSE").read_bytes()
    name = f"licences/{package.name.removeprefix('@').replace('/', '-')}.txt"
    (target / name).write_bytes(text)
    return {
        "name": package.name,
        "version": package.version,
        "licence": licence,
        "licence_file": name,
        "licence_sha256": hashlib.sha256(text).hexdigest(),
        "integrity": package.integrity,
    }


if __name__ == "__main__":
    main()
