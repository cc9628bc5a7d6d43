"""The parts of a margin at depth as rows of the long table: whole, by group, by role, by patch.

Rows of one kind add up to the mean margin (those by patch, with CLS, to what the heads read). The
heads that move the margin most are divided by role, as many as keep the table short; the others
stand in one row each.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from einops import einsum
from jaxtyping import Float

from lrinterp.analysis.attribution.margin_at_depth import AtDepth
from lrinterp.analysis.attribution.rows import (
    ALL_HEADS,
    DIRECT_PATH,
    NONE,
    WHOLE,
    cell,
    mean_rows,
    pooled_role,
    role_masks,
)
from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.subject import as_index

__all__ = ["ALL_KEYS", "GROUPED", "GROUPS", "PART", "PATCH", "VALUE", "depth_rows"]

PART, GROUPED, PATCH = "direct by part", "direct by group", "direct by patch"
VALUE, ALL_KEYS = "value", "all keys"
GROUPS = ("heads", "MLPs", "embedding", "biases")
MOST_BY_ROLE, MOST_BY_PATCH = 1500, 600
"""Rows by role, and by patch, of one tower."""

Summand = tuple[dict[str, str], Float[np.ndarray, "example"]]


def depth_rows(contrast: Contrast, found: AtDepth) -> Iterator[dict[str, Any]]:
    """All rows of one tower."""
    contrast = own_roles(contrast)
    yield from mean_rows(contrast, summands(contrast, found))
    if contrast.tower == "image":
        yield from patch_rows(contrast, found)


def own_roles(contrast: Contrast) -> Contrast:
    """The roles of the clean pictures alone: a contrast marks what plays a role in either."""
    if contrast.tower != "image":
        return contrast
    chosen, clean = as_index(contrast.pictures), contrast.clean.at(slice(None))
    own = contrast.recording.examples.roles["image"]
    roles = {name: own[name].cpu()[chosen] for name in contrast.roles}
    clean.places = replace(clean.places, roles=roles)
    return replace(contrast, clean=clean)


def summands(contrast: Contrast, found: AtDepth) -> Iterator[Summand]:
    """What each row is, and its value for each example."""
    yield cell("margin", NONE, NONE, WHOLE), found.margin
    for group in GROUPS:
        chosen = [group_of(name, found) == group for name in found.names]
        if any(chosen):
            yield cell(GROUPED, NONE, NONE, group), found.parts[chosen].sum(0)
    masks = role_masks(contrast, found)
    pooled = pooled_role(contrast, masks)
    by_role = {
        role: einsum(found.by_key, mask, "head n key, n key -> head n")
        for role, mask in masks.items()
    }
    divided = set(strongest(found)[: max(1, MOST_BY_ROLE // len(masks))])
    for name, values in zip(found.names, found.parts, strict=True):
        if name not in found.heads:
            yield cell(PART, DIRECT_PATH, pooled, name), values
            yield cell("direct", DIRECT_PATH, pooled, name), values
            continue
        yield cell(PART, name, NONE, VALUE), values
        head = found.heads.index(name)
        roles = {r: x[head] for r, x in by_role.items()} if name in divided else {ALL_KEYS: values}
        for role, read in roles.items():
            yield cell("direct", name, role, VALUE), read


def patch_rows(contrast: Contrast, found: AtDepth) -> Iterator[dict[str, Any]]:
    """What all heads, and the strongest, read from each patch; `pixel` counts patches from 1."""
    rows, columns = contrast.recording.examples.grid
    patches = rows * columns
    if found.by_key.shape[2] != patches + 1:
        return
    named = {ALL_HEADS: found.by_key.sum(0)}
    for name in strongest(found)[: max(1, MOST_BY_PATCH // patches - 1)][:3]:
        named[name] = found.by_key[found.heads.index(name)]
    for name, keys in named.items():
        parts = [(cell(PATCH, name, NONE, VALUE), keys[:, pixel + 1]) for pixel in range(patches)]
        for pixel, row in enumerate(mean_rows(contrast, parts)):
            yield row | {"pixel": pixel + 1}


def strongest(found: AtDepth) -> list[str]:
    """The heads by the magnitude of their mean part, the largest first."""
    means = {name: abs(found.parts[found.names.index(name)].mean()) for name in found.heads}
    return sorted(means, key=lambda name: -means[name])


def group_of(name: str, found: AtDepth) -> str:
    """The group of a part: heads, MLPs, embedding (with position) or biases."""
    if name in found.heads:
        return "heads"
    if name.endswith(" mlp"):
        return "MLPs"
    return "embedding" if name in ("embed", "pos") else "biases"
