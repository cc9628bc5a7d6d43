"""The parts of a margin as rows of one long table: means over examples, intervals over labels.

Rows of one kind add up to the mean margin: `direct` by head, role and part of the value, with the
direct path beside the heads; `direct by part`, each head as a whole; `direct by group`. Those by
patch and without a role add up, with CLS, to what the heads read. The heads that move the margin
most are divided by role, as many as keep the table short. What moves the margin through attention
is there for towers that have such a path.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.similarity_attribution_path import AttentionPath, TakenApart
from lrinterp.analysis.subject import as_index, over_pictures
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, TERMS, total
from lrinterp.decomposition.margin_parts import VALUE_PARTS, MarginParts
from lrinterp.result import Metric
from lrinterp.stats import LINEAR, Sample, Units, ratio_intervals
from lrinterp.wording import head_name

__all__ = [
    "ALL_HEADS",
    "ALL_KEYS",
    "DIRECT",
    "DIRECT_PATH",
    "GROUPS",
    "NONE",
    "PART",
    "PATCH",
    "SPLIT",
    "THROUGH",
    "VALUE",
    "WAYS",
    "largest_part",
    "margin_metrics",
    "margin_rows",
    "role_masks",
    "row_place",
    "summands",
]

SPLIT = {"key-position": KEY_POSITION, "key-content": KEY_CONTENT}
"""What the inputs identify of the scores."""
DIRECT, PART, GROUPED, PATCH = "direct", "direct by part", "direct by group", "direct by patch"
THROUGH, WAYS = "through attention", ("added first", "added last", "Shapley value")
GROUPS = ("heads", "MLPs", "embedding", "biases")
ALL_HEADS, DIRECT_PATH, NONE = "all", "direct path", "-"
WHOLE, UNIFORM, FLAT = "whole", "uniform attention", "key-position flattened"
VALUE, ALL_KEYS = "value", "all keys"
KEYS = {
    ("margin", WHOLE): "margin",
    ("margin", FLAT): "margin_without_key_position",
    **{
        (way, part): f"margin_by_{part.replace('-', '_')}_{end}"
        for way, end in zip(WAYS, ("first", "last", "shapley"), strict=True)
        for part in SPLIT
    },
    **{(GROUPED, group): f"margin_by_{group.lower()}" for group in GROUPS},
}
"""The ends of summary keys, by kind and part of the row."""
ERRORS = ("reconstruction_error", "relative_error", "completeness_error")
ELSEWHERE, SEVERAL = "elsewhere", "several roles"
NO_OBJECT = ("CLS", "background", ELSEWHERE, SEVERAL)
MOST_BY_ROLE, MOST_BY_PATCH = 2400, 600
"""Rows by role, and by patch, of one tower."""
BY_PATCH = 4
"""The strongest heads whose patches are told apart."""

Summand = tuple[dict[str, Any], Float[np.ndarray, "example"]]
Masks = dict[str, Bool[np.ndarray, "example key"]]


def margin_rows(one: TakenApart) -> list[dict[str, Any]]:
    """All rows of one tower."""
    masks = role_masks(own_roles(one.contrast), one.parts)
    named = [*summands(one.parts, masks, pooled_role(one.contrast, masks))]
    named += through_attention(one.path) if one.path else []
    rows = [*summand_rows(named, one.contrast.units), *patch_rows(one, masks)]
    return [{"encoder": one.contrast.tower, **row} for row in rows]


def margin_metrics(one: TakenApart, rows: Iterable[dict[str, Any]]) -> dict[str, Metric]:
    """By summary key: the margin and what makes it, the largest part, and the errors."""
    pictures = one.contrast.recording.examples.at(one.contrast.pictures)
    named = [*whole_and_groups(one.parts), *(effects_of_scores(one.path) if one.path else ())]
    values = {(name["kind"], name["part"]): row for name, row in named}
    found = {
        end: over_pictures(pictures, Sample.mean(values[place][None], one.contrast.units, LINEAR))
        for place, end in KEYS.items()
        if place in values
    }
    most = largest_part(rows)
    place = f"{most['head']} {most['role']} {most['part']}"
    found["largest_contribution"] = Metric(value=place, estimator="name")
    found["largest_value"] = Metric.of(most, estimator="mean", unit=pictures.unit)
    known = {name: one.errors[name] for name in ERRORS if one.errors[name] is not None}
    found |= {name: Metric(value=error, n=one.errors["n"]) for name, error in known.items()}
    return {f"{one.contrast.tower}_{end}": metric for end, metric in found.items()}


def largest_part(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The direct contribution of largest magnitude, by head, role and part."""
    return max((r for r in rows if r["kind"] == DIRECT), key=lambda row: abs(row["value"]))


def own_roles(contrast: Contrast) -> Mapping[str, Bool[Tensor, "example key"]]:
    """The roles of the clean pictures alone: a contrast marks what plays a role in either."""
    if contrast.tower != "image":
        return contrast.roles
    own, chosen = contrast.recording.examples.roles["image"], as_index(contrast.pictures)
    return {name: own[name].cpu()[chosen] for name in contrast.roles}


def whole_and_groups(parts: MarginParts) -> list[Summand]:
    """The margin, and what each group of parts adds to it."""
    of_part = np.array([group_and_part(name, parts)[0] for name in parts.names])
    return [
        (row_place("margin", part=WHOLE), parts.margin),
        *[
            (row_place(GROUPED, part=g), parts.parts[of_part == g].sum(0))
            for g in GROUPS
            if g in of_part
        ],
    ]


def summands(parts: MarginParts, masks: Masks, pooled: str) -> Iterator[Summand]:
    """What each row of the sum is, and its value for each example."""
    yield from whole_and_groups(parts)
    beside: dict[str, Any] = {}
    for name, values in zip(parts.names, parts.parts, strict=True):
        group, part = group_and_part(name, parts)
        place = (name, NONE, part) if group == "heads" else (DIRECT_PATH, pooled, name)
        yield row_place(PART, *place), values
        if group != "heads":
            beside[part] = beside.get(part, 0) + values
    yield from by_role(parts, masks)
    for part, values in beside.items():
        yield row_place(DIRECT, DIRECT_PATH, pooled, part), values


def by_role(parts: MarginParts, masks: Masks) -> Iterator[Summand]:
    """What each head reads from each role by part of the value; of weak heads from all keys."""
    most = max(1, MOST_BY_ROLE // (len(masks) * len(VALUE_PARTS)))
    divided = strongest(parts)[:most]
    everywhere = {ALL_KEYS: np.ones_like(parts.seen)}
    for k, head in enumerate(parts.heads):
        for role, mask in (masks if head in divided else everywhere).items():
            read = einsum(parts.by_key[:, k], mask, "value n key, n key -> value n")
            for part, values in zip(VALUE_PARTS, read, strict=True):
                yield row_place(DIRECT, head, role, part), values


def effects_of_scores(path: AttentionPath) -> list[Summand]:
    """The margin without what key-position does, and what is added first, last and on average."""
    return [
        (row_place("margin", part=UNIFORM), path.uniform),
        (row_place("margin", part=FLAT), path.flat_margin),
        *(
            (row_place(way, ALL_HEADS, part=part), values)
            for part, ways in zip(SPLIT, path.added, strict=True)
            for way, values in zip(WAYS, ways, strict=True)
        ),
    ]


def through_attention(path: AttentionPath) -> Iterator[Summand]:
    """What scores make of the margin: added first, last and on average, and along the path."""
    yield from effects_of_scores(path)
    for part, terms in (SPLIT | {term: (term,) for term in TERMS}).items():
        moved = total(path.by_term, terms)
        yield row_place(THROUGH, ALL_HEADS, part=part), moved.sum(-1)
        for head, values in enumerate(moved.T):
            yield row_place(THROUGH, head_name(0, head), part=part), values


def patch_rows(one: TakenApart, masks: Masks) -> Iterator[dict[str, Any]]:
    """What all heads, and the strongest, read from each patch; `pixel` counts patches from 1.

    Over all pictures, and for an object that stands at one patch over those where it is this one.
    """
    patches, parts = prod(one.contrast.recording.examples.grid), one.parts
    if one.contrast.tower != "image" or parts.seen.shape[1] != patches + 1:
        return
    objects = {r: m for r, m in masks.items() if r not in NO_OBJECT and m.sum(1).max() == 1}
    places = {NONE: np.ones_like(parts.seen)} | objects
    most = min(BY_PATCH, max(1, MOST_BY_PATCH // (patches * len(places)) - 1))
    heads, read = strongest(parts)[:most], parts.by_key.sum(0)
    keys = {ALL_HEADS: read.sum(0)}
    keys |= {head: read[k] for k, head in enumerate(parts.heads) if head in heads}
    for role, mask in places.items():
        for pixel in np.flatnonzero(mask[:, 1:].any(0)) + 1:
            here = np.flatnonzero(mask[:, pixel])
            places_of = {head: row_place(PATCH, head, role, VALUE, int(pixel)) for head in keys}
            named = [(place, keys[head][here, pixel]) for head, place in places_of.items()]
            yield from summand_rows(named, one.contrast.units.at(here))


def summand_rows(named: Iterable[Summand], units: Units) -> Iterator[dict[str, Any]]:
    """Means of some summands over examples."""
    names, values = zip(*named, strict=True)
    intervals = ratio_intervals(np.stack(values), np.ones(len(values[0])), units)
    yield from (name | vars(interval) for name, interval in zip(names, intervals, strict=True))


def strongest(parts: MarginParts) -> list[str]:
    """The heads by the magnitude of their mean part, the largest first."""
    means = {name: abs(parts.parts[parts.names.index(name)].mean()) for name in parts.heads}
    return sorted(means, key=lambda name: -means[name])


def group_and_part(name: str, parts: MarginParts) -> tuple[str, str]:
    """The group of a part (`GROUPS`), and what it is called among the direct parts."""
    if name in parts.heads:
        return "heads", VALUE
    if name.endswith(" mlp"):
        return "MLPs", name
    if name in ("embed", "pos"):
        return "embedding", {"embed": "E", "pos": "P"}[name]
    return "biases", "b_O" if name.endswith(" b_O") else name


def role_masks(roles: Mapping[str, Bool[Tensor, "example key"]], parts: MarginParts) -> Masks:
    """Where each role stands, so that none of the attended keys is lost and none counts twice.

    Keys without a role are `elsewhere`, those with more than one (a patch that both objects
    cover) `several roles`.
    """
    masks = {name: mask.cpu().numpy() for name, mask in roles.items()}
    count = np.sum(list(masks.values()), axis=0)
    masks = {name: mask & (count == 1) for name, mask in masks.items()}
    rest = {SEVERAL: count > 1, ELSEWHERE: parts.seen & (count == 0)}
    return masks | {name: mask for name, mask in rest.items() if mask.any()}


def pooled_role(contrast: Contrast, masks: Masks) -> str:
    """The role that the embedding is read from."""
    pool = contrast.inputs[0].pool.cpu().numpy()
    rows = np.arange(len(pool))
    return next((name for name, mask in masks.items() if mask[rows, pool].all()), NONE)


def row_place(
    kind: str, head: str = NONE, role: str = NONE, part: str = NONE, pixel: int | None = None
) -> dict[str, Any]:
    """The identifying columns of a row."""
    return {"kind": kind, "head": head, "role": role, "part": part, "pixel": pixel}
