"""Tables on the screen, and how far a long command is."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    import pandas as pd

    from lrinterp.result import Metric

__all__ = [
    "INDENT",
    "VERDICTS",
    "Meter",
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
PACE = "{desc}{n_fmt} of {total_fmt} models, {rate_fmt}, {remaining} left"


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
        natural = Console(width=WIDEST).measure(table).maximum
        console = Console(width=max(console.width, natural))
    console.print(table)


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


class Meter:
    """Models done, their pace, time left: a bar on a terminal, a line a stack elsewhere."""

    def __init__(self, title: str = "") -> None:
        self.title = f"{title}: " if title else ""
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is; the first call says where it starts."""
        if self.bar is None:
            live = sys.stderr.isatty()
            shape = {"bar_format": "{percentage:3.0f} %|{bar}| " + PACE if live else PACE + "\n"}
            about = {"desc": self.title, "unit": " models", "mininterval": 0, "leave": live}
            self.bar = tqdm(initial=done, total=total, **shape, **about)
        elif done > self.bar.n:
            self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
