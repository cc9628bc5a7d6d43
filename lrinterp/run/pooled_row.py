"""Embeddings of a minimal tower under edits of its attention, from the pooled query row alone.

Nothing but that row of its only layer reaches the embedding, and an edit of score terms, of the
position part of values or of attention leaves all else as the intact run has it: its scores and
values are changed as the hooks of `lrinterp.run.hooks` change them, a softmax and a projection
follow. A tenth of a pass. Towers of several layers, with norms or MLPs, and edits of sites run.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from einops import einsum

from lrinterp.axes import Embeddings
from lrinterp.encoders import has_tables
from lrinterp.run.edit import ALL, ATTENTION, POOLED, SITES, Edit
from lrinterp.run.hooks import OnTerms, heads_of, moved, object_masks, role_mask
from lrinterp.run.tower import Narrowed, TowerRun

__all__ = ["is_enough", "row_embeddings"]

SCORES, VALUES = "blocks.0.attn.hook_attn_scores", "blocks.0.attn.hook_v"
ROWS = 4
"""Batches of a pass whose pooled rows are made at once; one query row takes less memory."""


def is_enough(base: TowerRun, edits: Sequence[Edit]) -> bool:
    """Does the pooled row give what an intact run embeds under some edits?"""
    return has_tables(base.tower) and not any(edit.what in SITES for edit in edits)


@torch.no_grad()
def row_embeddings(base: TowerRun, edits: Sequence[Edit]) -> Embeddings:
    """Unit embeddings under all edits at once; equal to those of the hooked pass."""
    assert base.sites[SCORES].shape[0] == base.sites[VALUES].shape[0]  # made once, for all parts
    parts = base.parts(ROWS * base.batch_size)
    return torch.cat([of_part(base.at(some), edits) for some, _ in parts])


def in_the_row(edit: Edit) -> Edit:
    """An edit of all query rows as one of the pooled row; resampling refuses all rows itself."""
    everywhere = edit.queries == ALL and edit.how != "resample"
    return replace(edit, queries=POOLED) if everywhere else edit


def of_part(part: Narrowed, edits: Sequence[Edit]) -> Embeddings:
    """The same of some inputs."""
    attn, pool = part.tower.blocks[0].attn, part.inputs.pool
    here, stream = torch.arange(len(pool), device=pool.device), part.residual(0)
    scores, values = part.sites[SCORES][here, :, pool][:, :, None], part.sites[VALUES]
    for edit in (edit for edit in edits if edit.what != ATTENTION):
        change = OnTerms(in_the_row(edit), part, 0)
        scores = scores + change.scores(stream) if edit.terms else scores
        values = values + change.values(stream) if edit.values else values
    pattern = scores.softmax(-1)
    for edit in (edit for edit in edits if edit.what == ATTENTION):
        asked = role_mask(edit.queries, part)[here, pool][:, None, None]
        pattern = moved(pattern, object_masks(part), edit, heads_of(edit, part)[:, None] & asked)
    z = einsum(pattern[:, :, 0], values, "n head key, n key head d -> n head d")
    last = stream[here, pool] + einsum(z, attn.W_O, "n head d, head d m -> n m") + attn.b_O
    return part.model.project(part.name, last[:, None], torch.zeros_like(pool))
