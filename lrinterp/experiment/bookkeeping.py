"""What was run: models done, failed and missing, what they cost, where and with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.experiment.design import Study
from lrinterp.result import Figure, Metric, Result, records
from lrinterp.stats import seed_interval
from lrinterp.wording import counted

__all__ = ["Runs", "runs"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Runs(Result):
    """The table of models as it came, counted by arm."""

    name: ClassVar[str] = "runs"
    question: ClassVar[str] = "What was run, and what did it cost?"

    models: pd.DataFrame
    """One row a model, with everything that was measured."""
    planned: dict[str, int]
    """Models of the design, by arm."""
    lacking: tuple[str, ...] = ()
    """Numbers that were asked for and that no model has."""

    def counts(self) -> pd.DataFrame:
        """By arm: planned, done, failed, missing, mean seconds, wall clock in hours, hosts."""
        return pd.DataFrame([self._count(arm, planned) for arm, planned in self.planned.items()])

    def _count(self, arm: str, planned: int) -> dict[str, Any]:
        rows = self.models[self.models["arm"] == arm]
        failed = int(rows["error"].notna().sum())
        return {
            "arm": arm,
            "planned": planned,
            "done": len(rows) - failed,
            "failed": failed,
            "missing": planned - len(rows),
            "seconds_a_model": seed_interval(rows["seconds"].dropna().to_numpy(float)).value,
            "hours": hours(rows),
            "hosts": rows["host"].nunique(),
        }

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Counts over all arms."""
        counts = self.counts()
        names = ("planned", "done", "failed", "missing")
        return {f"models_{name}": Metric(value=int(counts[name].sum())) for name in names}

    @property
    def finding(self) -> str:
        """How many models are done, and how long the sweep took."""
        done, failed, missing = (
            int(str(self.metrics[f"models_{name}"].value)) for name in ("done", "failed", "missing")
        )
        planned = counted(sum(self.planned.values()), "model")
        whole = hours(self.models)
        time = "" if whole is None else duration(whole)
        took = f" From the first start to the last end: {time}." if time else ""
        return f"Of {planned} {done} were trained, {failed} failed and {missing} are missing.{took}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """The errors, the versions, and how time was taken."""
        return (
            "The models of a stack are trained together, and their seconds are equal shares of its "
            "time; wall clock runs from the first start to the last end, over all hosts and with "
            "any pauses in between.",
            f"Versions: {listed(self.models.filter(like='version.'))}. Hosts: "
            f"{listed(self.models[['host']])}.",
            *([f"Asked for, and no model has it: {', '.join(self.lacking)}."] * bool(self.lacking)),
            *[
                f"Failed in arm {row['arm']}, {counted(row['n'], 'model')}: {row['error']}"
                for row in records(self.errors())
            ],
        )

    def errors(self) -> pd.DataFrame:
        """How often each error occurred in each arm."""
        failed = self.models.dropna(subset=["error"])
        return failed.groupby(["arm", "error"], sort=False).size().reset_index(name="n")

    def frame(self) -> pd.DataFrame:
        """Every model with everything that was measured."""
        return self.models

    def overview(self) -> pd.DataFrame:
        """The counts by arm in words."""
        rows = [
            {
                "Arm": row["arm"],
                "Models": str(row["planned"]),
                "Done": str(row["done"]),
                "Failed": str(row["failed"]),
                "Missing": str(row["missing"]),
                "Seconds a model": number(row["seconds_a_model"], 1),
                "Wall clock, hours": number(row["hours"], 2),
                "Hosts": str(row["hosts"]),
            }
            for row in records(self.counts())
        ]
        return pd.DataFrame(rows)

    def figures(self) -> tuple[Figure, ...]:
        """None: the counts are a table."""
        return ()


def hours(rows: pd.DataFrame) -> float | None:
    """From the first start to the last end."""
    began, ended = (
        pd.to_datetime(rows[name].dropna(), utc=True) for name in ("started", "finished")
    )
    if began.empty or ended.empty:
        return None
    return float((ended.max() - began.min()).total_seconds() / 3600)


def duration(hours: float) -> str:
    """A time in the unit that suits it."""
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} seconds"
    return f"{60 * hours:.1f} minutes" if hours < 1 else f"{hours:.2f} hours"


def listed(columns: pd.DataFrame) -> str:
    """The distinct values of each column: `torch 2.9.0, python 3.12.1`."""
    parts = []
    for name, values in columns.items():
        package = str(name).removeprefix("version.")
        distinct = " and ".join(sorted(map(str, values.dropna().unique())))
        parts.append(distinct if package == name else f"{package} {distinct}")
    return ", ".join(filter(None, parts)) or "none"


def number(value: float | None, digits: int) -> str:
    """Fixed decimals, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def runs(study: Study, table: pd.DataFrame) -> Runs:
    """Count the models of a table by arm."""
    each = prod(map(len, study.factors.values())) * study.seeds
    needed = ["model", "arm", "seed", "error", "seconds", "started", "finished", "host"]
    models = table.reindex(columns=[*dict.fromkeys([*table.columns, *needed])])
    lacking = tuple(n for n in study.numbers if n not in table or table[n].isna().all())
    return Runs(models=models, planned=dict.fromkeys(study.arm_names, each), lacking=lacking)
