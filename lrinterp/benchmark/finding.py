"""The finding of a benchmark, in sentences.

A share has a decimal point and the words "a share of": "1 of 20 rows" would read as a count.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lrinterp.benchmark.figures import told_by_word
from lrinterp.benchmark.numbers import Key
from lrinterp.benchmark.published import published_words
from lrinterp.grades import beside
from lrinterp.result import Metric
from lrinterp.wording import counted, signed

if TYPE_CHECKING:
    from lrinterp.benchmark.result import Benchmark

__all__ = ["sentences", "share"]


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
    counts = sum(bool(row["in_macro"]) for row in result.rows("relation"))
    rows, best = result.metrics["accuracy"], result.metrics[result.primary]
    over = counted(counts, "relation") if counts else "all rows"
    assert best.chance is not None
    return (
        f"On {counted(rows.n, 'row')} of {counted(rows.n_units, 'group')} of {result.suite}, "
        f"the right caption scores highest in {share(best)} of cases, averaged over {over}: "
        f"{beside(best, best.chance)}."
    )


def recall(result: "Benchmark") -> Iterator[str]:
    """Left and right apart."""
    left, right = (result.metrics.get(f"{side}_recall") for side in ("left", "right"))
    if left and right:
        yield (
            f"It recognises left in {share(left)} of {counted(left.n, 'row')} and right in "
            f"{share(right)} of {counted(right.n, 'row')}."
        )


def leaning(result: "Benchmark") -> Iterator[str]:
    """How often it says right, beside how often it is so."""
    if says := result.metrics.get("says_right"):
        true = result.numbers[Key("truth", name="right")]
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
