"""The parts of a margin as rows of one long table: means over examples, intervals over labels."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from einops import einsum
from jaxtyping import Bool, Float

from lrinterp.analysis.attribution.margin_at_depth import AtDepth
from lrinterp.analysis.attribution.margin_parts import DIRECT_PARTS, VALUE_PARTS, Attributed
from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.subject import head_name
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, TERMS
from lrinterp.stats import ratio_intervals

__all__ = [
    "ALL_HEADS",
    "DIRECT_PATH",
    "FLAT",
    "NONE",
    "SPLIT",
    "UNIFORM",
    "WAYS",
    "WHOLE",
    "cell",
    "key_position",
    "long_rows",
    "mean_rows",
    "pixel_rows",
    "pooled_role",
    "role_masks",
    "summands",
]

SPLIT = {"key-position": KEY_POSITION, "key-content": KEY_CONTENT}
"""What the inputs identify of the scores."""
WAYS = ("added first", "added last", "Shapley value")
ALL_HEADS, DIRECT_PATH, NONE = "all", "direct path", "-"
WHOLE, UNIFORM, FLAT = "whole", "uniform attention", "key-position flattened"
NO_OBJECT = ("CLS", "background")

ELSEWHERE, SEVERAL = "elsewhere", "several roles"

Summand = tuple[dict[str, str], Float[np.ndarray, "example"]]
Masks = dict[str, Bool[np.ndarray, "example key"]]


def summands(
    contrast: Contrast, found: Attributed
) -> Iterator[tuple[dict[str, str], Float[np.ndarray, "example"]]]:
    """Every row that is a mean over examples: what it is, and its value for each example."""
    yield cell("margin", NONE, NONE, WHOLE), found.margin
    yield cell("margin", NONE, NONE, UNIFORM), found.uniform
    yield cell("margin", NONE, NONE, FLAT), found.flat_margin
    masks = role_masks(contrast, found)
    for role, mask in masks.items():
        by_role = einsum(found.by_key, mask, "part n head key, n key -> head part n")
        for head, parts in enumerate(by_role):
            for part, values in zip(VALUE_PARTS, parts, strict=True):
                yield cell("direct", head_name(0, head), role, part), values
    for part, values in zip(DIRECT_PARTS, found.direct, strict=True):
        yield cell("direct", DIRECT_PATH, pooled_role(contrast, masks), part), values
    yield from through_attention(found)


def through_attention(
    found: Attributed,
) -> Iterator[tuple[dict[str, str], Float[np.ndarray, "example"]]]:
    """What scores make of the margin: added first, last and on average, and along the path."""
    for part, ways in zip(SPLIT, found.added, strict=True):
        for way, values in zip(WAYS, ways, strict=True):
            yield cell(way, ALL_HEADS, NONE, part), values
    for part, terms in (SPLIT | {term: (term,) for term in TERMS}).items():
        moved = found.by_term[[TERMS.index(term) for term in terms]].sum(0)
        yield cell("through attention", ALL_HEADS, NONE, part), moved.sum(-1)
        for head, values in enumerate(moved.T):
            yield cell("through attention", head_name(0, head), NONE, part), values


def long_rows(contrast: Contrast, found: Attributed) -> Iterator[dict[str, Any]]:
    """Means of all summands of one tower."""
    return mean_rows(contrast, summands(contrast, found))


def mean_rows(contrast: Contrast, named: Iterable[Summand]) -> Iterator[dict[str, Any]]:
    """Means of some summands over examples."""
    names, values = zip(*named, strict=True)
    ones = np.ones(len(values[0]))
    for name, interval in zip(
        names, ratio_intervals(np.stack(values), ones, contrast.units), strict=True
    ):
        yield {"encoder": contrast.tower, **name, "pixel": None, **vars(interval)}


def pixel_rows(contrast: Contrast, found: Attributed) -> Iterator[dict[str, Any]]:
    """What each head reads directly from an object of the picture, by the pixel it stands at."""
    total = found.by_key.sum(0)
    objects = {n: m for n, m in role_masks(contrast, found).items() if n not in NO_OBJECT}
    for role, mask in objects.items():
        for pixel in range(1, mask.shape[1]):
            here = mask[:, pixel] > 0
            if not here.any():
                continue
            values, ones = total[here, :, pixel].T, np.ones(here.sum())
            intervals = ratio_intervals(values, ones, contrast.units.at(np.flatnonzero(here)))
            for head, interval in enumerate(intervals):
                name = cell("direct by pixel", head_name(0, head), role, "E+P+b")
                yield {"encoder": contrast.tower, **name, "pixel": pixel, **vars(interval)}


def key_position(found: Attributed) -> Float[np.ndarray, "example head"]:
    """What key-position makes of each margin through each head's attention."""
    return found.by_term[[TERMS.index(term) for term in KEY_POSITION]].sum(0)


def role_masks(contrast: Contrast, found: Attributed | AtDepth) -> Masks:
    """Where each role stands, so that none of the attended keys is lost and none counts twice.

    Keys without a role are `elsewhere`, those with more than one (a patch that both objects
    cover) `several roles`.
    """
    masks = {name: mask.cpu().numpy() for name, mask in contrast.roles.items()}
    count = np.sum(list(masks.values()), axis=0)
    masks = {name: mask & (count == 1) for name, mask in masks.items()}
    rest = {SEVERAL: count > 1, ELSEWHERE: found.attended & (count == 0)}
    return masks | {name: mask for name, mask in rest.items() if mask.any()}


def pooled_role(contrast: Contrast, masks: Masks) -> str:
    """The role that the embedding is read from."""
    pool = contrast.inputs[0].pool.cpu().numpy()
    rows = np.arange(len(pool))
    return next((name for name, mask in masks.items() if mask[rows, pool].all()), NONE)


def cell(kind: str, head: str, role: str, part: str) -> dict[str, str]:
    """The identifying columns of a row."""
    return {"kind": kind, "head": head, "role": role, "part": part}
