"""What a sweep found, in two tables: its models, and the numbers that were measured of them.

`models.parquet` has a row a model: place, configuration, loss, error, cost. `results.parquet` is
tidy: a row a model and number, with value (or text), interval and counts. `results.csv` puts both
side by side, a row a model, for a spreadsheet; so does `LoadedSweep.table`. A row is taken only
where it is of the model that the plan put there; a table only where its rows are of the study
beside it. What was altered is named in one line.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.experiment.design import SECTIONS, Study, dotted
from lrinterp.experiment.numbers import COSTS, OLD
from lrinterp.experiment.packing import members
from lrinterp.experiment.tasks import Task, read_result, result_file
from lrinterp.result import records
from lrinterp.store import InputError, write_atomically

__all__ = [
    "CSV",
    "MODELS",
    "TABLE",
    "check_table",
    "from_before",
    "models_of",
    "read_table",
    "rows_of",
    "side_by_side",
    "tidy",
    "write_table",
]

MODELS, TABLE, CSV = "models.parquet", "results.parquet", "results.csv"
PLACE = ("model", "arm", "seed", "stack")
TEXTS = ("arm", "error", "started", "finished", "host")
COUNTS = ("model", "seed", "stack")
NEEDED = (*PLACE, "error", "seconds", "started", "finished", "host")
METRIC = ("value", "low", "high", "n", "n_units")
TIDY = ("model", "arm", "seed", "step", "key", *METRIC, "text")
DEPTH = "encoder.image_layers"


def rows_of(folder: Path, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """The rows of all stacks that are done, by model.

    Raises InputError, naming the file, for rows that are not of the models of their stack.
    """
    rows: list[dict[str, Any]] = []
    for task in tasks:
        path = result_file(folder, task)
        if path.exists():
            rows += checked_rows(read_result(folder, task), task, path)
    return sorted(rows, key=lambda row: row["model"])


def checked_rows(found: Any, task: Task, path: Path) -> list[dict[str, Any]]:
    """The rows of a stack, each of its model, its configuration and types that it may have."""
    models = task.payload["models"]
    if not isinstance(found, list) or len(found) != len(models):
        raise InputError(f"{path}: does not hold its models; remove it and resume")
    for row, one in zip(found, models, strict=True):
        stack = {"stack": task.payload["stack"]}
        expected = {**{k: one[k] for k in ("model", "arm", "seed")}, **stack, **dotted(one["plan"])}
        if not isinstance(row, dict) or any(row.get(k, "") != v for k, v in expected.items()):
            raise InputError(f"{path}: model {one['model']} is another; remove it and resume")
        if odd := next((name for name, value in row.items() if not fits(name, value)), None):
            raise InputError(f"{path}: model {one['model']}: {odd} is odd; remove it and resume")
    return found


def fits(name: str, value: Any) -> bool:
    """Is a value of the kind that a field of a row holds?"""
    if name == "numbers":
        found = value.values() if isinstance(value, Mapping) else [None]
        return all(isinstance(one, Mapping) and set(one) == set(METRIC) for one in found)
    if value is None or name.split(".")[0] in SECTIONS:
        return True
    if name in (*COUNTS, *COSTS):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) < 1e300
    return isinstance(value, str)


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each model and number; a name, such as that of a head, stands under `text`.

    `step` is that of a checkpoint on the way; empty for a finished model.
    """
    found = []
    for row in rows:
        place = {name: row[name] for name in ("model", "arm", "seed")} | {"step": row.get("step")}
        for key, metric in row.get("numbers", {}).items():
            named = isinstance(metric["value"], str)
            own = {**metric, "value": None, "text": metric["value"]} if named else metric
            found.append({**place, "key": key, **own})
    kinds = {"step": "Int64", "n": "Int64", "n_units": "Int64", "text": "string"}
    kinds |= dict.fromkeys(("value", "low", "high"), "float64")
    return pd.DataFrame(found, columns=list(TIDY)).astype(kinds)


def models_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each model, without its numbers; a column that a row lacks is empty there."""
    plain = [{name: v for name, v in row.items() if name != "numbers"} for row in rows]
    columns = dict.fromkeys(name for row in plain for name in row)
    return pd.DataFrame(plain, columns=list(columns))


def side_by_side(models: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """The models with a column for each number."""
    if numbers.empty:
        return models
    found = numbers.pivot(index="model", columns="key", values="value")
    for key, texts in numbers.dropna(subset=["text"]).groupby("key"):
        found[key] = texts.set_index("model")["text"].astype(object)
    order = numbers["key"].drop_duplicates().tolist()
    return models.join(found[order], on="model")


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
    if problem := check_table(models, study) or check_numbers_of(models, numbers):
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


def check_numbers_of(models: pd.DataFrame, numbers: pd.DataFrame) -> str | None:
    """What is wrong with the numbers of some models, or None."""
    if missing := [name for name in TIDY if name not in numbers]:
        return f"column {missing[0]} is missing"
    twice, known = numbers.duplicated(["model", "key"]), numbers["model"].isin(models["model"])
    if twice.any() or not known.all():
        return "a number is of no model of the study, or stands twice"
    numeric = all(pd.api.types.is_numeric_dtype(numbers[name]) for name in METRIC)
    return None if numeric else "a number is none"


def check_table(table: pd.DataFrame, study: Study) -> str | None:
    """What is wrong with a table of models, or None where it is one of this study."""
    if missing := [name for name in (*NEEDED, *study.factors) if name not in table]:
        return f"column {missing[0]} is missing"
    for name, values in table.items():
        if not all(fits(str(name), value) for value in values.dropna().tolist()):
            return f"column {name} holds what it should not"
    for name in ("started", "finished"):
        times = table[name].dropna()
        if pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce").isna().any():
            return f"column {name} holds what is no time"
    return check_models(table, study)


def check_models(table: pd.DataFrame, study: Study) -> str | None:
    """What is wrong with the arms, seeds and factors of the rows."""
    design = {one.model: one for one in members(study)}
    names = ["model", "arm", "seed", *study.factors]
    seen: set[int] = set()
    for row in table[names].to_dict("records"):
        one = design.get(row["model"])
        if one is None or row["model"] in seen:
            return f"model {row['model']} is none of the study, or stands twice"
        seen.add(row["model"])
        expected: Mapping[str, Any] = {
            "arm": one.setting.arm,
            "seed": one.seed,
            **one.setting.values,
        }
        for name, value in expected.items():
            if not same(row[name], value):
                return f"model {row['model']}: {name} is {row[name]}, the study says {value}"
    return None


def same(found: Any, value: Any) -> bool:
    """Are they equal, where a table may hold None as nan?"""
    if value is None:
        return found is None or (isinstance(found, float) and math.isnan(found))
    return bool(found == value)
