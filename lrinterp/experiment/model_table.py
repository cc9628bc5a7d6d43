"""What a sweep found, in two tables: its models, and the numbers that were measured of them.

`models.parquet` has a row a model: place, configuration, loss, error, cost. `results.parquet` is
tidy: a row a model and number, with value (or text), interval and counts. `results.csv` puts both
side by side, a row a model, for a spreadsheet; so does `LoadedSweep.table`. A row is taken only
where it is of the model that the plan put there; a table only where its rows are of the study
beside it. What was altered is named in one line.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from lrinterp.experiment.numbers import OLD
from lrinterp.experiment.study import SECTIONS, Study, dotted
from lrinterp.experiment.tasks import Task, done
from lrinterp.result import records
from lrinterp.store import InputError, taken, write_atomically

__all__ = [
    "CSV",
    "MODELS",
    "TABLE",
    "check_tables",
    "from_before",
    "models_of",
    "read_table",
    "rows_of",
    "side_by_side",
    "tidy",
    "write_table",
]

MODELS, TABLE, CSV = "models.parquet", "results.parquet", "results.csv"
PLACE = ("model", "arm", "seed")
NEEDED = (*PLACE, "stack", "error", "seconds", "started", "finished", "host")
METRIC = ("value", "low", "high", "n", "n_units")
TIDY = (*PLACE, "step", "key", *METRIC, "text")
DEPTH = "encoder.image_layers"


class PlainMetric(TypedDict):
    """A number as a stack writes it; that of a name, such as a head's, is text."""

    value: float | str | None
    low: float | None
    high: float | None
    n: int | None
    n_units: int | None


KINDS: dict[str, Any] = dict.fromkeys(("error", "started", "finished", "host"), str | None)
KINDS |= {"model": int, "arm": str, "seed": int, "stack": int, "numbers": dict[str, PlainMetric]}
KINDS |= {"loss": float | None, "seconds": float}
"""What the fields of a row hold, beside configuration and versions."""


def rows_of(folder: Path, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """The rows of all stacks that are done, by model.

    Raises InputError, naming the file, for rows that are not of the models of their stack.
    """
    rows: list[dict[str, Any]] = []
    for task, found in done(folder, tasks):
        path, models = task.file(folder), task.payload["models"]
        if not isinstance(found, list) or len(found) != len(models):
            raise InputError(f"{path}: does not hold its models; remove it and resume")
        for row, one in zip(found, models, strict=True):
            if problem := check_row(row, one, task.payload["stack"]):
                raise InputError(f"{path}: model {one['model']} {problem}; remove it and resume")
        rows += found
    return sorted(rows, key=lambda row: row["model"])


def check_row(row: Any, one: Mapping[str, Any], stack: int) -> str:
    """What is wrong with the row of a model; empty where nothing is."""
    own = {name: one[name] for name in PLACE} | {"stack": stack} | dotted(one["plan"])
    if not isinstance(row, dict) or any(row.get(name, "") != own[name] for name in own):
        return "is another"
    for name, value in row.items():
        if name.split(".")[0] in (*SECTIONS, "version"):
            continue
        try:
            taken(value, KINDS[name], name)
        except (KeyError, InputError):
            return f"has an odd {name}"
    return ""


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each model and number; a name, such as that of a head, stands under `text`.

    `step` is that of a checkpoint on the way; empty for a finished model.
    """
    found = []
    for row in rows:
        place = {name: row[name] for name in PLACE} | {"step": row.get("step")}
        for key, metric in row.get("numbers", {}).items():
            named = isinstance(metric["value"], str)
            own = {**metric, "value": None, "text": metric["value"]} if named else metric
            found.append({**place, "key": key, **own})
    kinds = {"step": "Int64", "n": "Int64", "n_units": "Int64", "text": "string"}
    kinds |= dict.fromkeys(("value", "low", "high"), "float64")
    return pd.DataFrame(found, columns=list(TIDY)).astype(kinds)


def models_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each model, without its numbers; a column that a row lacks is empty there."""
    return pd.DataFrame([{k: v for k, v in row.items() if k != "numbers"} for row in rows])


def side_by_side(models: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """The models with a column for each number."""
    if numbers.empty:
        return models
    either = numbers["text"].astype(object).where(numbers["text"].notna(), numbers["value"])
    wide = numbers.assign(either=either).pivot(index="model", columns="key", values="either")
    order = numbers["key"].drop_duplicates().tolist()
    return models.join(wide[order].infer_objects(), on="model")


def write_table(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write both tables as parquet, and side by side as CSV."""
    models, numbers = models_of(rows), tidy(rows)
    write_atomically(out / MODELS, models.to_parquet(index=False))
    write_atomically(out / TABLE, numbers.to_parquet(index=False))
    write_atomically(out / CSV, side_by_side(models, numbers).to_csv(index=False).encode())


def read_table(folder: Path, study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read and check the models and the numbers of a sweep.

    What is missing or altered is an InputError. Of a sweep of before, whose one table held both,
    numbers get the names of now; those that were measured in the first layer alone are left out
    for models of several.
    """
    path = folder / TABLE
    numbers = read_parquet(path)
    if "key" in numbers:
        models = read_parquet(folder / MODELS)
    else:
        models, numbers = from_before(numbers)
    if problem := check_tables(models, numbers, study):
        raise InputError(f"{path}: {problem}; make it again with --resume")
    return models, numbers


def read_parquet(path: Path) -> pd.DataFrame:
    """A table; InputError where it is missing or damaged."""
    try:
        return pd.read_parquet(path)
    except Exception as error:  # whatever pyarrow makes of a damaged file
        what = "damaged" if path.exists() else "missing"
        raise InputError(f"{path}: {what}; make it again with --resume") from error


def from_before(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Models and numbers of a table that held both, a column each."""
    measured = [name for name in OLD if name in table]
    deep = table[DEPTH] > 1 if DEPTH in table else pd.Series(False, index=table.index)
    rows = []
    for row, layered in zip(records(table), deep, strict=True):
        known = {
            OLD[name]: {**dict.fromkeys(METRIC), "value": row[name]}
            for name in measured
            if not layered or OLD[name].startswith("accuracy.")
        }
        rows.append({**row, "numbers": known})
    return table.drop(columns=measured), tidy(rows)


def check_tables(models: pd.DataFrame, numbers: pd.DataFrame, study: Study) -> str:
    """What is wrong with the tables of a study; empty where nothing is."""
    factors = list(study.factors)
    lacking = [name for name in (*NEEDED, *factors) if name not in models]
    lacking += [name for name in TIDY if name not in numbers]
    if lacking:
        return f"column {lacking[0]} is missing"
    if models["model"].duplicated().any() or numbers.duplicated(["model", "key"]).any():
        return "a model, or a number of one, stands twice"
    texts = [name for name in METRIC if not is_numeric(numbers[name])]
    texts += [name for name in ("loss", "seconds") if not is_numeric(models.get(name))]
    if texts:
        return f"column {texts[0]} holds what is no number"
    design = {one["model"]: one | setting.values for one, setting in study.members()}
    for row in records(models[[*PLACE, *factors]]):
        if row["model"] not in design:
            return f"model {row['model']} is none of the study"
        for name, value in design[row["model"]].items():
            if row[name] != value:
                return f"model {row['model']}: {name} is {row[name]}, the study says {value}"
    known = numbers["model"].isin(models["model"]).all()
    return "" if known else f"a number is of no model of {MODELS}"


def is_numeric(column: pd.Series | None) -> bool:
    """Does a column hold numbers and gaps alone?"""
    return column is None or pd.to_numeric(column, errors="coerce").isna().equals(column.isna())
