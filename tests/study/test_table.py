"""Tables: rows that are of another model, and tables that are of another study, are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.store import InputError, write_json
from lrinterp.study.design import Study, dotted
from lrinterp.study.packing import members
from lrinterp.study.run import plain
from lrinterp.study.table import check_table, read_table, rows_of, table_of, write_table
from lrinterp.sweep import Task

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def task(tiny: dict[str, Any]) -> Task:
    """The first two models of the tiny study."""
    first, second, *_ = members(Study.from_plain(tiny, "tiny"))
    return Task(name="0007", payload={"stack": 7, "models": [plain(first), plain(second)]})


def rows(task: Task) -> list[dict[str, Any]]:
    """Rows such as the stack would give."""
    return [
        {
            **{name: one[name] for name in ("model", "arm", "seed")},
            "stack": 7,
            **dotted(one["plan"]),
            "unseen_pair_order": 0.75,
            "headline_head": "L0H1",
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
        ("unseen_pair_order", "0.7"),
        ("unseen_pair_order", True),
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
    table = table_of([{"a": 1, "b": 2.0}, {"a": 2, "c": "x"}])
    assert list(table) == ["a", "b", "c"]
    assert table["b"].isna().tolist() == [False, True]


def swap(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(seed=table["seed"].to_numpy()[::-1])


ALTERED: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="arm"), "column arm is missing"),
    (lambda t: t.drop(columns="split.n_pair"), "column split.n_pair is missing"),
    (lambda t: t.assign(unseen_pair_order="high"), "unseen_pair_order holds what it should not"),
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
    good = models.table(study)
    assert check_table(good, study) is None
    assert words in (check_table(change(good), study) or "")
    change(good).to_parquet(tmp_path / "results.parquet", index=False)
    with pytest.raises(InputError, match=r"results.parquet: .*make it again with --resume"):
        read_table(tmp_path, study)


def test_a_table_comes_back_as_it_was_written(models: Any, tmp_path: Path):
    study = models.study()
    table = models.table(study)
    write_table(tmp_path, table.to_dict("records"))
    pd.testing.assert_frame_equal(read_table(tmp_path, study), table, check_exact=True)


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
