"""What a folder holds of a reproduction, whole or in part."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lrinterp.reproduction.design import FIRST_SEED
from lrinterp.reproduction.loading import Made, load_reproduction
from lrinterp.store import InputError


def test_a_finished_folder(tiny_made: Made, planted: Any):
    assert tiny_made.design == planted.tiny_plan().design
    assert set(tiny_made.measures.arms) == {*planted.ARMS, planted.UNTRAINED}
    assert {row["run"] for row in tiny_made.emergence} == {f"seed {FIRST_SEED + k}" for k in (0, 1)}
    assert sorted({row["step"] for row in tiny_made.emergence}) == [0, 25, 50]
    assert len(tiny_made.scales.table) == 8
    assert tiny_made.diversity is None


def test_what_is_not_measured_yet_is_left_out(tiny_folder: Path, tmp_path: Path):
    out = tmp_path / "half"
    shutil.copytree(tiny_folder, out)
    (out / "measures" / "00000.json").unlink()
    shutil.rmtree(out / "emergence")
    made = load_reproduction(out)
    assert made.emergence == []
    orders = made.measures.number("both_2", "accuracy.unseen_pair_order")
    assert orders.index.tolist() == [FIRST_SEED + 1]


def test_what_is_no_reproduction_or_not_trained_is_refused(tiny_folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="not a reproduction"):
        load_reproduction(tmp_path)
    shutil.copy(tiny_folder / "plan.json", tmp_path / "plan.json")
    with pytest.raises(InputError, match="not a sweep"):
        load_reproduction(tmp_path)
