"""Tables: rows that are of another model, and tables that are of another study, are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.experiment.design import Study, dotted
from lrinterp.experiment.folder import plain
from lrinterp.experiment.packing import members
from lrinterp.experiment.table import (
    check_table,
    models_of,
    read_table,
    rows_of,
    side_by_side,
    tidy,
    write_table,
)
from lrinterp.experiment.tasks import Task
from lrinterp.result import records
from lrinterp.store import InputError, write_json

HEAD = "positional_gradient.headline_head"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def task(tiny: dict[str, Any]) -> Task:
    """The first two models of the tiny study."""
    first, second, *_ = members(Study.from_plain(tiny, "tiny"))
    return Task(name="0007", payload={"stack": 7, "models": [plain(first), plain(second)]})


def metric(value: Any) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "n": 60, "n_units": 3}


def rows(task: Task) -> list[dict[str, Any]]:
    """Rows such as the stack would give."""
    return [
        {
            **{name: one[name] for name in ("model", "arm", "seed")},
            "stack": 7,
            **dotted(one["plan"]),
            "numbers": {"accuracy.unseen_pair_order": metric(0.75), HEAD: metric("L0H1")},
            "loss": 0.5,
            "error": None,
        }
        for one in task.payload["models"]
    ]


def test_rows_of_the_models_of_a_stack_are_taken(task: Task, tmp_path: Path):
    write_json(tmp_path / "0007.json", rows(task))
    assert rows_of(tmp_path, [task]) == rows(task)
    assert rows_of(tmp_path, [Task(name="0008", payload=task.payload)]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 5),
        ("arm", "zzz"),
        ("seed", 9),
        ("stack", 3),
        ("split.n_pair", 3),
        ("fit.steps", 2),
        ("numbers", 0.7),
        ("numbers", {"a.b": 0.7}),
        ("numbers", {"a.b": {"value": 0.7}}),
        ("loss", 10**400),
        ("error", 3),
        ("invented", 1.0),
    ],
)
def test_a_row_that_was_altered_is_named(task: Task, tmp_path: Path, name: str, value: Any):
    good, bad = rows(task)
    write_json(tmp_path / "0007.json", [good, bad | {name: value}])
    with pytest.raises(InputError, match=r"0007.json: model 1.*remove it and resume"):
        rows_of(tmp_path, [task])


def test_a_row_without_its_configuration_is_named(task: Task, tmp_path: Path):
    good, bad = rows(task)
    del bad["fit.steps"]
    write_json(tmp_path / "0007.json", [good, bad])
    with pytest.raises(InputError, match="model 1 is another"):
        rows_of(tmp_path, [task])


def test_columns_that_a_row_lacks_are_empty():
    table = models_of([{"a": 1, "b": 2.0}, {"a": 2, "c": "x", "numbers": {}}])
    assert list(table) == ["a", "b", "c"]
    assert table["b"].isna().tolist() == [False, True]


def swap(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(seed=table["seed"].to_numpy()[::-1])


ALTERED: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="arm"), "column arm is missing"),
    (lambda t: t.drop(columns="split.n_pair"), "column split.n_pair is missing"),
    (lambda t: t.assign(loss="high"), "column loss holds what it should not"),
    (lambda t: t.assign(host=3), "column host holds what it should not"),
    (lambda t: t.assign(extra=b"x"), "column extra holds what it should not"),
    (lambda t: t.assign(started="yesterday"), "column started holds what is no time"),
    (lambda t: t.assign(model=0), "model 0 is none of the study, or stands twice"),
    (lambda t: t.assign(model=t["model"] + 900), "is none of the study"),
    (lambda t: t.assign(arm="zzz"), "arm is zzz, the study says full"),
    (swap, "seed is 13, the study says 10"),
    (lambda t: t.assign(**{"split.n_pair": 3}), "split.n_pair is 3, the study says"),
]


@pytest.mark.parametrize(("change", "words"), ALTERED)
def test_a_table_that_was_altered_is_named(
    models: Any, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
):
    study = models.study()
    good, numbers = models.tables(study)
    assert check_table(good, study) is None
    assert words in (check_table(change(good), study) or "")
    change(good).to_parquet(tmp_path / "models.parquet", index=False)
    numbers.to_parquet(tmp_path / "results.parquet", index=False)
    with pytest.raises(InputError, match=r"results.parquet: .*make it again with --resume"):
        read_table(tmp_path, study)


ODD: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="n"), "column n is missing"),
    (lambda t: pd.concat([t, t[:1]]), "stands twice"),
    (lambda t: t.assign(model=t["model"] + 1), "of no model of the study"),
    (lambda t: t.assign(value="high"), "a number is none"),
]


@pytest.mark.parametrize(("change", "words"), ODD)
def test_numbers_that_were_altered_are_named(
    models: Any, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
):
    study = models.study()
    good, numbers = models.tables(study)
    good.to_parquet(tmp_path / "models.parquet", index=False)
    change(numbers).to_parquet(tmp_path / "results.parquet", index=False)
    with pytest.raises(InputError, match=words):
        read_table(tmp_path, study)


def test_tables_come_back_as_they_were_written(models: Any, tmp_path: Path):
    study = models.study()
    good, numbers = models.tables(study)
    rows_again = [
        {**row, "numbers": {n["key"]: {k: n[k] for k in metric(0)} for n in records(own)}}
        for row, (_, own) in zip(records(good), numbers.groupby("model"), strict=True)
    ]
    write_table(tmp_path, rows_again)
    models_read, numbers_read = read_table(tmp_path, study)
    pd.testing.assert_frame_equal(models_read, good, check_exact=True)
    key = ["model", "key"]
    known = numbers[numbers["text"].isna()].sort_values(key, ignore_index=True)
    again = numbers_read[numbers_read["value"].notna()].sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(again, known, check_exact=True)
    wide = pd.read_csv(tmp_path / "results.csv")
    assert (
        wide["accuracy.unseen_pair_order"].tolist()
        == models.table(study)["accuracy.unseen_pair_order"].tolist()
    )


def test_a_name_stands_beside_the_numbers(task: Task):
    wide = side_by_side(models_of(rows(task)), tidy(rows(task)))
    assert wide[HEAD].tolist() == ["L0H1", "L0H1"]
    assert wide["accuracy.unseen_pair_order"].tolist() == [0.75, 0.75]
    assert tidy(rows(task))["n"].tolist() == [60] * 4


def test_a_table_of_before_is_read_with_the_names_of_now(models: Any, tmp_path: Path):
    """Numbers of the first layer alone are left out where there are several layers."""
    study = models.study({"encoder.image_layers": [1, 2]})
    models.before(study).to_parquet(tmp_path / "results.parquet", index=False)
    found, numbers = read_table(tmp_path, study)
    deep = found.loc[found["encoder.image_layers"] == 2, "model"]
    own = numbers[numbers["model"].isin(deep)]
    assert len(own)
    assert own["key"].str.startswith("accuracy.").all()
    shallow = numbers[~numbers["model"].isin(deep)]
    assert {"term_ablation.order_without_EP", HEAD} <= set(shallow["key"])


def test_a_factor_that_may_be_none_is_known_again(tiny: dict[str, Any]):
    tiny |= {"grid": {"fit": {"batch_size": [None, 4]}}, "arms": {}, "verdicts": []}
    study = Study.from_plain(tiny, "tiny")
    values = [None, None, 4, 4]
    common = {"stack": 0, "arm": "main", "error": None, "seconds": 1.0, "host": "one"}
    time = {"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:01+00:00"}
    table = pd.DataFrame(
        [
            {"model": k, "seed": k % 2, "fit.batch_size": value, **common, **time}
            for k, value in enumerate(values)
        ]
    )
    assert check_table(table, study) is None
