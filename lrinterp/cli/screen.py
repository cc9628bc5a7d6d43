"""Tables on the screen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from lrinterp.result import Metric

__all__ = [
    "INDENT",
    "VERDICTS",
    "print_frame",
    "print_rows",
    "print_summary",
    "printable",
    "with_sign",
]

INDENT = "  "
WIDEST = 1000
VERDICTS = ("", "value and 95 % interval", "holds if", "verdict")
"""Headings of a table of verdicts."""


def print_rows(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)
) -> None:
    """A table of texts without control characters; columns but those of `left` end to the right.

    Where some rows begin with an indent, those above them are in bold.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k in left else "right", overflow="fold")
    texts = [[printable(text) for text in row] for row in rows]
    grouped = any(row[0].startswith(INDENT) for row in texts)
    for first, *others in texts:
        bold = grouped and not first.startswith(INDENT)
        name = escape(first)
        table.add_row(f"[bold]{name}[/bold]" if bold else name, *map(escape, others))
    console = Console()
    if not console.is_terminal:  # a file or a pipe has room for every name
        console = Console(width=max(console.width, natural_width(table)))
    console.print(table)


def natural_width(table: "Table") -> int:
    """Columns that a table takes where nothing is folded."""
    from rich.console import Console

    wide = Console(width=WIDEST)
    return wide.measure(table).maximum


def print_frame(shown: "pd.DataFrame") -> None:
    """A table of texts, the first column to the left."""
    print_rows(list(map(str, shown)), [list(map(str, row)) for row in shown.to_numpy().tolist()])


def print_summary(rows: Iterable[tuple[str, Mapping[str, "Metric"]]]) -> None:
    """A table of named numbers with interval and n, by analysis."""
    texts = []
    for name, metrics in rows:
        texts.append((name,))
        for key, metric in metrics.items():
            n = "" if metric.n is None else f"{metric.n:,}"
            texts.append((INDENT + key, str(metric), metric.interval, n))
    print_rows(("", "value", "95 % interval", "n"), texts)


def with_sign(bound: str) -> str:
    """A bound as a table shows it: `≥ 0.05`."""
    return bound.replace("at least", "≥").replace("at most", "≤")


def printable(text: str) -> str:
    r"""A text without control characters, which a terminal would obey.

    >>> printable("\x1b[31mleft of")
    '[31mleft of'
    """
    return "".join(filter(str.isprintable, text))
