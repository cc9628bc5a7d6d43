"""A tower under edits, and margins under many: along one direction for each example.

A run under edits has the interface of an intact one and other numbers; it runs from the first
layer that is edited, on the stream of the intact run.

Edits of sites in one layer run together, as many as fit, from the stream of their layer on; one
that cannot reach the pooled position is not run at all. All others run one after the other, and
so does every edit of a run that is edited already.

A minimal tower needs no pass at all: nothing but the pooled query row of its only layer reaches the
embedding, and an edit of score terms, of the position part of values or of attention leaves all
else as the intact run has it. Its scores and values are changed as the hooks change them, a softmax
and a projection follow: a tenth of a pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import Embeddings
from lrinterp.encoders import has_tables
from lrinterp.run.edit import (
    ALL,
    ATTENTION,
    HEAD_SITES,
    MAP_SITES,
    POOLED,
    RESIDUAL_SITES,
    SITES,
    Edit,
)
from lrinterp.run.hooks import (
    OnTerms,
    edit_hooks,
    edited_heads,
    moved,
    object_masks,
    on_site,
    patch_source,
    role_mask,
    site_mask,
)
from lrinterp.run.memory import EMBEDDING, keeping, never_fires
from lrinterp.run.passes import Hook, Index, resid_pre
from lrinterp.run.tower import Narrowed, TowerRun

__all__ = ["CELL_EXAMPLES", "Edited", "gradient", "margins", "reaches", "under"]

SCORES, VALUES = "blocks.0.attn.hook_attn_scores", "blocks.0.attn.hook_v"
ROWS = 4
"""Batches of a pass whose pooled rows are made at once; one query row takes less memory."""

CELL_EXAMPLES = 256
"""Edits x examples of one forward pass: small enough for the cache, large enough to share cost."""


class Edited(TowerRun):
    """Some inputs of an intact run, with some edits of its tower."""

    def __init__(self, base: TowerRun, edits: tuple[Edit, ...]) -> None:
        super().__init__(base.model, base.name, base.inputs, base.places)
        self.base, self.own, self.edits = base, edits, (*base.edits, *edits)
        self.first = min(layer for edit in edits for layer in edit.layers_of(base.tower))

    def start(self) -> tuple[int, Tensor]:
        """The first edited layer, and the stream of the intact run there."""
        return self.first, self.base.residual(self.first)

    @property
    def embeddings(self) -> Embeddings:
        """Unit embeddings of the pooled position; no pass where its row alone gives them."""
        if EMBEDDING not in self.kept and is_enough(self.base, self.own):
            self.kept[EMBEDDING] = row_embeddings(self.base, self.own)
        return super().embeddings

    def kept_site(self, name: str) -> Tensor:
        """What the pass leaves; streams below the first edited layer are those of the base."""
        below = [resid_pre(layer) for layer in range(self.first)]
        return self.base.kept_site(name) if name in below else super().kept_site(name)

    def hooks_at(self, index: Index, inside: int | None = None) -> list[Hook]:
        """The hooks of all edits, in their order; the base has made its own below the first."""
        part, done = self.base.at(index), self.first if inside is None else inside
        own = [hook for edit in self.own for hook in edit_hooks(edit, part, inside)]
        return [*self.base.hooks_at(index, done), *own]


def under(base: TowerRun, *edits: Edit) -> TowerRun:
    """A tower under some edits at once; the run itself for none.

    Raises ValueError for an edit of another tower, and what `Edit` and its hooks raise.
    """
    check_tower(base, edits)
    if isinstance(base, Edited):
        return under(base.base, *base.edits, *edits)
    if not edits:
        return base
    run = Edited(base, edits)
    torch.no_grad()(run.hooks_at)(slice(0, 1))  # whatever is wrong with an edit is said now
    return run


def check_tower(run: TowerRun, edits: Sequence[Edit]) -> None:
    """ValueError for an edit of another tower than that of a run, or of another width."""
    if wrong := [edit.tower for edit in edits if edit.tower != run.name]:
        raise ValueError(f"tower: expected {run.name}, got {wrong[0]}")
    cfg = run.tower.cfg
    widths: dict[str, int] = dict.fromkeys(RESIDUAL_SITES, cfg.d_model)
    widths |= dict.fromkeys(HEAD_SITES, cfg.d_head)
    for edit in edits:
        width = widths.get(edit.what)
        if edit.vector is not None and width not in (None, len(edit.vector)):
            raise ValueError(f"vector: expected {width} numbers, got {len(edit.vector)}")


@torch.no_grad()
def margins(
    run: TowerRun, edits: Sequence[Edit], direction: Embeddings
) -> Float[Tensor, "edit example"]:
    """The margin of every example under each edit alone: embedding . direction, in double.

    Equal to `under(run, edit)` one by one. Raises ValueError for an edit of another tower.
    """
    check_tower(run, edits)
    own = run.along(run.residual(run.n_layers), direction)
    found = own.repeat(len(edits), 1)
    alive = [i for i, edit in enumerate(edits) if reaches(run, edit)]
    for chunk in chunks(run, edits, alive):
        some = [edits[i] for i in chunk]
        if shared_hook(run, some[0]):
            found[chunk] = margins_together(run, some, direction)
        else:
            edited = under(run, some[0])
            found[chunk[0]] = edited.along(edited.residual(run.n_layers), direction)
    return found


def is_cell(edit: Edit) -> bool:
    """Is it an edit of a site in one layer, of which many run together?"""
    return edit.what in SITES and edit.layers is not None and len(edit.layers) == 1


def reaches(run: TowerRun, edit: Edit) -> bool:
    """Can an edit change the embedding? In the last layer only the pooled query row can."""
    if not is_cell(edit) or edit.layers_of(run.tower)[0] < run.n_layers - 1:
        return True
    if edit.what not in (*MAP_SITES, "q", "z", "attn_out", "mlp_out"):
        return True
    role = edit.queries if edit.what in MAP_SITES else edit.role
    return bool((role_mask(role, run) & role_mask(POOLED, run)).any())


def chunks(run: TowerRun, edits: Sequence[Edit], index: Sequence[int]) -> Iterator[list[int]]:
    """Runs of edits (by index) that share a hook, bounded by edits x examples."""
    size = max(1, min(CELL_EXAMPLES, run.batch_size) // max(len(run), 1))
    for key, group in groupby(index, key=lambda i: shared_hook(run, edits[i])):
        same, width = list(group), size if key else 1
        yield from (same[i : i + width] for i in range(0, len(same), width))


def shared_hook(run: TowerRun, edit: Edit) -> str:
    """The hook that edits which run together share; empty for those that run alone."""
    return edit.hook(edit.layers_of(run.tower)[0]) if is_cell(edit) and not run.edits else ""


def margins_together(
    run: TowerRun, edits: Sequence[Edit], direction: Embeddings
) -> Float[Tensor, "edit example"]:
    """One forward pass for some edits of one site, each with a copy of the examples."""
    layer = edits[0].layers_of(run.tower)[0]
    made = all_of(edits, run.at(slice(None)), layer)

    def change(activation: Tensor, hook: object) -> Tensor:
        each = activation.reshape(len(edits), len(run), *activation.shape[1:])
        return made(each, hook).reshape(activation.shape)

    start = run.residual(layer)
    start = start.expand(len(edits), *start.shape).reshape(-1, *start.shape[1:])
    with run.tower.hooks(fwd_hooks=[(edits[0].hook(layer), change)]):
        last = run.forward(layer, start)
    return run.along(last, direction).reshape(len(edits), -1)


def all_of(edits: Sequence[Edit], part: Narrowed, layer: int) -> Callable[[Tensor, object], Tensor]:
    """What edits of one site make of their copies of an activation, [edit, example, ...].

    Whole patches from one run are made at once, all others one by one.
    """
    whole = all(edit.how == "patch" and edit.alpha == 1 for edit in edits)
    source = patch_source(edits[0], part, layer)
    if whole and source is not None and len({id(edit.source) for edit in edits}) == 1:
        masks, taken = torch.stack([site_mask(edit, part) for edit in edits]), source
        return lambda each, _: torch.where(masks, taken, each)
    changes = [on_site(edit, part, layer) for edit in edits]
    return lambda each, hook: torch.stack(
        [change(rows, hook) for change, rows in zip(changes, each, strict=True)]
    )


@torch.enable_grad()
def gradient(
    run: TowerRun, direction: Embeddings, sites: Sequence[str]
) -> dict[str, Float[Tensor, "example ..."]]:
    """Slopes d margin / d activation of some hooks, at what the run is; weights get no gradient.

    Cost: one forward and one backward pass, of all examples at once: ask in `parts`.
    """
    kept: dict[str, Tensor] = {}
    start = run.at(slice(None)).residual(0).detach().clone().requires_grad_()
    with run.hooked([(name, keeping(kept)) for name in sites], inside=0):
        last = run.forward(0, start)
    if silent := [name for name in sites if name not in kept]:
        raise never_fires(run, silent[0])
    embedded = run.model.project(run.name, last, run.inputs.pool)
    whole = (embedded.double() * direction.double()).sum()
    return dict(zip(kept, torch.autograd.grad(whole, list(kept.values())), strict=True))


# The pooled row of a minimal tower


def is_enough(base: TowerRun, edits: Sequence[Edit]) -> bool:
    """Does the pooled row give what an intact run embeds under some edits?"""
    return has_tables(base.tower) and not any(edit.what in SITES for edit in edits)


@torch.no_grad()
def row_embeddings(base: TowerRun, edits: Sequence[Edit]) -> Embeddings:
    """Unit embeddings under all edits at once; equal to those of the hooked pass."""
    base.values((SCORES, VALUES))  # made once, for all parts
    parts = base.parts(ROWS * base.batch_size)
    return torch.cat([embeddings_of_rows(base.at(some), edits) for some, _ in parts])


def embeddings_of_rows(part: Narrowed, edits: Sequence[Edit]) -> Embeddings:
    """The same of some inputs; edits of all rows are made in the pooled row."""
    attn, pool = part.tower.blocks[0].attn, part.inputs.pool
    here, stream = torch.arange(len(pool), device=pool.device), part.residual(0)
    scores, values = part.sites[SCORES][here, :, pool][:, :, None], part.sites[VALUES]
    for edit in (edit for edit in edits if edit.what != ATTENTION):
        everywhere = edit.queries == ALL and edit.how != "resample"  # which refuses all rows itself
        change = OnTerms(replace(edit, queries=POOLED) if everywhere else edit, part, 0)
        scores = scores + change.scores(stream) if edit.terms else scores
        values = values + change.values(stream) if edit.values else values
    pattern = scores.softmax(-1)
    for edit in (edit for edit in edits if edit.what == ATTENTION):
        asked = role_mask(edit.queries, part)[here, pool][:, None, None]
        pattern = moved(
            pattern, object_masks(part), edit, edited_heads(edit, part)[:, None] & asked
        )
    z = einsum(pattern[:, :, 0], values, "n head key, n key head d -> n head d")
    last = stream[here, pool] + einsum(z, attn.W_O, "n head d, head d m -> n m") + attn.b_O
    return part.model.project(part.name, last[:, None], torch.zeros_like(pool))
