"""Along one run: the numbers of the analyses, as plain data, and planted crossings come back."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import Run, load_checkpoint
from lrinterp.experiment.checkpoints.trajectory import (
    FOLLOWED,
    aligned,
    crossing,
    kept_steps,
    measure_run,
    onset_of,
    order_and_slopes,
    snapshots,
)
from lrinterp.store import InputError
from lrinterp.training import contrastive_loss


def changed(run: Path, copy: Path, **fields: Any) -> Path:
    """A copy of a run with other metadata."""
    shutil.copytree(run, copy)
    plain = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**plain, **fields}))
    return copy


def test_steps_are_those_kept_and_the_run_itself(tiny_run: Path, runs: Any, tmp_path: Path):
    places = [tiny_run / "steps" / "000005", tiny_run / "steps" / "000010", tiny_run]
    assert kept_steps(tiny_run) == list(zip([5, 10, 12], places, strict=True))
    copy = changed(tiny_run, tmp_path / "copy")
    (copy / "steps" / "notes").mkdir()
    (copy / "steps" / "000007").mkdir()  # no checkpoint in it
    assert [step for step, _ in kept_steps(copy)] == [5, 10, 12]
    even = runs.trained(tmp_path / "even", seed=0, steps=10)
    assert kept_steps(even) == [(5, even / "steps" / "000005"), (10, even)]


def test_snapshots_begin_before_the_first_step(tiny_run: Path):
    models = dict(snapshots(tiny_run))
    assert list(models) == [0, 5, 10, 12]
    weights = [model.trainable()["image.embed.W_E"] for model in models.values()]
    last = load_checkpoint(tiny_run).model
    assert torch.equal(weights[-1], last.trainable()["image.embed.W_E"])
    assert not torch.equal(weights[0], weights[1])
    assert weights[0].std().item() == pytest.approx(last.config.std_W_E, rel=0.5)  # type: ignore[union-attr]


def test_what_cannot_be_followed_is_refused(tiny_run: Path, tmp_path: Path):
    copy = changed(tiny_run, tmp_path / "copy", recipe=None)
    with pytest.raises(InputError, match="has no recipe"):
        kept_steps(copy)
    split = {**load_checkpoint(tiny_run).metadata.split, "n_val": 1}  # type: ignore[dict-item]
    copy = changed(tiny_run, tmp_path / "few", split=split)
    with pytest.raises(InputError, match="swap accuracy cannot be followed"):
        measure_run({"run": copy})
    with pytest.raises(InputError, match="is a name, L0H"):
        measure_run({"run": tiny_run, "scalars": ["order_bias.bias_head"]})


def test_slopes_are_those_of_any_head_and_without_a_head_there_is_order_alone(left_right, both):
    gradient: Any = both[0].results["positional_gradient"]
    pairs = left_right.of("unseen_pair")
    order = both[0].number("accuracy", "unseen_pair_order").value
    for head in range(4):
        found, fit = order_and_slopes(pairs, (0, head)), gradient.fit_of(head)
        assert found["unseen_pair_order"] == order
        assert [found["slope"], found["span"]] == pytest.approx([fit["slope"], fit["span"]])
    assert list(order_and_slopes(pairs, None).values()) == [order, None, None, None]


def test_a_run_is_rows_of_plain_data_and_the_loss_that_of_one_batch(tiny_run: Path):
    rows = measure_run({"run": str(tiny_run)})
    assert rows == json.loads(json.dumps(rows))
    assert [row["step"] for row in rows] == [0, 5, 10, 12]
    assert list(rows[0]) == ["run", "seed", "head", "step", "chance", *FOLLOWED]
    about = {(row["run"], row["seed"], row["chance"]) for row in rows}
    assert about == {("tiny", 0, 0.5)}
    assert len({row["head"] for row in rows}) == 1
    checkpoint = load_checkpoint(tiny_run)
    pictures, captions = checkpoint.scenes().batch(torch.Generator().manual_seed(0))
    model = checkpoint.model
    with torch.no_grad():
        embedded = model.embed("image", pictures), model.embed("text", captions)
        loss = contrastive_loss(*embedded, model.log_scale)
    assert rows[-1]["loss"] == pytest.approx(float(loss))


def test_a_measure_comes_beside_and_threads_are_put_back(tiny_run, monkeypatch):
    def total(recording: Run) -> dict[str, float | None]:
        return {"captions": float(len(recording.examples.caption_text))}

    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    last = measure_run({"run": tiny_run, "name": "mine", "threads": 2}, total)[-1]
    assert used == [2, torch.get_num_threads()]
    captions = load_checkpoint(tiny_run).scenes().examples().caption_text
    assert (last["run"], last["captions"]) == ("mine", len(captions))


STEPS = [0, 100, 200, 300]


@pytest.mark.parametrize("at", [112.5, 333.0, 600.0, 790.0])
def test_a_planted_crossing_is_found_exactly(at: float):
    steps = np.arange(0, 1001, 10)
    curve = np.clip((steps - at) / 200 + 0.5, 0, 1)
    assert crossing(steps.tolist(), curve.tolist(), 0.5) == pytest.approx(at)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.5, 0.5, 0.5], None),
        ([0.5, 0.9, 0.5, 0.5], None),  # a single peak does not stay
        ([0.5, 0.9, 0.5, 1.0], 250.0),  # nor does it hide a later rise, which counts at the end
        ([0.5, 0.7, 0.8, 0.9], 150.0),
        ([0.5, 1.0, 1.0, 0.5], 50.0),
        ([0.8, 0.9, 0.9, 0.9], 0.0),
        ([0.8, 0.5, 0.5, 0.5], None),
        ([0.5, 0.75, 0.9, 0.9], 100.0),
        ([0.5, np.nan, 1.0, 1.0], 100.0),
        ([np.nan] * 4, None),
    ],
)
def test_a_crossing_is_the_first_that_stays(values: list[float], expected: float | None):
    assert crossing(STEPS, values, 0.75) == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_planted_times_and_their_lag(runs: Any, sign: int):
    found = onset_of(pd.DataFrame(runs.ramp("a", 480, 365, sign=sign)))
    assert found["order_step"] == pytest.approx(480)
    assert found["slope_step"] == pytest.approx(365)
    assert found["lag"] == pytest.approx(115)
    # the span, 9 |slope|, is 0.1 where the slope is 0.0111: it rises from 0 at step 265, and
    # between 250 (0) and 300 (0.175) the curve is a straight line
    assert found["gradient_step"] == pytest.approx(250 + 50 * (0.1 / 9) / 0.175)
    assert (found["threshold"], found["every"], found["final_slope"]) == (0.75, 50, sign)


def test_chance_moves_the_threshold(runs: Any):
    found = onset_of(pd.DataFrame(runs.ramp("a", 500, 500)).assign(chance=1 / 6))
    assert found["threshold"] == pytest.approx(7 / 12)
    assert found["order_step"] == pytest.approx(500 - 200 * (0.75 - 7 / 12) / 0.5)


def test_a_run_without_a_head_has_order_alone(runs: Any):
    bare = [{**row, "slope": None, "span": None, "head": None} for row in runs.ramp("a", 480, 300)]
    found = onset_of(pd.DataFrame(bare))
    assert found["order_step"] == pytest.approx(480)
    assert found["slope_step"] is found["lag"] is found["gradient_step"] is None


def test_steps_are_counted_from_the_onset_of_their_own_run(runs: Any):
    rows = [*runs.ramp("a", 480, 365)[::-1], *runs.ramp("b", 300, 300), *runs.flat("c")]
    table, events = aligned(pd.DataFrame(rows))
    assert events["run"].tolist() == ["a", "b", "c"]
    assert events["order_step"].tolist()[:2] == pytest.approx([480, 300])
    assert events["order_step"].isna().tolist() == [False, False, True]
    one, flat = (table[table["run"] == name] for name in "ac")
    assert (one["step"] - one["aligned_step"]).tolist() == pytest.approx([480] * len(one))
    assert flat["aligned_step"].isna().all()
    assert table.groupby("run")["step"].is_monotonic_increasing.all()
