"""What the analyses look at: held-out pairs where there are any, and fresh twins of a model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from lrinterp.decomposition import why_not
from lrinterp.encoders import DualEncoder, Tower
from lrinterp.recording import Recording
from lrinterp.result import Metric, NotApplicable
from lrinterp.scenes import Examples
from lrinterp.scenes.natural import PICTURES
from lrinterp.stats import Sample

__all__ = [
    "SET_WORDS",
    "decomposable",
    "focus",
    "head_name",
    "over_pictures",
    "random_twins",
    "relation_captions",
    "unit_of",
    "untrained",
]

MANY_TWINS, FEW_TWINS = 20, 3
SMALL = 10**6
"""Weights of a tower of which many random twins are affordable."""

SET_WORDS = {
    "unseen_pair": "held-out pairs",
    "seen_pair": "trained pairs in new layouts",
    "mixed_pair": "pairs of a trained and a held-out label",
    PICTURES: "pictures of the suite",
}
"""The sets that mechanisms are measured on, the preferred one first."""


def focus(examples: Examples) -> str:
    """The set that mechanisms are measured on: the first that has pictures.

    Held-out pairs before trained and mixed ones; real pictures are all of one set.
    """
    for name in SET_WORDS:
        if name in examples.image_set:
            return name
    raise NotApplicable("no pictures of several objects were recorded")


def unit_of(name: str) -> str:
    """What intervals over the pictures of a set leave out: a label, of photographs an object."""
    return "object" if name == PICTURES else "label"


def over_pictures(examples: Examples, sample: Sample, **about: Any) -> Metric:
    """A mean, or a ratio of means, over all of some pictures of one set, which it remembers."""
    unit = unit_of(examples.image_set[0])
    return Metric.of_sample(sample, examples=examples.fingerprint, unit=unit, **about)


def decomposable(recording: Recording, tower: str) -> Tower:
    """A tower whose layers have the nine terms; NotApplicable says why where it has not."""
    model = recording.model.towers[tower]
    if reason := why_not(model):
        raise NotApplicable(f"the {tower} tower cannot be decomposed: {reason}")
    return model


def relation_captions(examples: Examples) -> Int[np.ndarray, "relation"]:
    """Indices of the captions that state a relation."""
    return np.flatnonzero(np.array(examples.caption_template, dtype=object) != "single")


def untrained(model: DualEncoder, seed: int) -> DualEncoder | None:
    """A fresh model of the same preset; None where the model has no recipe."""
    if model.config is None:
        return None
    return DualEncoder.build(model.config, model.sizes, seed).to(model.device)


def random_twins(model: DualEncoder, tower: str, seed: int) -> Iterator[DualEncoder]:
    """Models of the same architecture that learnt nothing, as a null for one tower.

    Fresh ones where there is a recipe, else with the tower's weights in random order. 20 of towers
    under 10^6 weights, 3 of larger ones.
    """
    weights = sum(parameter.numel() for parameter in model.towers[tower].parameters())
    for k in range(MANY_TWINS if weights < SMALL else FEW_TWINS):
        yield untrained(model, seed + k) or model.scrambled(tower, seed + k)


def head_name(layer: int, head: int) -> str:
    """A head as it is written in figures and tables: L0H2."""
    return f"L{layer}H{head}"


def as_index(values: Int[np.ndarray, "some"]) -> Tensor:
    """A numpy index for torch."""
    return torch.from_numpy(np.asarray(values))
