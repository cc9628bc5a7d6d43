"""A tower under edits, and margins under many: along one direction for each example.

A run under edits has the interface of an intact one and other numbers; it runs from the first
layer that is edited, on the stream of the intact run.

Edits of sites in one layer run together, as many as fit, from the stream of their layer on; one
that cannot reach the pooled position is not run at all. All others run one after the other, and
so does every edit of a run that is edited already.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import Embeddings
from lrinterp.run.edit import ALL, MAP_SITES, POOLED, SITES, Edit, check_width
from lrinterp.run.hooks import edit_hooks, on_site, role_mask, site_mask, source_of
from lrinterp.run.memory import keeping
from lrinterp.run.passes import EMBEDDING
from lrinterp.run.places import Index
from lrinterp.run.pooled_row import is_enough, row_embeddings
from lrinterp.run.tower import Hook, Narrowed, TowerRun, resid_pre
from lrinterp.store import InputError

__all__ = ["CELL_EXAMPLES", "Edited", "gradient", "margins", "reaches", "under"]

CELL_EXAMPLES = 256
"""Edits x examples of one forward pass: small enough for the cache, large enough to share cost."""


class Edited(TowerRun):
    """Some inputs of an intact run, with some edits of its tower."""

    def __init__(self, base: TowerRun, edits: tuple[Edit, ...]) -> None:
        super().__init__(base.model, base.name, base.inputs, base.places)
        self.base, self.own, self.edits = base, edits, (*base.edits, *edits)
        self.first = min(layer for edit in edits for layer in edit.layers_of(base.tower))

    def run_pass(self) -> dict[str, Tensor]:
        """From the first edited layer on."""
        return self.gathered(self.first, self.base.residual(self.first))

    @property
    def embeddings(self) -> Embeddings:
        """Unit embeddings of the pooled position; no pass where its row alone gives them."""
        if EMBEDDING not in self.kept and len(self) and is_enough(self.base, self.own):
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
    for edit in edits:
        check_width(edit, run.tower)


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
        if hook_of(run, some[0]):
            found[chunk] = together(run, some, direction)
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
    if edit.what in MAP_SITES:
        role = edit.queries
    elif edit.what in ("q", "z", "attn_out", "mlp_out"):
        role = edit.role
    else:
        return True
    if role not in (ALL, POOLED, *run.places.roles):
        role_mask(role, run)  # raises
    return role in (ALL, POOLED) or role in run.pooled_roles


def chunks(run: TowerRun, edits: Sequence[Edit], index: Sequence[int]) -> Iterator[list[int]]:
    """Runs of edits (by index) that share a hook, bounded by edits x examples."""
    size = max(1, min(CELL_EXAMPLES, run.batch_size) // max(len(run), 1))
    for key, group in groupby(index, key=lambda i: hook_of(run, edits[i])):
        same, width = list(group), size if key else 1
        yield from (same[i : i + width] for i in range(0, len(same), width))


def hook_of(run: TowerRun, edit: Edit) -> str:
    """The hook that edits which run together share; empty for those that run alone."""
    return edit.hook(edit.layers_of(run.tower)[0]) if is_cell(edit) and not run.edits else ""


def together(
    run: TowerRun, edits: Sequence[Edit], direction: Embeddings
) -> Float[Tensor, "edit example"]:
    """One forward pass for some edits of one site, each with a copy of the examples."""
    layer, fired = edits[0].layers_of(run.tower)[0], []
    made = all_of(edits, run.at(slice(None)), layer)

    def change(activation: Tensor, hook: object) -> Tensor:
        fired.append(True)
        each = activation.reshape(len(edits), len(run), *activation.shape[1:])
        return made(each, hook).reshape(activation.shape)

    start = run.residual(layer)
    start = start.expand(len(edits), *start.shape).reshape(-1, *start.shape[1:])
    hook = edits[0].hook(layer)
    with run.tower.hooks(fwd_hooks=[(hook, change)]):
        last = run.tower(start, start_at_layer=layer, stop_at_layer=run.n_layers)
    if not fired:
        raise InputError(f"hook {hook!r} of the {run.name} tower never fires in this model")
    return run.along(last, direction).reshape(len(edits), -1)


def all_of(edits: Sequence[Edit], part: Narrowed, layer: int) -> Callable[[Tensor, object], Tensor]:
    """What edits of one site make of their copies of an activation, [edit, example, ...].

    Whole patches from one run are made at once, all others one by one.
    """
    whole = all(edit.how == "patch" and edit.alpha == 1 for edit in edits)
    source = source_of(edits[0], part, layer)
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
        last = run.tower(start, start_at_layer=0, stop_at_layer=run.n_layers)
    if silent := [name for name in sites if name not in kept]:
        raise InputError(f"hook {silent[0]!r} of the {run.name} tower never fires in this model")
    embedded = run.model.project(run.name, last, run.inputs.pool)
    whole = (embedded.double() * direction.double()).sum()
    return dict(zip(kept, torch.autograd.grad(whole, list(kept.values())), strict=True))
