"""How a deck is: what it holds, what it takes, how it is set, and what its operator should do about it.

It looks and says; it mends nothing. Each section is a function in `SECTIONS`, and adding one there is all it takes.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from usagedeck import __version__
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.deck import Deck
from usagedeck.store import inspection, schema
from usagedeck.store.expiry import Ages
from usagedeck.store.merging import monday
from usagedeck.times import DAY, HOUR, MINUTE, iso

MANY_PIECES = 300
"""The engine makes senders wait from 1,000 pieces in one partition."""

BEHIND_AFTER = HOUR
"""Sealing that has not caught up for so long is worth a word; during an import it waits for half of it."""

Facts = dict[str, Any]


def examine(deck: Deck) -> Facts:
    """Everything there is to say, by section, and `warnings`: a code and a sentence with what to do for each."""
    facts: Facts = {name: look(deck) for name, look in SECTIONS.items()}
    return {**facts, "warnings": [{"code": code, "message": message} for look in WARNINGS for code, message in look(deck, facts)]}


def _about(deck: Deck) -> Facts:
    return {
        "release": __version__,
        "schema_revision": schema.REVISION,
        "engine": inspection.version(deck.store),
        "data_dir": str(deck.settings.data_dir.absolute()),
        "store": deck.settings.store_url,
        "directory": deck.settings.directory_shown,
    }


def _clock(deck: Deck) -> Facts:
    latest = deck.store.latest_arrival() // 1000
    return {
        "now": iso(deck.clock()),
        "latest_arrival": iso(latest) if latest else None,
        "ahead_days": deck.expirer.ahead // DAY,
    }


def _disk(deck: Deck) -> Facts:
    usage = shutil.disk_usage(deck.settings.store_folder)
    return {
        "total": usage.total,
        "free": usage.free,
        "floor": deck.settings.min_free_bytes,
        "store": _size(deck.settings.store_folder),
        "directory": sum(_size(path) for path in deck.settings.data_dir.glob("directory.sqlite*")),
        "waiting_to_be_written": deck.writer.held,
    }


def _size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; those that go away meanwhile do not count."""
    inside = (Path(folder) / name for folder, _, files in os.walk(path) for name in files)
    return sum(map(_bytes, inside if path.is_dir() else [path]))


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return 0


def _tables(deck: Deck) -> list[Facts]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for part in inspection.partitions(deck.store):
        sums[part.table] = [a + b for a, b in zip(sums[part.table], (part.pieces, part.rows, part.bytes), strict=True)]
    return [
        {"table": table, "rows": rows, "bytes": size, "bytes_per_row": round(size / rows, 1), "pieces": pieces}
        for table, (pieces, rows, size) in sums.items()
    ]


def _events(deck: Deck) -> Facts:
    """What all tables together take, for each event."""
    found = inspection.partitions(deck.store)
    rows, size = sum(p.rows for p in found if p.table in list(Subject)), sum(p.bytes for p in found)
    return {"rows": rows, "bytes": size, "bytes_per_event": round(size / rows, 1) if rows else None}


def _weeks(deck: Deck) -> Facts:
    unmerged = deck.store.unmerged(monday(deck.clock()))
    return {"partitions": [asdict(part) for part in inspection.partitions(deck.store)], "unmerged_weeks": len(unmerged)}


def _sealing(deck: Deck) -> Facts:
    """Until when each rollup is sealed, and the days that wait to be sealed or to be sealed anew."""
    return {
        "caught_up": iso(deck.sealer.caught_up),
        "failed": deck.sealer.failed,
        "rollups": [
            {
                "rollup": lag.rollup,
                "sealed_until": iso(lag.sealed_until) if lag.sealed_until else None,
                "waiting_days": lag.waiting,
                "taken_away_days": lag.taken_away,
            }
            for lag in deck.sealer.lag()
        ],
    }


def _retention(deck: Deck) -> list[Facts]:
    """Of every workspace of which something expires or has: from when on there is something; and up to where events should have
    expired and wait to be sealed."""
    found = []
    for workspace in deck.directory.workspaces.all():
        floor = deck.seals.ledger.floors[workspace.id]
        ages = Ages(workspace.retention_days, workspace.rollup_days, workspace.exchange_days)
        due = floor.raised(deck.expirer.due(ages))
        if due.exchanges:
            found.append(
                {
                    "workspace": workspace.id,
                    "retention_days": ages.events,
                    "rollup_days": ages.rollups,
                    "exchange_days": ages.exchanges,
                    "events_from": iso(floor.events) if floor.events else None,
                    "rollups_from": iso(floor.rollups) if floor.rollups else None,
                    "exchanges_from": iso(floor.exchanges) if floor.exchanges else None,
                    "events_wait": iso(wait) if (wait := deck.expirer.waiting.get(workspace.id)) else None,
                }
            )
    return found


def _exchanges(deck: Deck) -> Facts:
    """Headers and bodies: who collects them, and what they take."""
    found = [part for part in inspection.partitions(deck.store) if part.table == Beside.EXCHANGES]
    return {
        "collecting": [workspace.id for workspace in deck.directory.workspaces.all() if workspace.exchanges],
        "rows": sum(part.rows for part in found),
        "bytes": sum(part.bytes for part in found),
        "first_day": min((part.partition for part in found), default=None),
    }


def _erasures(deck: Deck) -> Facts:
    marks = deck.erased.marks()
    begun = [mark.begun for mark in marks if not mark.finished]
    return {
        "erased": len(marks),
        "unfinished": len(begun),
        "oldest_begun": iso(min(begun)) if begun else None,
        "failed": deck.eraser.failed,
    }


def _settings(deck: Deck) -> Facts:
    return deck.settings.model_dump(mode="json", exclude={"metrics_token", "oidc_client_secret"})


def _engine(deck: Deck) -> list[Facts]:
    return [{"handle": h, "name": n, "wanted": w, "actual": a} for h, n, w, a in deck.store.settings_in_effect()]


SECTIONS: dict[str, Callable[[Deck], Any]] = {
    "about": _about,
    "clock": _clock,
    "disk": _disk,
    "events": _events,
    "tables": _tables,
    "weeks": _weeks,
    "sealing": _sealing,
    "retention": _retention,
    "exchanges": _exchanges,
    "erasures": _erasures,
    "put_aside": lambda deck: inspection.put_aside(deck.store),
    "directory": lambda deck: deck.directory.counts(),
    "settings": _settings,
    "engine_settings": _engine,
}


def _warnings_of_data(deck: Deck, facts: Facts) -> Iterator[tuple[str, str]]:
    disk = facts["disk"]
    missing = disk["floor"] - disk["free"]
    if missing > 0:
        yield (
            "disk_full",
            f"Events are refused: free at least {missing:,} bytes of disk, or lower min_free_bytes. Reading goes on.",
        )
    elif disk["free"] < 2 * disk["floor"]:
        yield "disk_nearly_full", f"Events will be refused when {-missing:,} more bytes of disk are used; make room in time."
    if facts["put_aside"]:
        names = ", ".join(facts["put_aside"][:5])
        yield (
            "put_aside",
            f"The engine found pieces broken and put them aside ({names}). Restore a backup, or send those events again.",
        )
    for part in facts["weeks"]["partitions"]:
        if part["pieces"] > MANY_PIECES:
            yield (
                "many_pieces",
                f"{part['table']} of {part['partition']} is in {part['pieces']:,} pieces, so merging is behind: look for "
                "warnings in the log, and send larger batches.",
            )
    behind = (deck.clock() - deck.sealer.caught_up) // MINUTE
    days = sum(row["waiting_days"] + row["taken_away_days"] for row in facts["sealing"]["rollups"])
    if days and behind * MINUTE > BEHIND_AFTER:
        why = facts["sealing"]["failed"] or "It goes on; give it time after an import, or a faster disk if this stays."
        yield (
            "sealing_behind",
            f"Sealing has not caught up for {behind:,} minutes, {days:,} days wait, and questions read events instead, which is "
            f"exact but slower. {why}",
        )
    yield from _expiry_warnings(facts)
    erasures = facts["erasures"]
    if erasures["unfinished"]:
        why = erasures["failed"] or "A server completes it by itself, at the latest when the longest download is over."
        yield (
            "erasure_unfinished",
            f"{erasures['unfinished']:,} users or keys are not wholly erased yet, since {erasures['oldest_begun']}. {why}",
        )


def _warnings_of_settings(deck: Deck, facts: Facts) -> Iterator[tuple[str, str]]:
    for row in facts["engine_settings"]:
        if row["wanted"] != row["actual"]:
            yield (
                "engine_setting",
                f"The engine's {row['name']} is {row['actual']} and must be {row['wanted']}; report it as a bug.",
            )
    ahead = deck.store.latest_arrival() // 1000 - deck.clock()
    if ahead > MINUTE:
        yield (
            "clock_put_back",
            f"The latest event arrived {ahead // MINUTE:,} minutes after what this machine's clock says is now. Numbers stay "
            "right, but events are refused as of the future while the clock is behind; set it.",
        )
    if deck.settings.data_dir.stat().st_mode & 0o077:
        yield "not_private", f"Others on this machine can open {deck.settings.data_dir}; chmod 700 it."
    if not facts["directory"]["workspaces"]:
        yield "no_workspace", "There is no workspace yet; `usagedeck workspace create NAME` makes one and its first key."


def _expiry_warnings(facts: Facts) -> Iterator[tuple[str, str]]:
    for row in facts["retention"]:
        if row["events_wait"]:
            yield (
                "expiry_waits",
                f"Events of {row['workspace']} before {row['events_wait']} should have expired, and wait until all rollups are "
                f"sealed there. {facts['sealing']['failed'] or 'Give it time after an import.'}",
            )
    if facts["clock"]["ahead_days"]:
        yield (
            "clock_jumped",
            f"This machine's clock is {facts['clock']['ahead_days']:,} days ahead of the time that has passed since retention "
            "last looked, so nothing expires by it. Set it; or, when it is right (the server was off so long, or a backup was "
            "restored), run `usagedeck workspace trust-clock`.",
        )


WARNINGS = (_warnings_of_data, _warnings_of_settings)
