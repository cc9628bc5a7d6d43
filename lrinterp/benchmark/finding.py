"""The finding of a benchmark, in sentences.

A share has a decimal point and the words "a share of": "1 of 20 rows" would read as a count.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lrinterp.benchmark.figures import told_by_word
from lrinterp.benchmark.published import published_words
from lrinterp.grades import beside
from lrinterp.result import Metric
from lrinterp.wording import counted, signed

if TYPE_CHECKING:
    from lrinterp.benchmark.result import Benchmark

__all__ = ["against", "sentences", "share"]


def sentences(result: "Benchmark") -> Iterator[str]:
    """Accuracy against chance, left and right apart, what is said, what others published."""
    yield accuracy(result)
    if told_by_word(result.table):
        yield from recall(result)
    yield from leaning(result)
    if words := published_words(result.suite, "macro"):
        yield f"Published, not measured here: {words}."


def accuracy(result: "Benchmark") -> str:
    """How often the right caption scores highest."""
    rows = result.scalar("all")
    assert rows is not None  # there is at least one row
    counts = sum(bool(row["in_macro"]) for row in result.rows("relation"))
    measure, over = ("macro", counted(counts, "relation")) if counts else ("all", "all rows")
    best, chance = result.scalar(measure), result.chance(measure)
    assert best is not None
    assert chance is not None
    return (
        f"On {counted(rows.n, 'row')} of {counted(rows.n_units, 'group')} of {result.suite}, "
        f"the right caption scores highest in {share(best)} of cases, averaged over {over}: "
        f"{against(best, chance)}."
    )


def recall(result: "Benchmark") -> Iterator[str]:
    """Left and right apart."""
    left, right = (result.scalar("recall", side) for side in ("left", "right"))
    if left and right:
        yield (
            f"It recognises left in {share(left)} of {counted(left.n, 'row')} and right in "
            f"{share(right)} of {counted(right.n, 'row')}."
        )


def leaning(result: "Benchmark") -> Iterator[str]:
    """How often it says right, beside how often it is so."""
    says, true = (result.scalar(measure, "right") for measure in ("choice", "truth"))
    if says and true:
        yield (
            f"Of the {counted(says.n, 'row')} that offer it, it says right in {share(says)}; "
            f"it is so in {share(Metric(value=true.value))}."
        )


def share(scalar: Metric) -> str:
    """A share with its interval, which nobody can take for a count.

    >>> share(Metric(value=1.0)), share(Metric(value=0.75, low=0.5, high=1.0))
    ('a share of 1.000', 'a share of 0.75 [0.50, 1.00]')
    """
    assert isinstance(scalar.value, float)
    phrase = scalar.phrase if scalar.interval else signed(scalar.value, scalar.digits)
    return f"a share of {phrase}"


def against(scalar: Metric, chance: float) -> str:
    """Where the interval lies against chance."""
    return beside(scalar, chance)
