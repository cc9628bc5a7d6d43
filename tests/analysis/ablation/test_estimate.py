"""First-order estimates: by hand where they can be, exact for small changes, wrong signs caught."""

from typing import Any

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Run, Scenes, Split, World, preset, record
from lrinterp.analysis.ablation import estimate as ablation_estimate
from lrinterp.analysis.ablation.estimate import (
    AGREEMENT,
    CHANGE,
    estimate_rows,
    flattening,
    head_estimates,
    strongest_and_random,
)
from lrinterp.analysis.ablation.rows import one_head
from lrinterp.decomposition import KEY_POSITION
from lrinterp.scoring import margin_weights

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def recorded() -> Run:
    """Two layers in double precision, so that small changes are no rounding."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=4), split)
    sizes = {"d_model": 8, "n_heads": 3, "d_head": 4, "d_embed": 6}
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    config = preset("full", **sizes, **scales, image_layers=2)
    model = DualEncoder.build(config, scenes.sizes, 0)
    for tower in model.towers.values():
        tower.double()
        tower.cfg.dtype = torch.float64
    return record(model, scenes.examples(["unseen_pair"]))


def margin(recorded: Run, images: torch.Tensor) -> float:
    """Mean order margin, caption by caption: cosine with the true one minus that of its swap."""
    examples, scores = recorded.examples, images @ recorded.embeddings["text"].T
    margins = []
    for i, labels in enumerate(examples.image_labels.tolist()):
        said = list(enumerate(examples.caption_labels.tolist()))
        true = [scores[i, j] for j, stated in said if stated == labels]
        swap = [scores[i, j] for j, stated in said if stated == labels[::-1]]
        margins.append(torch.stack(true).mean() - torch.stack(swap).mean())
    return float(torch.stack(margins).mean())


def test_weights_of_captions_make_the_order_margin(recorded: Run):
    weights = margin_weights(recorded.examples).double()
    scores = recorded.scores
    expected = margin(recorded, recorded.embeddings["image"].detach())
    assert float((weights * scores).sum(1).mean()) == pytest.approx(expected, abs=1e-7)
    assert weights.sum(1).abs().max() < 1e-6
    assert (weights.clamp(min=0).sum(1) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("head", [0, 1, 2])
def test_an_estimate_is_exact_for_small_changes(recorded: Run, layer: int, head: int):
    """The ratio of exact and estimated change goes to 1 with the size, and to -1 turned round."""
    image, estimate = recorded.towers["image"], head_estimates(recorded)[layer, head]
    delta = flattening(image, layer) * (torch.arange(3) == head)[:, None, None]
    before = margin(recorded, recorded.embeddings["image"])

    def ratio(size: float) -> float:
        def add(scores: torch.Tensor, **_: object) -> torch.Tensor:
            return scores + size * delta

        with torch.no_grad(), image.hooked([(f"blocks.{layer}.attn.hook_attn_scores", add)]):
            last = image.forward()
            after = margin(recorded, recorded.model.project("image", last, image.inputs.pool))
        return (after - before) / (abs(size) * estimate)

    assert abs(estimate) > 1e-5
    errors = [abs(ratio(size) - 1) for size in (1e-3, 1e-4)]
    assert errors[1] < 1e-3
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)  # the next order of the series
    assert ratio(-1e-4) == pytest.approx(-1, abs=1e-3)
    exact = margin(recorded, recorded.under(*one_head(layer, head)).embeddings["image"]) - before
    assert ratio(1.0) * estimate == pytest.approx(exact, abs=1e-6)  # the row that is measured


def test_heads_that_move_no_values_are_estimated_to_do_nothing(micro, micro_examples):
    """Head 1 of the micro-model writes nothing; taking head 0 away can only lower the margin."""
    estimates = head_estimates(record(micro, micro_examples.of("unseen_pair")))
    assert estimates.shape == (1, 2)
    assert estimates[0, 0] < -0.01
    assert estimates[0, 1] == 0


def test_batches_do_not_matter_and_weights_get_no_gradient(recorded: Run, monkeypatch):
    whole = head_estimates(recorded)
    monkeypatch.setattr(ablation_estimate, "part_size", lambda *_: 5)
    np.testing.assert_allclose(head_estimates(recorded), whole, atol=1e-9)
    assert all(weight.grad is None for weight in recorded.model.trainable().values())


def test_the_strongest_heads_are_chosen_and_some_at_random():
    estimates = np.random.default_rng(0).normal(size=(5, 8))
    chosen = strongest_and_random(estimates)
    assert len(set(chosen)) == len(chosen) == 12
    sizes = {(i, j): abs(estimates[i, j]) for i in range(5) for j in range(8)}
    assert chosen[:6] == sorted(sizes, key=sizes.get, reverse=True)[:6]  # type: ignore[arg-type]
    assert chosen == strongest_and_random(estimates)
    assert chosen[6:] != strongest_and_random(estimates, seed=1)[6:]
    assert sorted(strongest_and_random(estimates[:1, :4])) == [(0, j) for j in range(4)]


def test_rows_of_the_table_say_which_head_and_by_which_way(recorded: Run):
    estimates = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    n = len(recorded.examples)
    *rows, exact, _, _ = estimate_rows(recorded, estimates, {(1, 2): np.full(n, -0.25)})
    assert [(row["layers"], row["heads"], row["value"]) for row in rows[-2:]] == [
        ("1", "1", 0.5),
        ("1", "2", 0.6),
    ]
    assert {row["candidates"] for row in rows} == {"first order"}
    assert exact["metric"] == rows[0]["metric"] == CHANGE
    assert (exact["candidates"], exact["layers"], exact["heads"]) == ("exact", "1", "2")
    assert (exact["value"], exact["n"]) == (-0.25, n)
    assert exact["terms"] == "+".join(KEY_POSITION)


def agreement(recorded: Run, estimated: np.ndarray, exact: np.ndarray) -> list[dict[str, Any]]:
    """The rows of agreement of four heads, each with one change of all pictures."""
    changes = {(0, i): np.full(len(recorded.examples), change) for i, change in enumerate(exact)}
    return list(estimate_rows(recorded, estimated[None], changes))[-2:]


def test_agreement_is_one_for_equal_ranks_and_none_for_a_constant(recorded: Run):
    x = np.array([0.1, -0.5, 0.3, 0.2])
    pearson, spearman = agreement(recorded, x, x**3)
    assert (pearson["metric"], pearson["candidates"], pearson["n"]) == (AGREEMENT, "pearson", 4)
    assert spearman["value"] == pytest.approx(1)
    assert pearson["value"] == pytest.approx(np.corrcoef(x, x**3)[0, 1])
    assert [row["value"] for row in agreement(recorded, x, -x)] == pytest.approx([-1, -1])
    assert [row["value"] for row in agreement(recorded, x, 0 * x)] == [None, None]
