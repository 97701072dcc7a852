"""Fills a deck with the demo: makes its companies, then sends their traffic through the same door as everybody's events.

`demo.json` in the data folder (for the owner's eyes only) remembers who was made and how far traffic has been sent, so that
a second start goes on where the first one ended. Being interrupted at any moment is harmless: what is there already is not
made again, and an event that is sent again is the same event.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec

from usagedeck import admin, ingest
from usagedeck.access import Permission, Who
from usagedeck.admin import AnyCommand
from usagedeck.deck import Deck
from usagedeck.demo.arrivals import World
from usagedeck.demo.companies import COMPANIES, HALCYON, NORA
from usagedeck.demo.people import Company
from usagedeck.demo.traffic import Traffic
from usagedeck.directory import keys
from usagedeck.errors import Conflict, StoreFailed, TooBusy
from usagedeck.files import write_private
from usagedeck.ingest import Receipt
from usagedeck.times import DAY, HOUR, MINUTE

NOTES_FILE = "demo.json"
SEED = 4
"""Any number makes lifelike traffic; with this one its figures lie well inside what was measured, whatever the day."""

DAYS = 30
"""Days of traffic to begin with, unless asked for otherwise; and the length of the story of keys that come and go."""

SLICE = 12 * HOUR
BATCH = 5_000
IN_FLIGHT = 6
PATIENCE_S = 60
SAVE_EVERY = MINUTE

Progress = Callable[[float], None]
"""Told the part that is done, from 0 to 1."""


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered between starts."""

    workspace_id: str
    email: str
    password: str
    api_key: str = ""
    seed: int
    born: int
    """Day 0 of the demo's story, epoch milliseconds."""
    sent_to: int
    """Everything that was to be sent before this instant is safe on disk."""


class Demo:
    """A demo on an open deck."""

    def __init__(self, deck: Deck, days: int = DAYS) -> None:
        """Raises `Conflict` for a data folder that holds something else."""
        self.deck = deck
        self._longest = days * DAY
        self._file = deck.settings.data_dir / NOTES_FILE
        self.notes = self._read() or self._begin()
        self._saved_to = self.notes.sent_to
        self.world = World(COMPANIES, self.notes.seed, self.notes.born)
        self._traffic = Traffic(self.world)
        self._encode = msgspec.json.Encoder().encode

    # --- notes

    def _read(self) -> Notes | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Notes)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise Conflict(f"{self._file} cannot be read ({error}); remove its folder to begin anew.", field="data_dir") from None

    def _begin(self) -> Notes:
        folder = self.deck.settings.data_dir
        if self.deck.directory.workspaces.all():
            raise Conflict(f"{folder} holds data that is no demo; name another folder with --data-dir.", field="data_dir")
        now = self.deck.clock()
        notes = Notes(
            workspace_id=HALCYON.id,
            email=NORA.email,
            password=keys.mint_token()[:16],
            seed=SEED,
            born=(now // DAY - DAYS) * DAY,
            sent_to=now - self._longest,
        )
        write_private(self._file, _spell(notes))
        return notes

    def save(self) -> None:
        """Remember how far traffic has been sent."""
        write_private(self._file, _spell(self.notes))
        self._saved_to = self.notes.sent_to

    # --- companies

    def furnish(self, progress: Progress) -> None:
        """Make the companies and everything in them, as far as they are missing."""
        steps = [step for company in COMPANIES for step in self._missing(company)]
        for number, step in enumerate(steps):
            progress(number / len(steps))
            made = admin.perform(self.deck, admin.decode(admin.encode(step)))
            if isinstance(step, admin.CreateWorkspace) and step.id == self.notes.workspace_id:
                self._keep_key(str(made["api_key"]))
        if not self.notes.api_key:  # we were interrupted between making the first one and writing it down
            made = admin.perform(self.deck, admin.CreateKey(workspace=self.notes.workspace_id, label="demo"))
            self._keep_key(str(made["api_key"]))
        progress(1.0)

    def _keep_key(self, secret: str) -> None:
        self.notes = msgspec.structs.replace(self.notes, api_key=secret)
        self.save()

    def _missing(self, company: Company) -> Iterator[AnyCommand]:
        directory = self.deck.directory
        if directory.workspaces.get(company.id) is None:
            yield admin.CreateWorkspace(
                id=company.id,
                name=company.name,
                currency=company.currency,
                time_zone=company.time_zone,
                billing_day=company.billing_day,
                concurrency_limit=company.concurrency_limit,
            )
            yield admin.PutWorkspace(workspace=company.id, credit_limit=company.credit_limit, exchanges=company.exchanges)
        for person in (*company.people, *company.guests):
            if directory.people.member(company.id, person.id) is None:
                yield admin.AddUser(
                    workspace=company.id,
                    email=person.email,
                    id=person.id,
                    name=person.name,
                    password=self.notes.password,
                    role=person.role,
                    full_read=person.full_read,
                )
        known = {key.id: key for key in directory.api_keys.all(company.id)}
        for caller in company.callers:
            if caller.key_id and caller.key_id not in known:
                owner = company.person(caller.owner).id
                yield admin.CreateKey(
                    workspace=company.id, label=caller.label, id=caller.key_id, user=owner, permissions=[Permission.READ]
                )
            if caller.key_id and caller.ends and not (caller.key_id in known and known[caller.key_id].revoked_at):
                yield admin.RevokeKey(workspace=company.id, id=caller.key_id)
        for kind, names in company.labels().items():
            if names.items() - directory.labels.names(company.id, kind).items():
                yield admin.SetLabels(workspace=company.id, kind=kind, names=names)

    # --- traffic

    def catch_up(self, progress: Progress | None = None) -> None:
        """Send what has not been sent up to now, going back as many days as were asked for; returns when it is safe on disk.

        Raises `StorageFull` or `StoreFailed` when it cannot be written, and `TooBusy` when the writer is busy for too long;
        calling it again goes on from there.
        """
        now = self.deck.clock()
        start = max(self.notes.sent_to, now - self._longest)
        sent: deque[tuple[int, list[Future[Receipt]]]] = deque()
        at = start
        while at < now or sent:
            if at < now and sum(len(futures) for _, futures in sent) < IN_FLIGHT:
                end = min(at + SLICE, now)
                sent.append((end, self._send(at, end)))
                at = end
                continue
            done, futures = sent.popleft()
            _wait(futures)
            self.notes = msgspec.structs.replace(self.notes, sent_to=done)
            if done - self._saved_to >= SAVE_EVERY:
                self.save()
            if progress and done < now:
                progress((done - start) / (now - start))
        if progress:
            progress(1.0)

    def _send(self, start: int, end: int) -> list[Future[Receipt]]:
        lines: dict[str, list[bytes]] = {}
        for _, workspace_id, event in self._traffic.between(start, end):
            lines.setdefault(workspace_id, []).append(self._encode(event))
        size = min(BATCH, self.deck.settings.max_batch_events)
        return [
            self._take(workspace_id, events[first : first + size])
            for workspace_id, events in lines.items()
            for first in range(0, len(events), size)
        ]

    def _take(self, workspace_id: str, events: list[bytes]) -> Future[Receipt]:
        workspace = self.deck.directory.workspaces.get(workspace_id)
        if workspace is None:
            raise Conflict(f'The demo\'s workspace "{workspace_id}" is gone; remove its folder to begin anew.', field="data_dir")
        who = Who(workspace, None, frozenset({Permission.WRITE}))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ingest.take(self.deck, who, events)
            except TooBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _wait(futures: list[Future[Receipt]]) -> None:
    for future in futures:
        if rejected := future.result().rejected:
            raise StoreFailed(f"The demo made an event that is refused: {rejected[0].message}")


def _spell(notes: Notes) -> bytes:
    return msgspec.json.format(msgspec.json.encode(notes)) + b"\n"
