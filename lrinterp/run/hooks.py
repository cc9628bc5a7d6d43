"""The hooks that make an Edit in a running tower, for some of its inputs."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.decomposition import (
    GAUGES,
    TERMS,
    ResidualSplit,
    groups_of,
    row_change,
    term_scores,
    through_ln1,
)
from lrinterp.decomposition.changes import Rows
from lrinterp.run.edit import ALL, ATTENTION, HEAD_SITES, POOLED, RESIDUAL_SITES, SITES, Edit
from lrinterp.run.memory import keeping, never_fires
from lrinterp.run.passes import Hook, resid_pre
from lrinterp.run.tower import Narrowed, TowerRun
from lrinterp.store import InputError

__all__ = [
    "InputIndependent",
    "edit_hooks",
    "knows_objects",
    "objects",
    "patch_source",
    "site_mask",
]

SEEDS_APART = 1000
"""Between the seeds of two layers: a random control of all layers draws another row in each."""
DONOR_SEED = 7
ELSEWHERE = ("CLS", "SOT", "EOT", "background", "words", "relation")
"""Roles of positions that hold no object."""
SIDES, HALVES = ("left", "right"), ("left half", "middle", "right half")


class InputIndependent(ValueError):
    """Resampling was asked of terms that are the same for every input."""


def edit_hooks(edit: Edit, part: Narrowed, inside: int | None = None) -> Iterator[Hook]:
    """The hooks of an edit in all its layers, for some inputs `part` of an intact run.

    `inside` is a layer whose stream has been changed already.
    """
    for layer in edit.layers_of(part.tower):
        if edit.what in SITES:
            if edit.what != "resid_pre" or layer != inside:
                yield edit.hook(layer), on_site(edit, part, layer)
        elif edit.what == ATTENTION:
            yield f"blocks.{layer}.attn.hook_pattern", on_attention(edit, part)
        else:
            yield from on_terms(edit, part, layer)


def edited_heads(edit: Edit, part: TowerRun) -> Bool[Tensor, "head"]:
    """The heads that an edit changes; ValueError for one that is not there."""
    n = part.tower.cfg.n_heads
    if bad := [head for head in edit.heads or () if not 0 <= head < n]:
        raise ValueError(f"head: expected 0 to {n - 1}, got {bad[0]}")
    chosen = torch.full((n,), edit.heads is None, device=part.model.device)
    chosen[list(edit.heads or ())] = True
    return chosen


# Terms of the scores, and the position part of the values


class OnTerms:
    """An edit of terms or of the position part of values in one layer, of the stream it reads.

    The values lose position centred over keys, also in the raw gauge: only what differs between
    keys is told from content.
    """

    def __init__(self, edit: Edit, part: Narrowed, layer: int) -> None:
        self.edit, self.part, self.layer = edit, part, layer
        self.intact = part.streams.apart(layer, edit.gauge_at(part.tower, layer))
        in_weights = edit.gauge in GAUGES
        self.centred = part.streams.apart(layer, "canonical") if in_weights else self.intact
        self.strength = edit.alpha * edited_heads(edit, part)[:, None, None]

    def scores(self, stream: Tensor) -> Rows:
        """What it adds to the scores of its query rows."""
        split = with_content(self.intact, stream)
        return self.strength * term_change(self.edit, self.part, self.layer, split)

    def values(self, stream: Tensor) -> Float[Tensor, "batch pos head d_head"]:
        """What it adds to the values."""
        split = with_content(self.centred, stream)
        position = through_ln1(self.part.tower, self.layer, split).position
        W_V = self.part.tower.blocks[self.layer].attn.W_V
        made = einsum(position, W_V, "batch pos m, head m d -> batch pos head d")
        return -self.strength[:, :, 0] * made


def on_terms(edit: Edit, part: Narrowed, layer: int) -> Iterator[Hook]:
    """Reads the stream of a layer, then changes its scores, its values or both."""
    own, rows = OnTerms(edit, part, layer), role_mask(edit.queries, part)[:, None, :, None]
    read: dict[str, Tensor] = {}
    stream = resid_pre(layer)

    def scores(activation: Tensor, hook: object) -> Tensor:
        return activation + own.scores(read[stream]) * rows

    def values(activation: Tensor, hook: object) -> Tensor:
        return activation + own.values(read[stream])

    yield stream, keeping(read)
    if edit.values:
        yield f"blocks.{layer}.attn.hook_v", values
    if edit.terms:
        yield f"blocks.{layer}.attn.hook_attn_scores", scores


def with_content(apart: tuple[Tensor, Tensor], stream: Tensor) -> ResidualSplit:
    """A stream as the position and the constant of the intact run, and the rest."""
    position, constant = apart
    return ResidualSplit(stream - position - constant, position, constant)


def term_change(edit: Edit, part: Narrowed, layer: int, split: ResidualSplit) -> Rows:
    """What an edit of terms adds to the scores, in all heads."""
    pool, kind = (part.inputs.pool if edit.queries == POOLED else None), edit.how
    groups = groups_of(part.streams, pooled=pool is not None, grid=part.places.grid)
    if kind == "keep_objects":
        groups = groups.apart(objects(part).to(groups.seen.device))
    if kind in ("keep", "keep_objects"):
        others = [term for term in TERMS if term not in edit.terms]
        return row_change("flatten", term_scores(part.tower, layer, split, others, pool), groups)
    rows = term_scores(part.tower, layer, split, edit.terms, pool)
    if kind == "resample":
        return resampled(edit, part, layer, rows)
    return row_change(kind, rows, groups, edit.seed + SEEDS_APART * layer)


def resampled(edit: Edit, part: Narrowed, layer: int, rows: Rows) -> Rows:
    """The terms of other inputs of the intact run minus those of this input.

    Raises InputIndependent where they do not differ, ValueError for other rows than the pooled.
    """
    if edit.queries != POOLED:
        raise ValueError("queries: resample knows the pooled row alone")
    whole, index = part.whole, part.index
    split = whole.streams.split(layer, edit.gauge_at(part.tower, layer))
    own = term_scores(part.tower, layer, split, edit.terms, whole.inputs.pool)
    generator = torch.Generator().manual_seed(DONOR_SEED + edit.seed)
    donors = own[torch.randperm(len(own), generator=generator).to(own.device)]
    if (donors - own).abs().max() <= 1e-6 * own.abs().max():
        raise InputIndependent(
            f"resample: {edit.what} does not depend on the input, nothing to resample"
        )
    return donors[index] - rows


# Attention after the softmax


def on_attention(edit: Edit, part: TowerRun) -> Callable[[Tensor, object], Tensor]:
    """Moves weight between the objects; the masses of overlapping positions stay."""
    masks, heads = object_masks(part), edited_heads(edit, part)
    rows = role_mask(edit.queries, part)
    return lambda pattern, hook: moved(pattern, masks, edit, heads[:, None] & rows[:, None])


def moved(
    pattern: Rows,
    masks: Float[Tensor, "object batch key"],
    edit: Edit,
    where: Bool[Tensor, "batch head query"],
) -> Rows:
    """Attention with the weights of the objects exchanged or equalised in some heads and rows."""
    mass = einsum(pattern, masks, "n head q key, object n key -> object n head q")
    wanted = mass.flip(0) if edit.how == "exchange" else mass.mean(0).expand_as(mass)
    factor = torch.where(mass > 0, wanted / mass.clamp(min=1e-30), 0.0) - 1
    change = einsum(factor, masks, "object n head q, object n key -> n head q key") * pattern
    return pattern + edit.alpha * change * where[..., None]


def object_masks(part: TowerRun) -> Float[Tensor, "object batch key"]:
    """Where each object is, in the order of roles; positions of several objects left out.

    Raises ValueError where nothing says where objects are.
    """
    names = [name for name in part.places.roles if name not in (*ELSEWHERE, *HALVES)]
    if len(names) < 2:
        raise ValueError("attention: nothing says where the objects of these inputs are")
    masks = torch.stack([part.places.roles[name] for name in names]).to(part.model.device)
    return (masks & (masks.sum(0) == 1)).to(part.tower.W_U.dtype)


# Sites


def on_site(edit: Edit, part: Narrowed, layer: int) -> Callable[[Tensor, Any], Tensor]:
    """Zero, patch or add at the positions of a role; InputError for a tower without the site."""
    if edit.what == "mlp_out" and part.tower.cfg.attn_only:
        raise never_fires(part, edit.hook(layer))
    mask, source = site_mask(edit, part), patch_source(edit, part, layer)

    def change(activation: Tensor, hook: object) -> Tensor:
        wanted = torch.zeros_like(activation) if source is None else source
        if edit.vector is not None:
            wanted = activation + torch.as_tensor(edit.vector).to(activation)
        if edit.alpha != 1:
            wanted = activation + edit.alpha * (wanted - activation)
        return torch.where(mask, wanted, activation)

    return change


def patch_source(edit: Edit, part: Narrowed, layer: int) -> Tensor | None:
    """What a patch takes; InputError where its run is not one of this tower on as many inputs."""
    if (source := edit.source) is None:
        return None
    if source.name != part.name:
        raise InputError(f"source: expected a run of the {part.name} tower, got {source.name}")
    if len(source) != (n := len(part.whole)):
        raise InputError(f"source: expected a run of {n} inputs, got {len(source)}")
    return source.sites[edit.hook(layer)][part.index]


def site_mask(edit: Edit, part: TowerRun) -> Bool[Tensor, "batch ..."]:
    """Where an edit of a site applies: shaped to broadcast over the activation."""
    key = role_mask(edit.role, part)
    if edit.what in RESIDUAL_SITES:
        return key[:, :, None]
    heads = edited_heads(edit, part)
    if edit.what in HEAD_SITES:
        return (key[:, :, None] & heads)[..., None]
    query = role_mask(edit.queries, part)
    return heads[:, None, None] & (query[:, :, None] & key[:, None])[:, None]


def role_mask(role: str, part: TowerRun) -> Bool[Tensor, "batch pos"]:
    """The positions of a role, all of them, or the pooled one; ValueError for an unknown role."""
    place = torch.arange(part.n_positions, device=part.inputs.pool.device)
    if role == ALL:
        return torch.ones(len(part), len(place), dtype=torch.bool, device=place.device)
    if role == POOLED:
        return place == part.inputs.pool[:, None]
    if role not in part.places.roles:
        known = ", ".join((ALL, POOLED, *part.places.roles))
        raise ValueError(f"role: expected one of {known}, got {role!r}")
    return part.places.roles[role].to(place.device)


def objects(part: TowerRun) -> Bool[Tensor, "batch pos"]:
    """Where a tower reads an object: neither at its ends nor on empty pixels or other words."""
    masks = [mask for name, mask in part.places.roles.items() if name in ELSEWHERE]
    return ~torch.stack(masks).any(0)


def knows_objects(part: TowerRun) -> bool:
    """Do the roles of pictures say where the objects are, and what is empty?"""
    return {*SIDES, "background"} <= set(part.places.roles)
