"""Heads that carry order, planted and found; first-order estimates, exact for small changes."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from lrinterp import Run, record
from lrinterp.analysis.ablation import order_heads
from lrinterp.analysis.ablation.ablations import REMOVED, Ablation, one_head
from lrinterp.analysis.ablation.measured_ablations import MeasuredAblations
from lrinterp.analysis.ablation.order_heads import (
    AGREEMENT,
    CHANGE,
    carriers,
    estimate_rows,
    flattening,
    head_estimates,
    split_in_half,
    strongest_and_random,
)
from lrinterp.decomposition import KEY_POSITION
from lrinterp.stats import Units


def test_halves_share_no_label():
    labels = np.array([(a, b) for a in range(6) for b in range(6) if a != b])
    halves = split_in_half(Units.of_labels(labels).member)
    assert halves is not None
    one, other = (set(labels[half].ravel()) for half in halves)
    assert (len(one), len(other)) == (3, 3)
    assert not one & other
    assert not (halves[0] & halves[1]).any()
    assert (~halves[0] & ~halves[1]).any()  # pairs of both halves have no say
    assert split_in_half(Units.of_labels(labels[(labels < 3).all(1)]).member) is None


@pytest.fixture
def planted(small, monkeypatch) -> Callable[[set[tuple[int, int]]], Run]:
    """A run of two layers and two heads, whose order depends on some heads alone, by decree."""
    run = small(n_pixels=3, n_labels=8, n_val=6, image_layers=2)

    def plant(needed: set[tuple[int, int]]) -> Run:
        def order(_: Run, ablation: Ablation, __: Any = None) -> np.ndarray:
            taken = {
                (layer, head)
                for edit in ablation
                for layer in edit.layers or (0, 1)
                for head in ((0, 1) if edit.heads is None else edit.heads)
            }
            share = len(needed & taken) / max(len(needed), 1)
            return np.full(len(run.examples), 1 - 0.5 * share)

        monkeypatch.setattr(order_heads, "order_without", order)
        monkeypatch.setattr(order_heads, "order_credit", lambda *_: order(run, ()))
        return run

    return plant


@pytest.mark.parametrize(
    "needed", [set(), {(1, 0)}, {(0, 1), (1, 1)}, {(0, 0), (0, 1), (1, 0), (1, 1)}]
)
def test_the_heads_that_carry_order_are_found(planted, needed):
    heads, without, more = carriers(planted(needed)).values()
    names = {f"L{layer}H{head}" for layer, head in needed} or {"none"}
    assert set(str(heads.value).split(", ")) == names
    assert (without.value, more.value) == (0.5 if needed else 1, 0)
    assert without.n_units == more.n_units == 3


def test_a_model_with_one_head_at_work_names_it(all_trained):
    """Head 0 of the micro-model carries order; with four labels in pairs two choose it."""
    run = all_trained.of("seen_pair")
    heads, without, more = carriers(run).values()
    assert heads.value == "L0H0"
    assert (without.value, more.value) == (0.5, 0)
    halves = split_in_half(run.examples.image_units.member)
    assert halves is not None
    judged = run.at(np.flatnonzero(halves[1]))
    assert (without.n, without.examples) == (len(judged.examples), judged.examples.fingerprint)
    assert carriers(judged) == {}


def test_what_is_known_is_not_measured_again(all_trained, monkeypatch):
    """Known credits are taken as they are; heads together are measured."""
    run = all_trained.of("seen_pair")
    measured = MeasuredAblations(run)
    measured.measure([REMOVED, *(one_head(0, head) for head in (0, 1))], 1)
    expected, under = carriers(run), Mock(side_effect=run.under)
    monkeypatch.setattr(Run, "under", under)
    for key, metric in carriers(run, measured.credits).items():
        assert metric.plain() == expected[key].plain()
    assert not under.called
    assert carriers(run, {}).keys() == expected.keys()
    assert under.called


@pytest.fixture(scope="module")
def recorded(small) -> Run:
    """Two layers in double precision, so that small changes are no rounding."""
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    return small("full", n_labels=4, n_val=2, double=True, n_heads=3, **scales, image_layers=2)


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
    monkeypatch.setattr(order_heads, "part_size", lambda *_: 5)
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


@pytest.mark.parametrize("power", [1, 3, -1])
def test_rows_tell_estimates_exact_changes_and_how_far_they_agree(recorded: Run, power: int):
    """Agreement of ranks is 1 for equal ones; of values, that of numpy."""
    x = np.array([0.1, -0.5, 0.3, 0.2])
    exact = np.sign(power) * x ** abs(power)
    n, estimates = len(recorded.examples), np.stack([x, 2 * x])
    changes = {(0, i): np.full(n, change) for i, change in enumerate(exact)}
    *rows, pearson, spearman = estimate_rows(recorded, estimates, changes)
    first, measured = rows[:8], rows[8:]
    assert [row["value"] for row in first] == [*x, *(2 * x)]
    assert [row["value"] for row in measured] == pytest.approx(list(exact))
    assert {(row["metric"], row["candidates"]) for row in first} == {(CHANGE, "first order")}
    assert {(row["metric"], row["candidates"]) for row in measured} == {(CHANGE, "exact")}
    assert (first[-1]["layers"], first[-1]["heads"], first[-1]["n"]) == ("1", "3", n)
    assert first[0]["terms"] == "+".join(KEY_POSITION)
    assert (pearson["metric"], pearson["candidates"], pearson["n"]) == (AGREEMENT, "pearson", 4)
    assert pearson["value"] == pytest.approx(np.corrcoef(x, exact)[0, 1])
    assert spearman["value"] == pytest.approx(np.sign(power))
