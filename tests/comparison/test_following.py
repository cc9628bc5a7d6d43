"""What is measured along a run: the same numbers as the analyses give, as plain data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lrinterp import Run, analyze, load_checkpoint, record
from lrinterp.analysis import check_numbers
from lrinterp.comparison.following import (
    FOLLOWED,
    follow_head,
    headline_of,
    measure_run,
)
from lrinterp.comparison.measured import Measured
from lrinterp.store import InputError
from lrinterp.training import contrastive_loss
from lrinterp.wording import head_name

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_head_followed_is_the_headline_of_the_analysis(
    left_right: Run, no_gradient: Run, knows: Measured, knows_not: Measured
):
    for recording, measured in ((left_right, knows), (no_gradient, knows_not)):
        headline = measured.results["positional_gradient"].metrics["headline_head"]
        place = headline_of(recording)
        assert place is not None
        assert head_name(*place) == headline.value


@pytest.mark.parametrize("head", [0, 2])
def test_order_and_slopes_are_those_of_the_analyses(left_right: Run, knows: Measured, head: int):
    found = follow_head((0, head))(left_right)
    gradient = knows.results["positional_gradient"]
    fits = [gradient.fit_of(k) for k in range(4)]  # type: ignore[attr-defined]
    assert found["unseen_pair_order"] == knows.scalar("accuracy", "unseen_pair_order").value
    assert found["slope"] == pytest.approx(fits[head]["slope"])
    assert found["span"] == pytest.approx(fits[head]["span"])
    assert found["largest_slope"] == pytest.approx(max(abs(fit["slope"]) for fit in fits))


def test_without_a_head_there_is_order_alone(left_right: Run):
    found = follow_head(None)(left_right)
    assert found["unseen_pair_order"] is not None
    assert found["slope"] is found["span"] is found["largest_slope"] is None


def test_a_run_is_rows_of_plain_data(tiny_run: Path):
    rows = measure_run({"run": str(tiny_run)})
    assert rows == json.loads(json.dumps(rows))
    assert [row["step"] for row in rows] == [0, 5, 10, 12]
    assert set(rows[0]) == {"run", "seed", "step", "head", "chance", *FOLLOWED}
    assert {row["run"] for row in rows} == {"tiny"}
    assert {(row["seed"], row["chance"]) for row in rows} == {(0, 0.5)}
    assert len({row["head"] for row in rows}) == 1


def test_the_loss_is_that_of_one_batch(tiny_run: Path):
    checkpoint = load_checkpoint(tiny_run)
    pictures, captions = checkpoint.scenes().batch(torch.Generator().manual_seed(0))
    model = checkpoint.model
    with torch.no_grad():
        embedded = model.embed("image", pictures), model.embed("text", captions)
        loss = contrastive_loss(*embedded, model.log_scale)
    rows = measure_run({"run": tiny_run, "name": "mine"})
    assert rows[-1]["loss"] == pytest.approx(float(loss))
    assert rows[-1]["run"] == "mine"


def test_scalars_and_measures_come_beside(tiny_run: Path):
    def total(recording: Run) -> dict[str, float | None]:
        return {"captions": float(len(recording.examples.caption_text))}

    task = {
        "run": tiny_run,
        "scalars": ["accuracy.mixed_pair_order", "attention_terms.image_key_position_share"],
    }
    last = measure_run(task, total)[-1]
    checkpoint = load_checkpoint(tiny_run)
    whole = record(checkpoint.model, checkpoint.scenes().examples(), progress=False)
    results = analyze(whole, ["accuracy", "attention_terms"], progress=False)
    assert (
        last["accuracy.mixed_pair_order"] == results["accuracy"].metrics["mixed_pair_order"].value
    )
    share = results["attention_terms"].metrics["image_key_position_share"].value
    assert last["attention_terms.image_key_position_share"] == pytest.approx(share)
    assert last["captions"] == len(whole.examples.caption_text)


@pytest.mark.parametrize("name", ["order", "acuracy.order", "accuracy.", ".order"])
def test_a_scalar_needs_an_analysis_and_a_key(name: str):
    with pytest.raises(InputError, match=r"expected analysis\.key"):
        check_numbers(["accuracy.unseen_pair_order", name])


def test_an_unknown_key_and_a_name_are_refused(tiny_run: Path):
    with pytest.raises(InputError, match="accuracy has no 'order'; expected one of unseen_pair"):
        measure_run({"run": tiny_run, "scalars": ["accuracy.order"]})
    with pytest.raises(InputError, match="is a name, L0H"):
        measure_run({"run": tiny_run, "scalars": ["order_bias.bias_head"]})


def test_without_held_out_pairs_order_cannot_be_followed(tiny_run: Path, tmp_path: Path):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    plain = json.loads((copy / "model.json").read_text())
    plain["split"]["n_val"] = 1
    (copy / "model.json").write_text(json.dumps(plain))
    with pytest.raises(InputError, match="order cannot be followed"):
        measure_run({"run": copy})


def test_the_number_of_threads_is_put_back(tiny_run: Path):
    torch.set_num_threads(2)
    rows = [measure_run({"run": tiny_run, "threads": threads}) for threads in (1, 2)]
    assert torch.get_num_threads() == 2
    orders = [[row["unseen_pair_order"] for row in run] for run in rows]
    assert np.allclose(orders[0], orders[1])
