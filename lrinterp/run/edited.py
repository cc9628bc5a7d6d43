"""A tower under edits: the same interface as an intact run, other numbers.

It runs from the first layer that is edited, on the stream of the intact run.
"""

import torch
from torch import Tensor

from lrinterp.run.edit import Edit
from lrinterp.run.hooks import edit_hooks
from lrinterp.run.places import Index
from lrinterp.run.tower import Hook, TowerRun, resid_pre

__all__ = ["Edited", "under"]


class Edited(TowerRun):
    """Some inputs of an intact run, with some edits of its tower."""

    def __init__(self, base: TowerRun, edits: tuple[Edit, ...]) -> None:
        super().__init__(base.model, base.name, base.inputs, base.places)
        self.base, self.own, self.edits = base, edits, (*base.edits, *edits)
        self.first = min(layer for edit in edits for layer in edit.layers_of(base.tower))

    def run_pass(self) -> dict[str, Tensor]:
        """From the first edited layer on."""
        return self.gathered(self.first, self.base.residual(self.first))

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
    if wrong := [edit.tower for edit in edits if edit.tower != base.name]:
        raise ValueError(f"tower: expected {base.name}, got {wrong[0]}")
    if isinstance(base, Edited):
        return under(base.base, *base.edits, *edits)
    if not edits:
        return base
    run = Edited(base, edits)
    torch.no_grad()(run.hooks_at)(slice(0, 1))  # whatever is wrong with an edit is said now
    return run
