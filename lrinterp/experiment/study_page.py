"""A study's page: its sections in their order, what was run, and where its numbers come from."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrinterp.experiment.accuracies import set_accuracy, variance
from lrinterp.experiment.mechanism_by_arm import mechanism_by_arm
from lrinterp.experiment.numbers import SETS
from lrinterp.experiment.section import Section
from lrinterp.experiment.study import Study, dotted
from lrinterp.experiment.verdicts import verdicts
from lrinterp.result import Metric, Provenance, Result, records
from lrinterp.wording import counted

__all__ = ["hours", "last_end", "runs", "study_provenance", "study_results"]

SUMMED = {"planned": "Models", "done": "Done", "failed": "Failed", "missing": "Missing"}
NEEDED = ("model", "arm", "seed", "error", "seconds", "started", "finished", "host")


def study_results(study: Study, table: pd.DataFrame) -> dict[str, Result]:
    """All sections by name: verdicts, a section a set of pictures, variance, mechanism, runs.

    A section that the table does not allow is `Skipped` with the reason.
    """
    lacking = tuple(n for n in study.numbers if n not in table or table[n].isna().all())
    return {
        "verdicts": verdicts(study, table),
        **{name: set_accuracy(study, table, name) for name in SETS},
        "variance": variance(study, table),
        "mechanism": mechanism_by_arm(study, table),
        "runs": runs(table, study.planned, lacking),
    }


def runs(table: pd.DataFrame, planned: Mapping[str, int], lacking: tuple[str, ...] = ()) -> Section:
    """What was run: models done, failed and missing by arm, what they cost, where and with what.

    `planned` counts the models of the design by arm; `lacking` are the numbers that were asked for
    and that no model has.
    """
    models = table.reindex(columns=[*dict.fromkeys([*table.columns, *NEEDED])])
    counts = pd.DataFrame([count(models, arm, n) for arm, n in planned.items()])
    sums = {word: int(counts[column].sum()) for word, column in SUMMED.items()}
    whole = hours(models)
    took = "" if whole is None else f" From the first start to the last end: {duration(whole)}."
    failed = models.dropna(subset=["error"])
    errors = failed.groupby(["arm", "error"], sort=False).size().reset_index(name="n")
    return Section(
        name="runs",
        question="What was run, and what did it cost?",
        finding=f"Of {counted(sums['planned'], 'model')} {sums['done']} were trained, "
        f"{sums['failed']} failed and {sums['missing']} are missing.{took}",
        caveats=(
            "The models of a stack are trained together, and their seconds are equal shares of its "
            "time; wall clock runs from the first start to the last end, over all hosts and with "
            "any pauses in between.",
            f"Versions: {distinct_values(models.filter(like='version.'))}. Hosts: "
            f"{distinct_values(models[['host']])}.",
            *([f"Asked for, but measured in no model: {', '.join(lacking)}."] if lacking else []),
            *[
                f"Failed in arm {row['arm']}, {counted(row['n'], 'model')}: {row['error']}"
                for row in records(errors)
            ],
        ),
        metrics={f"models_{name}": Metric(value=n) for name, n in sums.items()},
        table=models,
        short=counts.astype(str),
    )


def count(models: pd.DataFrame, arm: str, planned: int) -> dict[str, Any]:
    """The models of an arm, their mean seconds, and their wall clock."""
    rows = models[models["arm"] == arm]
    failed = int(rows["error"].notna().sum())
    seconds, wall = rows["seconds"].dropna().to_numpy(float), hours(rows)
    return {
        "Arm": arm,
        "Models": planned,
        "Done": len(rows) - failed,
        "Failed": failed,
        "Missing": planned - len(rows),
        "Seconds a model": f"{seconds.mean():.1f}" if len(seconds) else "–",
        "Wall clock, hours": "–" if wall is None else f"{wall:.2f}",
        "Hosts": rows["host"].nunique(),
    }


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


def distinct_values(columns: pd.DataFrame) -> str:
    """The distinct values of each column: `torch 2.9.0, python 3.12.1`."""
    parts = [
        f"{str(name).removeprefix('version.')} {' and '.join(sorted(values.dropna().unique()))}"
        for name, values in columns.items()
    ]
    return ", ".join(parts).removeprefix("host ") or "none"


def study_provenance(
    study: Study, table: pd.DataFrame, *, versions: Mapping[str, str], command: str
) -> Provenance:
    """Where a study's results come from; its date is the end of the last model."""
    arms = {f"arm_{name}": dotted(study.changes(name)) for name in study.arms}
    abouts = [f"Arm {k}: {arm['about']}" for k, arm in study.arms.items() if arm.get("about")]
    return Provenance(
        checkpoint=study.title,
        command=command,
        date=last_end(table),
        versions=versions,
        settings={
            "design": {"seeds": study.seeds, "first_seed": study.first_seed, "stack": study.stack},
            "grid": study.factors,
            **{f"base_{name}": fields for name, fields in study.base.items()},
            **{name: fields for name, fields in arms.items() if fields},
        },
        kicker="A study of many models",
        about=tuple(text for text in (study.about, *abouts) if text),
    )


def last_end(*tables: pd.DataFrame) -> str:
    """When the last model of some tables was finished; empty where none was."""
    ended = pd.concat([one.get("finished", pd.Series(dtype=object)) for one in tables]).dropna()
    return str(ended.max()) if len(ended) else ""
