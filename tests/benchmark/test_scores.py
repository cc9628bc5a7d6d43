"""The table of scores: what it holds, how it is kept, and what is refused."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp.benchmark.scores import (
    check_same_rows,
    check_some_rows,
    read_scores,
    rows_fingerprint,
    shares_of,
    write_scores,
)
from lrinterp.benchmark.suite_accuracies import numbers_of
from lrinterp.scoring import credit
from lrinterp.store import InputError

Change = Callable[[pd.DataFrame], pd.DataFrame]


def changed(**columns: Any) -> Change:
    """Puts other columns in; pandas has no type for cells that are lists."""
    return lambda table: table.assign(**columns)


@pytest.fixture
def table(make_row, table_of) -> pd.DataFrame:
    four = ("a", "b", "c", "d")
    return table_of(
        (make_row(where="a.csv, row 1", picture=Path("x/1.png"), pair="p"), (0.3, 0.1)),
        (make_row(where="a.csv, row 2", captions=four, right=2, group="g"), (0.1, 0.2, 0.2, 0.0)),
        (make_row(where="a.csv, row 3", relation="on", axis="vertical"), (-0.1, 0.5)),
    )


def test_a_row_of_the_suite_is_a_row(table: pd.DataFrame):
    assert table["row"].tolist() == [f"a.csv, row {k}" for k in (1, 2, 3)]
    assert table["credit"].tolist() == [1.0, 0.5, 0.0]
    assert table["picture"].tolist() == ["1.png", "", ""]
    assert table["captions"][1] == ["a", "b", "c", "d"]
    assert table["scores"][2] == pytest.approx([-0.1, 0.5])


def test_shares_are_those_of_scoring():
    rows = [[0.3, 0.1, 0.3 + 5e-7, 0.2], [0.3, 0.1], [0.2, 0.2 + 2e-6, 0.0]]
    shares = shares_of(rows)
    assert shares.tolist() == [[0.5, 0, 0.5, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    for scores, found in zip(rows, shares, strict=True):
        for k in range(len(scores)):
            good = torch.eye(len(scores), dtype=torch.bool)[k : k + 1]
            assert found[k] == credit(torch.tensor([scores]), good).item()


def test_it_comes_back_from_its_file(table: pd.DataFrame, tmp_path: Path):
    write_scores(tmp_path / "s.parquet", table)
    again = read_scores(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(again, table)
    assert rows_fingerprint(again) == rows_fingerprint(table)
    assert numbers_of(again) == numbers_of(table)


OTHER: dict[str, Change] = {
    "expected 3": lambda table: table.iloc[:2],
    "group of a.csv, row 2 is 'h', not 'g'": changed(group=["cat, dog", "h", "cat, dog"]),
    "row of a.csv, row 1 is 'a.csv, row 3'": lambda table: table.iloc[::-1].reset_index(drop=True),
    "fit of a.csv, row 1 is 'pad', not 'crop'": changed(fit="pad"),
}


@pytest.mark.parametrize("reason", OTHER)
def test_other_rows_are_refused_by_name(table: pd.DataFrame, reason: str):
    other = OTHER[reason](table)
    assert rows_fingerprint(other) != rows_fingerprint(table)
    with pytest.raises(InputError, match=f"old.parquet: .*{reason}"):
        check_same_rows(table, other, "old.parquet")


def test_some_rows_in_their_order_are_allowed_where_bad_ones_are_skipped(table: pd.DataFrame):
    for places in ([0, 1, 2], [0, 2], [1]):
        check_some_rows(table, table.iloc[places], "old.parquet")
    for other, row in (
        (table.iloc[[1, 0]], 1),
        (table.iloc[[0, 0]], 1),
        (table.assign(fit="pad"), 1),
    ):
        with pytest.raises(
            InputError, match=rf"^old.parquet: other rows: a.csv, row {row} is none"
        ):
            check_some_rows(table, other, "old.parquet")


def test_other_scores_are_of_the_same_rows(table: pd.DataFrame):
    other = changed(scores=[[0.0] * 2, [0.0] * 4, [0.0] * 2], credit=0.5)(table)
    check_same_rows(table, other, "other")
    assert rows_fingerprint(other) == rows_fingerprint(table)


FOUR = [0.1, 0.2, 0.2, 0.0]
SPOILED: dict[str, Change] = {
    "a score too few": changed(scores=[[0.3], FOUR, [-0.1, 0.5]]),
    "a score that is none": changed(scores=[[0.3, np.inf], FOUR, [-0.1, 0.5]]),
    "a right caption that is not there": changed(right=4),
    "one caption": changed(captions=[["a"]] * 3, scores=[[1.0]] * 3, right=0),
    "a credit that is not earned": changed(credit=1.0),
    "no rows": lambda table: table.iloc[:0],
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_table_that_does_not_fit_itself_is_refused(table: pd.DataFrame, tmp_path: Path, how: str):
    path = tmp_path / "s.parquet"
    write_scores(path, SPOILED[how](table))
    with pytest.raises(InputError, match=f"{path}: damaged"):
        read_scores(path)


def test_a_file_of_another_kind_is_refused(table: pd.DataFrame, tmp_path: Path):
    path = tmp_path / "s.parquet"
    missing = changed(group=["a", None, "b"])(table)
    for other in (table.drop(columns="credit"), table.astype({"right": str}), missing):
        other.to_parquet(path)
        with pytest.raises(InputError, match=r"s\.parquet: not the scores of a benchmark"):
            read_scores(path)
    path.write_text("row,credit\n1,0.5\n")
    with pytest.raises(InputError, match=r"s\.parquet: no Parquet file"):
        read_scores(path)


def test_a_damaged_file_is_one_line(table: pd.DataFrame, tmp_path: Path):
    """Bytes turned over anywhere: the same table, or an error that names the file."""
    path = tmp_path / "s.parquet"
    write_scores(path, table)
    good, rng = path.read_bytes(), random.Random(0)
    said = []
    for _ in range(100):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            read_scores(path)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(line.startswith(str(path)) and "\n" not in line for line in said)
