"""Tables: rows that are of another model, and tables that are of another study, are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.experiment.model_table import (
    check_tables,
    models_of,
    read_table,
    rows_of,
    side_by_side,
    tidy,
    write_table,
)
from lrinterp.experiment.study import Study, dotted
from lrinterp.experiment.tasks import Task
from lrinterp.result import records
from lrinterp.store import InputError, write_json

HEAD = "positional_gradient.headline_head"


@pytest.fixture
def task(tiny: dict[str, Any]) -> Task:
    """The first two models of the tiny study."""
    two = list(Study.from_plain(tiny, "tiny").members())[:2]
    models = [one | {"plan": setting.plain(one["seed"])} for one, setting in two]
    return Task(name="0007", payload={"stack": 7, "models": models})


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


@pytest.mark.parametrize("found", [None, ["a", "b"], [None, None], {}])
def test_a_file_that_holds_other_models_is_named(task: Task, tmp_path: Path, found: Any):
    good, other = rows(task)
    for odd in (found, [good], [good, other | {"seed": 9}], [good, other | {"split.n_val": 9}]):
        write_json(tmp_path / "0007.json", odd)
        with pytest.raises(
            InputError, match=r"0007.json: (does not hold|model \d+ is another).*; "
        ):
            rows_of(tmp_path, [task])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "q"),
        ("seconds", None),
        ("error", 3),
        ("zz", 1),
        ("numbers", []),
        ("numbers", {"accuracy.unseen_pair_order": 0.5}),
        ("numbers", {"accuracy.unseen_pair_order": metric(0.5) | {"n": "many"}}),
    ],
)
def test_a_row_that_holds_what_no_stack_writes_is_named(task: Task, tmp_path: Path, name, value):
    good, other = rows(task)
    write_json(tmp_path / "0007.json", [good, other | {name: value}])
    with pytest.raises(InputError, match=rf"0007.json: model 1 has an odd {name}; remove it"):
        rows_of(tmp_path, [task])


def swap(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(seed=table["seed"].to_numpy()[::-1])


ALTERED: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="split.n_pair"), "column split.n_pair is missing"),
    (lambda t: t.assign(model=0), "a model, or a number of one, stands twice"),
    (lambda t: t.assign(model=t["model"] + 900), "model 900 is none of the study"),
    (swap, "model 0: seed is 13, the study says 10"),
    (lambda t: t.assign(**{"split.n_pair": 6}), "split.n_pair is 6, the study says 3"),
    (lambda t: t.assign(loss="q"), "column loss holds what is no number"),
    (lambda t: t[:5], "a number is of no model of models.parquet"),
]


@pytest.mark.parametrize(("change", "words"), ALTERED)
def test_a_table_that_was_altered_is_named(models, tmp_path, change, words):
    study = models.study()
    good, numbers = models.tables(study)
    assert check_tables(good, numbers, study) == ""
    assert "column n is missing" in check_tables(good, numbers.drop(columns="n"), study)
    text = numbers.assign(value="a")
    assert "column value holds what is no number" in check_tables(good, text, study)
    change(good).to_parquet(tmp_path / "models.parquet", index=False)
    numbers.to_parquet(tmp_path / "results.parquet", index=False)
    with pytest.raises(InputError, match=f"results.parquet: .*{words}.*make it again with"):
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
    assert check_tables(table, tidy([]), study) == ""
