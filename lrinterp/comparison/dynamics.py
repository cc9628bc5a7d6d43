"""How numbers come about along training, run by run, aligned where left-right order breaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd
from tqdm.auto import tqdm

from lrinterp.analysis import check_numbers
from lrinterp.analysis.read import NO_GRADIENT
from lrinterp.comparison.breaking import aligned
from lrinterp.comparison.dynamics_figures import curves, lags
from lrinterp.comparison.following import FOLLOWED, Measure, measure_run
from lrinterp.comparison.kept import kept_steps
from lrinterp.comparison.naming import numbered, short_names
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.stats import seed_interval
from lrinterp.store import InputError
from lrinterp.wording import counted, plain_number, signed

__all__ = ["Dynamics", "dynamics", "dynamics_of"]

PLACE = ("run", "seed", "step", "head", "chance")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics(Result):
    """Numbers of every kept checkpoint of some runs, and when order and gradient broke through."""

    name: ClassVar[str] = "dynamics"
    question: ClassVar[str] = "When does the model learn left from right, and what comes first?"

    table: pd.DataFrame
    """One row a run and step: `aligned_step` counts from the breaking; then the scalars."""
    events: pd.DataFrame
    """One row a run: step at which order passes its threshold, the slope half its end, lag."""

    @property
    def scalars(self) -> list[str]:
        """The columns of numbers that were followed."""
        return [n for n in map(str, self.table) if n not in (*PLACE, "aligned_step")]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Runs, how many broke, and mean times over those that did, with t intervals over runs."""
        times = {
            "breaking_step": "order_step",
            "half_slope_step": "slope_step",
            "lag": "lag",
            "gradient_step": "gradient_step",
        }
        return {
            "runs": Metric(value=len(self.events)),
            "runs_broken": Metric(value=int(self.events["order_step"].notna().sum())),
            **{name: self._mean(column) for name, column in times.items()},
        }

    def _mean(self, column: str) -> Metric:
        known = self.events[column].dropna().to_numpy(float)
        found = seed_interval(known)
        return Metric(value=found.value, low=found.low, high=found.high, n=found.n)

    @property
    def finding(self) -> str:
        """How many runs broke and when, and whether gradient or order came first."""
        runs, broken, step, _, lag, gradient = self.metrics.values()
        threshold = plain_number(self.events["threshold"].iloc[0])
        text = f"In {broken} of {counted(int(runs.value or 0), 'run')} order on held-out pairs "
        if not broken.value:
            return f"{text}passes {threshold}: nothing breaks."
        text += f"passes {threshold}, on average at step {steps_words(step)}."
        if lag.value is None:
            return f"{text} No run has a gradient whose coming could be timed."
        first = int((self.events["lag"] > 0).sum())
        return (
            f"{text} The head that matters at the end first spans {NO_GRADIENT} logits, what "
            f"counts as a gradient, at step {steps_words(gradient)}; its slope passes half its "
            f"final value {_when(lag)} (lag {steps_words(lag)}, {counted(lag.n, 'run')}; before "
            f"order in {first} of {lag.n})."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """Resolution, choice of the head, meaning of the thresholds, intervals."""
        every = int(self.events["every"].max())
        return (
            f"Checkpoints lie up to {every} steps apart; between them curves are taken as straight "
            "lines. A lag much smaller than that is not resolved. A crossing counts where the next "
            "checkpoint is still above; step 0 is the model rebuilt from its recipe.",
            "The head followed is the headline head of each run's last checkpoint: it is chosen by "
            "what it became. The largest slope of any head, beside it, is not chosen.",
            "Both times are half-way points, of order from chance to 1 and of |slope| from 0 to "
            "its last value. A slope that goes on growing when order is complete has its half-way "
            "point late: a negative lag does not say that order came without a gradient. When the "
            f"row first spans {NO_GRADIENT} logits stands beside it; a head whose row spans less "
            "at the end has no half-way point.",
            "Means and intervals are over runs (Student's t) and leave out runs in which the event "
            "never came. Runs differ in seed, that is in split, first weights and batches.",
            "The loss is that of one training batch, the same at every step. Slopes are those of "
            "key-position in the layer of that head, in the gauge of `positional_gradient`.",
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def overview(self) -> pd.DataFrame:
        """The events of every run."""
        return pd.DataFrame([_line(row) for row in records(self.events)])

    def figures(self) -> tuple[Figure, ...]:
        """Every scalar against the step and against the steps since the breaking; lags."""
        drawn = [name for name in self.scalars if name != "span"]  # |slope| x (pixels - 1)
        return (*curves(self.table, drawn), *lags(self.events))

    def tiles(self) -> tuple[Tile, ...]:
        """How many runs broke, when, when half the slope was there, and the lag."""
        _, broken, step, slope, lag, _ = self.metrics.values()
        threshold = plain_number(self.events["threshold"].iloc[0])
        return (
            Tile(
                label="Runs in which order breaks through",
                scalar=broken,
                words=f"of {counted(len(self.events), 'run')}",
            ),
            Tile(label="Breaking step", scalar=step, words=f"order passes {threshold}"),
            Tile(label="Half-slope step", scalar=slope, words="|slope| passes half its last value"),
            Tile(label="Lag (steps)", scalar=lag, words="breaking minus half-slope step"),
        )


def _when(lag: Metric) -> str:
    """Before or after order, where the interval of the lag says so."""
    if lag.low is None or lag.high is None or lag.low <= 0 <= lag.high:
        return "before or after order, which these runs do not decide"
    side = "before" if lag.low > 0 else "after"
    return f"{signed(abs(float(lag.value or 0)), 0)} steps {side} order does"


def steps_words(scalar: Metric) -> str:
    """A number of steps in a sentence, in whole steps, with its interval."""
    if scalar.value is None:
        return "–"
    value = signed(float(scalar.value), 0)
    if scalar.low is None or scalar.high is None:
        return value
    return f"{value} [{signed(scalar.low, 0)}, {signed(scalar.high, 0)}]"


def _line(row: Mapping[str, Any]) -> dict[str, str]:
    """One run in words."""
    return {
        "Run": row["run"],
        "Seed": "–" if row["seed"] is None else str(row["seed"]),
        "Head": row["head"] or "–",
        "Breaks at": _step(row["order_step"]),
        "Half slope at": _step(row["slope_step"]),
        "Lag": _step(row["lag"]),
        "Gradient from": _step(row["gradient_step"]),
        "Final order": _number(row["final_order"]),
        "Final slope": _number(row["final_slope"]),
    }


def _step(value: float | None) -> str:
    return "–" if value is None else signed(value, 0)


def _number(value: float | None) -> str:
    return "–" if value is None else plain_number(value)


def dynamics(
    runs: Sequence[str | Path] | Mapping[str, str | Path],
    scalars: Sequence[str] = (),
    *,
    measure: Measure | None = None,
    progress: bool | None = None,
) -> Dynamics:
    """Follow numbers over the kept checkpoints of some training runs.

    `runs` are folders of `lrinterp train --keep-every N`, or folders by name. Always measured are
    order on held-out pairs, loss, slope and span of the head that matters at the end, and the
    largest slope of any head; `scalars` adds numbers of summaries as `analysis.key`, `measure`
    whatever it finds in a recording of all pictures. Definitions: `measure_run`, `breaking_of`.

    Cost: some 0.2 s a checkpoint of the default recipe; with `scalars` that of their analyses.
    Raises InputError as `measure_run` does, before anything is measured where it can.
    """
    if not isinstance(runs, Mapping):
        folders = [Path(run) for run in runs]
        runs = dict(zip(numbered(short_names(folders)), folders, strict=True))
    if not runs:
        raise InputError("expected at least one run to follow, got none")
    check_numbers(scalars)
    for folder in runs.values():
        kept_steps(folder)
    tasks = [{"run": run, "name": name, "scalars": list(scalars)} for name, run in runs.items()]
    hidden = None if progress is None else not progress
    rows: list[dict[str, Any]] = []
    for task in tqdm(tasks, unit="run", disable=hidden):
        rows += measure_run(task, measure)
    return dynamics_of(rows)


def dynamics_of(rows: Sequence[Mapping[str, Any]]) -> Dynamics:
    """The result for rows of `measure_run`, of one or several runs, wherever they were made."""
    if not rows:
        raise InputError("expected rows of at least one run, got none")
    table = pd.DataFrame([dict(row) for row in rows])
    numbers = [name for name in table if name not in PLACE]
    ordered = [*PLACE, *FOLLOWED, *(name for name in numbers if name not in FOLLOWED)]
    kinds = dict.fromkeys(ordered[len(PLACE) :], "float64")
    table, events = aligned(table[ordered].astype(kinds))
    return Dynamics(table=table, events=events)
