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
        export {classMap} from 'lit/directives/class-map.js';
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
                "d3-color",
                "3.1.1",
                "sha512-lfab8x0Bj0UO7SNsY8dZSbNIA6ipbkE3X0NG9nqjCu6CfCHZseuDnOSJY7hidKrjpP++i1M2qT+FlAdPKYRilA==",
            ),
            Package(
                "d3-format",
                "3.1.3",
                "sha512-+F+/49swqmGuQJmSKnVMIDH/QkEFV5li9QRj0xm/KhyAUBv099O5PrvpQFxBp24PYph17Mnvt9mjKQV0ii0nMA==",
            ),
            Package(
                "d3-interpolate",
                "3.0.2",
                "sha512-IRzGU62DtxhvsnSTWMQIdnoZ6gA+BCWwBon1EJI6SjoN595799b6z/QRBzXfFhE8iupUPp3042yBNo0STPqnzQ==",
            ),
            Package(
                "d3-path",
                "3.1.1",
                "sha512-jsbgV8zIT38ReB9O7X7gcLndTQRONSqNNd+oGIaTBdUug4r5jFmp0N6RY9R5GWbdUDucn0qoTGyfjapT4tDhcg==",
            ),
            Package(
                "d3-time",
                "3.1.1",
                "sha512-Ze7rjrhMzdeulh0/hjcfFj7XLAHOfowtEMfsoG6DU866HPynQNW7Wfen6hzXcqKTv8XzxvF6Hzr5XD6bMHr2ug==",
            ),
            Package(
                "d3-time-format",
                "4.1.1",
                "sha512-22XaqjyCjpqgda20erhsOjGmC3vvYwTNYniKAd45W5UWLDF43moeOuV9qYpRqobIlsnK0UhnKZjUUJm3VgORUA==",
            ),
            Package(
                "internmap",
                "2.0.3",
                "sha512-5Hh7Y1wQbvY5ooGgPbDaL5iYLAPzMTUrjMulskHLH6wnv/A+1q5rgEaiuqEjB+oxGXIVZs1FF+R/KPN3ZSQYYg==",
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
        shutil.rmtree(VENDOR, ignore_errors=True)
        (VENDOR / "licences").mkdir(parents=True)
        shipped = [_ship(work, library) for library in LIBRARIES]
    text = json.dumps({"made_with": dict([ESBUILD]), "files": shipped}, indent=2, ensure_ascii=False)
    (VENDOR / "VENDORED.json").write_text(text + "\n", encoding="utf-8")
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


def _ship(work: Path, library: Library) -> Mapping[str, Any]:
    """Join a library into one file and say what it is."""
    entry, out = work / f"entry-{library.file}", VENDOR / library.file
    entry.write_text(library.source)
    command = [
        *(str(work / "node_modules" / ".bin" / "esbuild"), str(entry), f"--outfile={out}"),
        *("--bundle", "--format=esm", "--minify", "--target=es2022", "--charset=utf8", "--legal-comments=none"),
        f"--banner:js=/* {', '.join(f'{p.name} {p.version}' for p in library.packages)}; licences beside */",
    ]
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    content = out.read_bytes()
    return {
        "file": library.file,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "packages": [_described(work, package) for package in library.packages],
    }


def _described(work: Path, package: Package) -> Mapping[str, Any]:
    home = work / "node_modules" / package.name
    licence = json.loads((home / "package.json").read_text())["license"]
    text = (home / "LICENSE").read_bytes()
    name = f"licences/{package.name.removeprefix('@').replace('/', '-')}.txt"
    (VENDOR / name).write_bytes(text)
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
