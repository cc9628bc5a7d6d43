"""How numbers come about along training, run by run, aligned at the onset of left-right order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd
from tqdm.auto import tqdm

from lrinterp.analysis import check_numbers
from lrinterp.analysis.read import NO_GRADIENT
from lrinterp.charts import bars, lines, reference
from lrinterp.experiment.checkpoints import numbered, short_names
from lrinterp.experiment.checkpoints.trajectory import (
    FOLLOWED,
    Measure,
    aligned,
    kept_steps,
    measure_run,
)
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.stats import seed_interval
from lrinterp.store import InputError
from lrinterp.wording import counted, plain_number, signed

__all__ = ["Dynamics", "dynamics", "dynamics_of"]

PLACE = ("run", "seed", "step", "head", "chance")
TIMES = {
    "breaking_step": "order_step",
    "half_slope_step": "slope_step",
    "lag": "lag",
    "gradient_step": "gradient_step",
}
"""Keys of the summary, and the columns of events that they are means of."""
HEADINGS = {
    "run": "Run",
    "seed": "Seed",
    "head": "Head",
    "order_step": "Onset at",
    "slope_step": "Half slope at",
    "lag": "Lag",
    "gradient_step": "Gradient from",
    "final_order": "Final order",
    "final_slope": "Final slope",
}
"""Columns of events in the open table."""
DRAWN = {
    "unseen_pair_order": (
        "swap accuracy",
        "Swap accuracy on held-out pairs",
        "a model that guesses stays at chance",
    ),
    "slope": (
        "slope (logits per pixel)",
        "Slope of the head that order needs most at the end",
        "a run without a gradient stays at 0, and either sign may win",
    ),
    "largest_slope": (
        "largest slope (logits per pixel)",
        "Largest slope of any head",
        "a run without a gradient stays next to 0",
    ),
    "loss": (
        "loss (nats)",
        "Training loss",
        "a model that learns nothing stays where it began",
    ),
}
"""Axis, title, and what a curve looks like where there is nothing to see."""
ACROSS = (
    ("step", "step", "by training step", "optimiser steps"),
    (
        "steps since the onset",
        "aligned",
        "by steps since the onset",
        "optimiser steps since swap accuracy passed half way",
    ),
)
"""Columns that curves run along, each with its key and words."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics(Result):
    """Numbers of every snapshot of some runs, and when order and gradient set in."""

    name: ClassVar[str] = "dynamics"
    question: ClassVar[str] = "When does the model learn left from right, and what comes first?"

    table: pd.DataFrame
    """One row a run and step: `aligned_step` counts from the onset; then the scalars."""
    events: pd.DataFrame
    """One row a run: step at which order passes its threshold, the slope half its end, lag."""

    @property
    def scalars(self) -> list[str]:
        """The columns of numbers that were followed."""
        return [n for n in map(str, self.table) if n not in (*PLACE, "aligned_step")]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Runs, how many have an onset, and mean times over those, with t intervals over runs."""
        known = {key: self.events[column].dropna().to_numpy(float) for key, column in TIMES.items()}
        found = {key: seed_interval(times) for key, times in known.items()}
        return {
            "runs": Metric(value=len(self.events)),
            "runs_broken": Metric(value=len(known["breaking_step"])),
            **{k: Metric(value=i.value, low=i.low, high=i.high, n=i.n) for k, i in found.items()},
        }

    @property
    def finding(self) -> str:
        """How many runs have an onset and when, and whether gradient or order comes first."""
        runs, broken, step, _, lag, gradient = self.metrics.values()
        text = (
            f"In {broken} of {counted(int(runs.value or 0), 'run')} swap accuracy on held-out "
            f"pairs passes {self._threshold}"
        )
        if not broken.value:
            return f"{text}: no onset."
        text += f", on average at step {steps_words(step)}."
        if lag.value is None:
            return f"{text} No run has a gradient whose onset could be timed."
        first = int((self.events["lag"] > 0).sum())
        return (
            f"{text} The head that order needs most at the end first spans {NO_GRADIENT} logits, "
            f"what counts as a gradient, at step {steps_words(gradient)}; its slope passes half "
            f"its final value {side_words(lag)} (lag {steps_words(lag)}, {counted(lag.n, 'run')}; "
            f"before order in {first} of {lag.n})."
        )

    @property
    def _threshold(self) -> str:
        return plain_number(self.events["threshold"].iloc[0])

    @property
    def caveats(self) -> tuple[str, ...]:
        """Resolution, choice of the head, meaning of the thresholds, intervals."""
        every = int(self.events["every"].max())
        return (
            f"Snapshots lie up to {every} steps apart; between them curves are taken as straight "
            "lines. A lag much smaller than that is not resolved. A crossing counts where the next "
            "snapshot is still above; step 0 is the model rebuilt from its recipe.",
            "The head followed is the headline head of each run's last snapshot, chosen by its "
            "final state. The largest slope of any head, beside it, is not chosen.",
            "Both times are half-way points, of swap accuracy from chance to 1 and of |slope| "
            "from 0 to its last value. A slope that goes on growing when order is complete has "
            "its half-way point late: a negative lag does not mean that order was learnt without "
            f"a gradient. When the row first spans {NO_GRADIENT} logits stands beside it; a head "
            "whose row spans less at the end has no half-way point.",
            "Means and intervals are over runs (Student's t) and leave out runs in which the "
            "event never happens. Runs differ in seed, that is in split, first weights and "
            "batches.",
            "The loss is that of one training batch, the same at every step. Slopes are those of "
            "key-position in the layer of that head, in the gauge of `positional_gradient`.",
        )

    def overview(self) -> pd.DataFrame:
        """The events of every run."""
        texts = [
            {name: event_words(name, row[name]) for name in HEADINGS}
            for row in records(self.events)
        ]
        return pd.DataFrame(texts).rename(columns=HEADINGS)

    def figures(self) -> tuple[Figure, ...]:
        """Every scalar against the step and against the steps since the onset; lags."""
        drawn = [name for name in self.scalars if name != "span"]  # |slope| x (pixels - 1)
        timed = [lag_figure(self.events)] if self.events["lag"].notna().any() else []
        return (*(figure for name in drawn for figure in curves(self.table, name)), *timed)

    def tiles(self) -> tuple[Tile, ...]:
        """How many runs have an onset, when, when half the slope is reached, and the lag."""
        _, broken, step, slope, lag, _ = self.metrics.values()
        of_runs = f"of {counted(len(self.events), 'run')}"
        passes = f"swap accuracy passes {self._threshold}"
        return (
            Tile(label="Runs with an onset of order", scalar=broken, words=of_runs),
            Tile(label="Onset step", scalar=step, words=passes),
            Tile(label="Half-slope step", scalar=slope, words="|slope| passes half its last value"),
            Tile(label="Lag (steps)", scalar=lag, words="onset minus half-slope step"),
        )


def side_words(lag: Metric) -> str:
    """Before or after order, where the interval of the lag says so."""
    if lag.low is None or lag.high is None or lag.low <= 0 <= lag.high:
        return "neither clearly before nor clearly after order"
    side = "before" if lag.low > 0 else "after"
    return f"{signed(abs(float(lag.value or 0)), 0)} steps {side} order does"


def steps_words(found: Metric) -> str:
    """A number of steps in a sentence, in whole steps, with its interval."""
    ends = (found.value, found.low, found.high)
    value, *interval = [signed(float(end), 0) for end in ends if end is not None] or ["–"]
    return f"{value} [{', '.join(interval)}]" if interval else value


def event_words(column: str, value: Any) -> str:
    """A cell of the open table: whole steps, three figures of what else is measured, or a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return signed(value, 0) if column in TIMES.values() else plain_number(value)
    return str(value)


def curves(table: pd.DataFrame, name: str) -> Iterator[Figure]:
    """One figure of a scalar against the step, and one against the steps since the onset.

    Runs without an onset are in the first alone.
    """
    flat = "a run in which nothing changes draws a flat line"
    words, title, null = DRAWN.get(name, (name, name, flat))
    chance = table["chance"].unique() if name == "unseen_pair_order" else ()
    renamed = table.rename(columns={name: words, "aligned_step": ACROSS[1][0]})
    for x, key, by, across in ACROSS:
        part = renamed.dropna(subset=[words, x])[["run", x, words]]
        if part.empty:
            continue
        plot = lines(part, x=x, y=words, by="run", headroom=True)
        yield Figure(
            key=f"{name.replace('.', '-')}-{key}",
            title=f"{title}, {by}",
            how_to_read=f"Each line is one run; across: {across}; up: {words}; {null}.",
            plot=reference(plot, float(chance[0]), "chance") if len(chance) == 1 else plot,
            table=part,
        )


def lag_figure(events: pd.DataFrame) -> Figure:
    """The onset of order and the step of half the slope, run by run, and how far apart."""
    known = events.dropna(subset=["lag"]).rename(columns={"lag": "lag (steps)"})
    columns = ["run", "lag (steps)", "order_step", "slope_step"]
    return Figure(
        key="lags",
        title="Steps from half of the slope to the onset of order",
        how_to_read="Each dot is one run: the step at which swap accuracy passes half way minus "
        "the step at which |slope| of the head that order needs most at the end passes half its "
        "last value; right of 0 half of the slope comes first, at 0 both come at once.",
        plot=reference(bars(known[columns], x="lag (steps)", y="run", mark="dot"), 0.0, "at once"),
        table=events,
    )


def dynamics(
    runs: Sequence[str | Path] | Mapping[str, str | Path],
    scalars: Sequence[str] = (),
    *,
    measure: Measure | None = None,
    progress: bool | None = None,
) -> Dynamics:
    """Follow numbers over the snapshots of some training runs.

    `runs` are folders of `lrinterp train --keep-every N`, or folders by name. Always measured are
    swap accuracy on held-out pairs, loss, slope and span of the head that order needs most at the
    end, and the largest slope of any head; `scalars` adds numbers of summaries as `analysis.key`,
    `measure` whatever it finds in a recording of all pictures. Definitions: `measure_run`,
    `onset_of`.

    Cost: some 0.2 s a snapshot of the default recipe; with `scalars` that of their analyses.
    Raises InputError as `measure_run` does, before anything is measured where it can.
    """
    if not isinstance(runs, Mapping):
        folders = [Path(run) for run in runs]
        runs = dict(zip(numbered(short_names(folders)), folders, strict=True))
    check_numbers(scalars)
    for folder in runs.values():
        kept_steps(folder)
    tasks = [{"run": run, "name": name, "scalars": list(scalars)} for name, run in runs.items()]
    followed = tqdm(tasks, unit="run", disable=None if progress is None else not progress)
    return dynamics_of([row for task in followed for row in measure_run(task, measure)])


def dynamics_of(rows: Sequence[Mapping[str, Any]]) -> Dynamics:
    """The result for rows of `measure_run`, of one or several runs, wherever they were made."""
    if not rows:
        raise InputError("expected at least one run to follow, got none")
    table = pd.DataFrame([dict(row) for row in rows])
    measured = [*FOLLOWED, *(name for name in table if name not in (*PLACE, *FOLLOWED))]
    kinds = dict.fromkeys(measured, "float64")
    table, events = aligned(table[[*PLACE, *measured]].astype(kinds))
    return Dynamics(table=table, events=events)
