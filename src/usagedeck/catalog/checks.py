"""A catalogue that contradicts itself is refused at start."""

import re
from collections.abc import Iterable

from usagedeck.catalog.dimensions import DIMENSIONS, NAMES, Dimension
from usagedeck.catalog.failures import FAILURES
from usagedeck.catalog.fields import FIELDS, Field, fields
from usagedeck.catalog.formulas import Ratio, Sum
from usagedeck.catalog.kinds import DELIVERIES, Personal, Subject, Type
from usagedeck.catalog.measures import MEASURES, VALUES
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.catalog.rollups import ROLLUPS


def _twice(what: str, names: Iterable[str | None]) -> list[str]:
    seen = [n for n in names if n is not None]
    return [f"{what} {n} is declared twice" for n in sorted({n for n in seen if seen.count(n) > 1})]


def _metric_problems(m: Metric) -> list[str]:
    unknown = [n for n in m.formula.measures if n not in MEASURES]
    if unknown:
        return [f"metric {m.name} uses unknown measures {unknown}"]
    used = [MEASURES[n] for n in m.formula.measures]
    problems = []
    if len({u.of for u in used}) != 1:
        problems.append(f"metric {m.name} mixes requests and deliveries")
    if len({u.joined for u in used}) != 1:
        problems.append(f"metric {m.name} mixes deliveries and attempts")
    if isinstance(m.formula, Sum | Ratio) and not all(u.additive for u in used):
        problems.append(f"metric {m.name} adds up what does not add up")
    if m.unit == "ratio" and m.type is not Type.FLOAT:
        problems.append(f"metric {m.name} is a ratio and no Float")
    return problems


def _nameless(field: Field) -> bool:
    return field.personal is Personal.NAME and field.name not in NAMES.values()


def _of_attempts(field: Field) -> bool:
    """A field that only deliveries have is looked for in no event."""
    asked = field.expr or field.wire or field.personal or field.stamped or field.searchable or field.indexed or field.outcome
    return field.joined and bool(asked or field.of != DELIVERIES)


def check() -> None:
    """Refuse to start with a catalogue that contradicts itself."""
    problems = [
        *_twice("field", (f.name for f in FIELDS)),
        *_twice("log column", (f.wire for f in FIELDS)),
        *_twice("metric spelling", (m.wire for m in METRICS.values())),
        *_twice("group_by spelling", (d.group_by for d in DIMENSIONS.values())),
        *_twice("rollup", (r.name for r in ROLLUPS.values())),
        *_twice("breakdown spelling", (b for d in DIMENSIONS.values() for b in d.breakdown)),
        *(problem for m in METRICS.values() for problem in _metric_problems(m)),
    ]
    entries: tuple[Field | Metric | Dimension, ...] = (*FIELDS, *METRICS.values(), *DIMENSIONS.values())
    problems += [f"{e.name} is no name" for e in entries if not re.fullmatch(r"[a-z][a-z0-9_]*", e.name)]
    problems += [f"{e.name} has no help, or it is no sentence" for e in entries if not e.help.endswith(".")]
    columns = {s: {f.name for f in fields(s)} | {"workspace_id"} for s in Subject}
    problems += [
        f"rollup {r.name} has columns that {r.of} have not" for r in ROLLUPS.values() if not columns[r.of].issuperset(r.columns)
    ]
    kept = [(m, VALUES[m.values]) for m in MEASURES.values() if m.values]
    problems += [
        f"{m.name} is not told from {v.name}" for m, v in kept if (m.of, m.argument, m.when) != (v.of, v.argument, v.when)
    ]
    problems += [
        f"rollup {r.name} keeps values of others" for r in ROLLUPS.values() if any(VALUES[v].of is not r.of for v in r.values)
    ]
    traces = {f.name for f in FIELDS if f.personal is Personal.TRACE}
    problems += [f"rollup {r.name} holds what an erasure clears" for r in ROLLUPS.values() if traces.intersection(r.columns)]
    names = {f.name for f in FIELDS if f.personal is Personal.NAME}
    problems += [
        f"rollup {r.name} holds ids and values, which no erasure can tell apart"
        for r in ROLLUPS.values()
        if r.values and names.intersection(r.columns)
    ]
    problems += [f"field {f.name} stands in for nothing" for f in FIELDS if f.instead and f.personal is not Personal.TRACE]
    problems += [f"{f.name} cannot be cleared" for f in FIELDS if f.personal and f.type not in (Type.STRING, Type.MAP)]
    problems += [f"{f.name} is erased, and nobody can name it" for f in FIELDS if _nameless(f)]
    problems += [
        f"dimension {d.name} has neither a column nor an expression"
        for d in DIMENSIONS.values()
        if not d.expr and not d.joined and not all(d.name in columns[s] for s in d.of)
    ]
    problems += [f"{f.name} is of joined attempts, and something is asked of single ones" for f in FIELDS if _of_attempts(f)]
    named = {s: {d.name for d in DIMENSIONS.values() if s in d.of} for s in Subject}
    problems += [
        f"the errors of {subject} name dimensions that there are not"
        for subject, f in FAILURES.items()
        if not named[subject].issuperset((*f.by, *f.traffic, *(d for _, _, d in f.affected))) or not set(f.traffic) <= set(f.by)
    ]
    if problems:
        raise RuntimeError("The catalogue contradicts itself: " + "; ".join(problems))
