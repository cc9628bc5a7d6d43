"""The table of a sweep: from the rows of its stacks, to parquet and CSV, and checked when read.

A row is taken only where it is of the model that the plan put there; a table only where its rows
are of the study beside it. What was altered is named in one line.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.store import InputError, write_atomically
from lrinterp.study.design import SECTIONS, Study, dotted
from lrinterp.study.naming import MEASURED
from lrinterp.study.packing import members
from lrinterp.sweep import Task, read_result, result_file

__all__ = ["CSV", "TABLE", "check_table", "read_table", "rows_of", "table_of", "write_table"]

TABLE, CSV = "results.parquet", "results.csv"
NUMBERS = ("model", "seed", "stack", *MEASURED)
TEXTS = ("arm", "error", "headline_head", "started", "finished", "host")
NEEDED = ("model", "arm", "seed", "stack", "error", "seconds", "started", "finished", "host")


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
        for name, value in row.items():
            if value is not None and not fits(name, value):
                raise InputError(
                    f"{path}: model {one['model']}: {name} is odd; remove it and resume"
                )
    return found


def fits(name: str, value: Any) -> bool:
    """Is a value of the kind that a column holds?"""
    if name in TEXTS or name.startswith("version."):
        return isinstance(value, str)
    if name in NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) < 1e300
    return name.split(".")[0] in SECTIONS


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; a column that a row lacks is empty there."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame(rows, columns=list(columns))


def write_table(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write the table as parquet and CSV."""
    table = table_of(rows)
    write_atomically(out / TABLE, table.to_parquet(index=False))
    write_atomically(out / CSV, table.to_csv(index=False).encode())


def read_table(folder: Path, study: Study) -> pd.DataFrame:
    """Read and check the table of a sweep; what is missing or altered is an InputError."""
    path = folder / TABLE
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # whatever pyarrow makes of a damaged file
        raise InputError(f"{path}: damaged; make it again with --resume") from error
    if problem := check_table(table, study):
        raise InputError(f"{path}: {problem}; make it again with --resume")
    return table


def check_table(table: pd.DataFrame, study: Study) -> str | None:
    """What is wrong with a table, or None where it is one of this study."""
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
