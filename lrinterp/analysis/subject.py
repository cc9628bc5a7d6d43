"""What the analyses look at: held-out pairs where there are any, and fresh twins of a model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from lrinterp.analysis.read import Place
from lrinterp.decomposition import why_not
from lrinterp.encoders import DualEncoder, Tower
from lrinterp.result import Metric, NotApplicable
from lrinterp.run import Run
from lrinterp.scenes import Examples
from lrinterp.scenes.natural import PICTURES
from lrinterp.stats import Sample

__all__ = [
    "HELD_OUT",
    "NEITHER",
    "SET_WORDS",
    "SIDES",
    "TRAINED",
    "decomposable",
    "focus",
    "heads_of",
    "is_large",
    "label_groups",
    "over_pictures",
    "random_twins",
    "relation_captions",
    "sides_of",
    "typical",
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
LARGE = 48
"""Heads of an image tower above which not every one can be measured."""
SIDES = {"object": ("left", "right"), "half": ("left half", "right half")}
"""The roles of both sides of a picture: where its objects are known, and where they are not."""
TRAINED, HELD_OUT, NEITHER = "trained", "held out", "neither"


def focus(examples: Examples) -> str:
    """The set that mechanisms are measured on: the first that has pictures.

    Held-out pairs before trained and mixed ones; real pictures are all of one set.
    """
    for name in SET_WORDS:
        if name in examples.image_set:
            return name
    raise NotApplicable("no pictures of several objects were recorded")


def sides_of(examples: Examples) -> str:
    """Are the objects' places known, or halves alone? NotApplicable where neither is."""
    for kind, roles in SIDES.items():
        if set(roles) <= set(examples.roles["image"]):
            return kind
    raise NotApplicable("the examples do not say which positions are left and which are right")


def heads_of(model: DualEncoder) -> list[Place]:
    """Every head of the image tower, by layer."""
    cfg = model.towers["image"].cfg
    return [*np.ndindex(cfg.n_layers, cfg.n_heads)]


def is_large(model: DualEncoder) -> bool:
    """Has the image tower so many heads that each cannot be measured?"""
    return len(heads_of(model)) > LARGE


def label_groups(examples: Examples) -> tuple[str, ...]:
    """By label: trained in pairs, held out of them, or neither, only ever seen alone."""
    stated: dict[str, set[int]] = {}
    for name, labels in zip(examples.caption_set, examples.caption_labels.tolist(), strict=True):
        stated.setdefault(name, set()).update(labels)
    trained = stated.get("seen_pair", set())
    held_out = stated.get("unseen_pair", set()) | stated.get("mixed_pair", set())
    group = dict.fromkeys(held_out, HELD_OUT) | dict.fromkeys(trained, TRAINED)
    return tuple(group.get(label, NEITHER) for label in range(len(examples.label_words)))


def typical(pixels: Int[np.ndarray, "image object"], n_pixels: int) -> int:
    """The first picture whose objects lie nearest to evenly spread along the row."""
    n_objects = pixels.shape[1]
    wanted = (np.arange(n_objects) + 0.5) / n_objects * n_pixels - 0.5
    return int(np.abs(pixels - wanted).sum(1).argmin())


def over_pictures(examples: Examples, sample: Sample, **about: Any) -> Metric:
    """A mean, or a ratio of means, over all of some pictures of one set, which it remembers."""
    about = {"examples": examples.fingerprint, "unit": examples.unit} | about
    return Metric.of_sample(sample, **about)


def decomposable(recording: Run, tower: str) -> Tower:
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
    under 10^6 weights, 3 of larger ones. `map` over them and one at a time is in memory.
    """
    weights = sum(parameter.numel() for parameter in model.towers[tower].parameters())
    for k in range(MANY_TWINS if weights < SMALL else FEW_TWINS):
        yield untrained(model, seed + k) or model.scrambled(tower, seed + k)


def as_index(values: Int[np.ndarray, "some"]) -> Tensor:
    """A numpy index for torch."""
    return torch.from_numpy(np.asarray(values))
