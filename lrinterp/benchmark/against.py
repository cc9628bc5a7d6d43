"""Two checkpoints on the same rows: their differences, paired.

Not for tables of other rows, nor for rows read with another `fit`: those are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeAlias, final

import pandas as pd

from lrinterp.benchmark.relation_figures import kept_rows
from lrinterp.benchmark.scores import check_same_rows, read_scores
from lrinterp.benchmark.sentences import PAIRED
from lrinterp.benchmark.suite_accuracies import Key, main_numbers
from lrinterp.benchmark.suite_result import Benchmark, label_of, three_figures
from lrinterp.charts import bars, reference
from lrinterp.metric import Gap
from lrinterp.result import Figure, Result
from lrinterp.wording import counted

__all__ = ["Against", "against"]

ScoresOf: TypeAlias = Benchmark | pd.DataFrame | str | Path
"""A benchmark, its table of scores, or the file that holds it."""
DIFFERENCE = "difference in share"


def against(one: ScoresOf, other: ScoresOf, *, name: str = "the other") -> "Against":
    """The numbers of one checkpoint minus those of another, called `name`, on the same rows.

    Both are scored on each row, and a group of rows is left out of both at once; p exchanges the
    two in whole groups. See `lrinterp.stats.difference`.

    Raises InputError, naming the file or `name`, for scores of other rows and damaged files.
    """
    first, second = benchmark_of(one), benchmark_of(other)
    check_same_rows(first.scores, second.scores, name)
    return Against(one=first, other=second, against=name)


def benchmark_of(scored: ScoresOf) -> Benchmark:
    """The benchmark that some scores make."""
    if isinstance(scored, Benchmark):
        return scored
    table = scored if isinstance(scored, pd.DataFrame) else read_scores(scored)
    return Benchmark(scores=table)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Against(Result):
    """Paired differences of every number of a benchmark: this checkpoint minus another one."""

    name: ClassVar[str] = "against"
    question: ClassVar[str] = "Does this checkpoint know better than another where things are?"

    one: Benchmark
    other: Benchmark
    against: str
    """What the other checkpoint is called."""

    @cached_property
    def numbers(self) -> Mapping[Key, Gap]:
        """Each difference, by measure, subset and name."""
        theirs = self.other.numbers
        return {
            key: metric - theirs[key]
            for key, metric in self.one.numbers.items()
            if key.measure != "truth"
        }

    @cached_property
    def metrics(self) -> Mapping[str, Gap]:
        """The differences of the numbers that a benchmark names."""
        return main_numbers(self.numbers)

    @property
    def primary(self) -> str:
        """That of the benchmark."""
        return self.one.primary

    @property
    def finding(self) -> str:
        """The primary number of both, and its difference."""
        gap = self.metrics[self.primary]
        ours, theirs = (side.metrics[self.primary] for side in (self.one, self.other))
        what = self.primary.replace("_", " ")
        return (
            f"On the same {counted(len(self.one.scores), 'row')} of {self.one.suite}, {what} is "
            f"{ours} here and {theirs} in {self.against}: a difference of {gap.phrase} "
            f"(paired over {counted(gap.n_units, 'group')}; p: {three_figures(gap.p)})."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """How the differences are paired, and what p says."""
        return (PAIRED,)

    def frame(self) -> pd.DataFrame:
        """A row a number: both values, the difference as `value` with interval, n, p, least p."""
        rows = [
            {
                **key._asdict(),
                "own": self.one.numbers[key].value,
                "other": self.other.numbers[key].value,
                **gap.plain(),
                "p": gap.p,
                "least_p": gap.least_p,
            }
            for key, gap in self.numbers.items()
        ]
        floats = ("own", "other", "value", "low", "high", "p", "least_p")
        return pd.DataFrame(rows).astype(dict.fromkeys(floats, "float64"))

    def overview(self) -> pd.DataFrame:
        """Each difference in words."""
        lines = [
            {
                "Measure": label_of(key),
                "This": str(self.one.numbers[key]),
                "Other": str(self.other.numbers[key]),
                "Difference": str(gap),
                "95 % interval": gap.interval or "–",
                "p": three_figures(gap.p),
            }
            for key, gap in self.numbers.items()
        ]
        return pd.DataFrame(lines)

    def figures(self) -> tuple[Figure, ...]:
        """The differences, by measure and relation."""
        table = self.frame()
        named = table.assign(number=list(map(label_of, self.numbers)))
        shown, rest = kept_rows(named.rename(columns={"value": DIFFERENCE}), "number")
        plot = bars(shown, x=DIFFERENCE, y="number", mark="dot")
        figure = Figure(
            key="differences",
            title=f"This checkpoint minus {self.against}",
            how_to_read="Each dot is one number; across: its value here minus that of the other "
            "checkpoint on the same rows, with a 95 % interval over groups; two checkpoints that "
            f"score alike lie on the dotted line.{rest}",
            plot=reference(plot, 0.0, "no difference"),
            table=table,
        )
        return (figure,)
