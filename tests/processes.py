"""Processes of the product, for tests that kill them: `usagedeck …`, forked from a process that has imported it already.

Starting one costs a quarter of a second of CPU instead of two. Each has its own store and its own threads, and SIGKILL ends it as
it ends any process; `tests/cli/test_serve.py` has what only a started interpreter can show.
"""

import importlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from usagedeck import cli

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Process:
    """One that runs, or has run."""

    process: multiprocessing.process.BaseProcess
    out: int
    errors: Path

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    def line(self) -> str:
        """The next line it prints; empty when it ended instead."""
        found = b""
        while not found.endswith(b"\n") and (piece := os.read(self.out, 1)):
            found += piece
        return found.decode()

    def kill(self) -> None:
        """SIGKILL: nothing in it runs any more. Idempotent."""
        self.process.kill()
        self.process.join()

    def end(self, seconds: float = 60) -> int:
        """Wait for its end; its exit status."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, "it goes on and on"
        return self.process.exitcode

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.end()

    def said(self) -> str:
        """What it complained about."""
        return self.errors.read_text()


@contextmanager
def process(
    *words: str, errors: Path, settings: Mapping[str, object], constants: Mapping[str, object] | None = None
) -> Iterator[Process]:
    """`usagedeck <words>` with these settings; what it says on standard error goes into that file.

    `constants` of modules (`usagedeck.module.NAME`) are other ones there.
    """
    reader, writer = _forked.Pipe(duplex=False)
    variables = {f"USAGEDECK_{name.upper()}": str(value) for name, value in settings.items()}
    made = _forked.Process(target=_run, args=(words, variables, dict(constants or {}), str(errors), writer), daemon=True)
    made.start()
    writer.close()
    found = Process(made, reader.fileno(), errors)
    try:
        yield found
    finally:
        found.kill()
        reader.close()


@contextmanager
def server(folder: Path, *, constants: Mapping[str, object] | None = None, **settings: object) -> Iterator[tuple[Process, str]]:
    """A server on the data folder, and the address it said it is ready at. Without a floor of free disk, unless one is given."""
    words = ("serve", "--json", "--port", "0", "--data-dir", str(folder))
    settings = {"min_free_bytes": 0} | settings
    errors = folder.with_name(folder.name + ".errors")
    with process(*words, errors=errors, settings=settings, constants=constants) as found:
        line = found.line()
        assert line, found.said()
        yield found, json.loads(line)["url"]


def _run(
    words: tuple[str, ...], variables: Mapping[str, str], constants: Mapping[str, object], errors: str, writer: Connection
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background has it ignored
    for name in [name for name in os.environ if name.startswith("USAGEDECK_")]:
        del os.environ[name]
    os.environ.update(variables)
    os.dup2(writer.fileno(), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    for place, value in constants.items():
        module, _, name = place.rpartition(".")
        setattr(importlib.import_module(module), name, value)
    sys.argv = ["usagedeck", *words]
    cli.main()
