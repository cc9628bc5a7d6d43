"""The loss against numpy, values known in advance, and its gradient."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lrinterp.training import contrastive_loss, stacked_contrastive_loss

pytestmark = pytest.mark.usefixtures("one_thread")

SCALE = torch.tensor(math.log(1 / 0.07))


def unit(n: int, d: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, d, generator=generator, dtype=dtype)
    return torch.nn.functional.normalize(rows, dim=1)


def in_numpy(images: Tensor, captions: Tensor, log_scale: float) -> float:
    scores = math.exp(log_scale) * images.double().numpy() @ captions.double().numpy().T
    n = len(scores)
    rows = [np.log(np.exp(scores[i]).sum()) - scores[i, i] for i in range(n)]
    columns = [np.log(np.exp(scores[:, i]).sum()) - scores[i, i] for i in range(n)]
    return float(np.mean(rows) + np.mean(columns)) / 2


@pytest.mark.parametrize("log_scale", [0.0, 1.5, math.log(100)])
def test_the_loss_agrees_with_numpy(log_scale: float):
    images, captions = unit(7, 5, 0), unit(7, 5, 1)
    got = contrastive_loss(images, captions, torch.tensor(log_scale)).item()
    assert got == pytest.approx(in_numpy(images, captions, log_scale), rel=1e-5)


@pytest.mark.parametrize("n", [2, 6])
def test_a_perfect_batch(n: int):
    """Orthogonal pairs: each item has one score of s and n - 1 of 0."""
    eye = torch.eye(n)
    expected = math.log(math.exp(2.5) + n - 1) - 2.5
    got = contrastive_loss(eye, eye, torch.tensor(math.log(2.5))).item()
    assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", [2, 9])
def test_a_batch_that_tells_nothing_apart_costs_log_n(n: int):
    same = torch.ones(n, 4) / 2
    assert contrastive_loss(same, same, SCALE).item() == pytest.approx(math.log(n))


def test_twins_told_apart_from_others_but_not_from_each_other_cost_log_two():
    labels_only = torch.eye(6).repeat_interleave(2, dim=0)
    got = contrastive_loss(labels_only, labels_only, torch.tensor(math.log(50.0))).item()
    assert got == pytest.approx(math.log(2), abs=1e-6)


def test_pictures_and_captions_play_the_same_part():
    images, captions = unit(5, 4, 0), unit(5, 4, 1)
    one = contrastive_loss(images, captions, SCALE)
    assert one.item() == pytest.approx(contrastive_loss(captions, images, SCALE).item())


def test_the_order_of_a_batch_does_not_matter_but_the_pairing_does():
    images, captions = unit(5, 4, 0), unit(5, 4, 1)
    shuffled = torch.tensor([3, 1, 4, 0, 2])
    loss = contrastive_loss(images, captions, SCALE).item()
    together = contrastive_loss(images[shuffled], captions[shuffled], SCALE).item()
    assert together == pytest.approx(loss, rel=1e-5)
    assert abs(contrastive_loss(images[shuffled], captions, SCALE).item() - loss) > 0.1


def test_the_gradient():
    inputs = unit(4, 3, 0, torch.float64), unit(4, 3, 1, torch.float64), SCALE.double()
    assert torch.autograd.gradcheck(contrastive_loss, [x.requires_grad_() for x in inputs])


def test_a_stack_loses_what_each_model_loses_alone():
    """Values and gradients, also at the steepest temperature that training allows."""
    generator = torch.Generator().manual_seed(3)
    shape = (3, 7, 5)
    pairs = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    images, captions = (F.normalize(x, dim=-1).requires_grad_() for x in pairs)
    log_scale = torch.tensor([0.0, 2.7, 4.6], dtype=torch.float64, requires_grad=True)
    losses = stacked_contrastive_loss(images, captions, log_scale)
    alone = torch.stack([contrastive_loss(images[k], captions[k], log_scale[k]) for k in range(3)])
    torch.testing.assert_close(losses, alone)
    outer = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    leaves = (images, captions, log_scale)
    got, expected = (torch.autograd.grad((x * outer).sum(), leaves) for x in (losses, alone))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)
