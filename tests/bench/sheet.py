"""Tables of results, on the terminal and in Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Sheet:
    """A titled table; the first column is text, the others are aligned right."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    note: str = ""

    def show(self, console: Console) -> None:
        table = Table(title=self.title, caption=self.note or None, title_justify="left", caption_justify="left")
        for i, name in enumerate(self.columns):
            table.add_column(name, justify="right" if i else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        lines.append(_line(self.columns))
        lines.append(_line("---:" if i else "---" for i in range(len(self.columns))))
        lines += [_line(row) for row in self.rows]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def ms(value: float) -> str:
    """Milliseconds with two or three digits that matter."""
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def verdict(found: float, target: float, *, least: bool = False) -> str:
    """Met, or by how much it was missed."""
    missed = target / max(found, 1e-9) if least else found / target
    return "yes" if missed <= 1 else f"no, {missed:.1f}×"
