"""A tower under edits: the same interface as an intact run, other numbers.

It runs from the first layer that is edited, on the stream of the intact run.
"""

import torch
from torch import Tensor

from lrinterp.run.edit import Edit
from lrinterp.run.hooks import edit_hooks
from lrinterp.run.places import Index
from lrinterp.run.tower import Hook, TowerRun

__all__ = ["Edited", "under"]


class Edited(TowerRun):
    """Some inputs of an intact run, with some edits of its tower."""

    def __init__(self, base: TowerRun, edits: tuple[Edit, ...]) -> None:
        super().__init__(base.model, base.name, base.inputs, base.places)
        self.base, self.edits = base, edits
        self.first = min(layer for edit in edits for layer in edit.layers_of(base.tower))

    def run_pass(self) -> dict[str, Tensor]:
        """From the first edited layer on."""
        return self.gathered(self.first, self.base.residual(self.first))

    def residual(self, layer: int) -> Tensor:
        """The stream before a layer: the intact one up to the first that is edited."""
        return self.base.residual(layer) if layer < self.first else super().residual(layer)

    def hooks_at(self, index: Index, inside: int | None = None) -> list[Hook]:
        """The hooks of all edits, in their order."""
        part = self.base.at(index)
        return [hook for edit in self.edits for hook in edit_hooks(edit, part, inside)]


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
