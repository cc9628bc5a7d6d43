"""Reproducing in a folder: everything is made once, resumed to the same claims, and told of."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrinterp.reproduction.design import FIRST_SEED
from lrinterp.reproduction.reproduction_page import judged
from lrinterp.reproduction.running import Made, load_reproduction, reproduce
from lrinterp.store import InputError

ORDER, SEEDS = "accuracy.unseen_pair_order", [FIRST_SEED, FIRST_SEED + 1]


def files(out: Path) -> dict[str, int]:
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob("*.json")}


def test_everything_is_there_and_is_not_made_again(tiny_folder: Path, planted: Any):
    before = files(tiny_folder)
    assert len([name for name in before if name.startswith("measures/")]) == 12
    assert len([name for name in before if name.startswith("emergence/")]) == 2
    told: list[tuple[str, int, int]] = []

    def stage(title: str) -> Callable[[int, int], None]:
        return lambda done, total: told.append((title, done, total))

    assert reproduce(planted.tiny_plan(), tiny_folder, planted.one_thread_pool, resume=True,
                     stage=stage) == {}  # fmt: skip
    after = files(tiny_folder)
    assert {k: v for k, v in after.items() if before.get(k) != v} == {}
    assert told == [
        ("Training the arms", 10, 10),
        ("Training the grid of scales", 8, 8),
        ("Analysing the arms", 12, 12),
        ("Following standard models", 2, 2),
    ]


def test_what_is_lost_is_made_again_and_gives_the_same_claims(tiny_folder: Path, planted: Any):
    before = judged(load_reproduction(tiny_folder)).plain()
    lost = [
        tiny_folder / "measures" / "00003.json",
        tiny_folder / "emergence" / "00002.json",
        tiny_folder / "scales" / "stacks" / "0000.json",
    ]
    for path in lost:
        path.unlink()
    assert reproduce(planted.tiny_plan(), tiny_folder, planted.one_thread_pool, resume=True) == {}
    assert all(path.exists() for path in lost)
    assert judged(load_reproduction(tiny_folder)).plain() == before


def test_a_finished_folder(tiny_made: Made, planted: Any):
    assert tiny_made.plan.fixed == planted.tiny_plan().fixed
    assert tiny_made.measures.number("untrained", ORDER).index.tolist() == SEEDS
    assert set(tiny_made.measures.arms) == {*planted.ARMS, planted.UNTRAINED}
    assert {row["run"] for row in tiny_made.emergence} == {f"seed {seed}" for seed in SEEDS}
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
    orders = made.measures.number("both_2", ORDER)
    assert orders.index.tolist() == SEEDS[1:]


def test_what_is_no_reproduction_or_not_trained_is_refused(tiny_folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no folder of lrinterp"):
        load_reproduction(tmp_path)
    shutil.copy(tiny_folder / "plan.json", tmp_path / "plan.json")
    with pytest.raises(InputError, match="models: no such folder"):
        load_reproduction(tmp_path)


def test_a_part_that_cannot_be_measured_leaves_its_claims_undecided(tiny_folder, planted, tmp_path):
    out = tmp_path / "broken"
    shutil.copytree(tiny_folder, out)
    (out / "measures" / "00002.json").unlink()
    weights = out / "models" / "models" / "00002" / "model.safetensors"
    weights.write_bytes(b"no weights")
    failed = reproduce(planted.tiny_plan(), out, planted.one_thread_pool, resume=True)
    assert list(failed) == ["measures 00002"]
    assert "truncated or altered" in failed["measures 00002"]
    row = judged(load_reproduction(out)).table.query("statistic == 'order'")
    assert row["n"].tolist() == [1]
