"""Maps over the patches of a photograph and of its mirror image.

Attention and scores are those of CLS's row; attributions are of the margin, the embedding along
one direction for each picture (true caption minus its one-word reverse).
Two attributions, which answer different questions: what the heads of the last layer read at a
patch's place, where the stream already holds what earlier layers brought there; and how the margin
would move with the patch itself, at the input, to first order.
"""

from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from lrinterp.analysis.read import Place
from lrinterp.axes import Embeddings
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, MEANS, term_scores
from lrinterp.decomposition.margin_parts import MarginParts
from lrinterp.encoders import Preprocessing
from lrinterp.run import TowerRun

__all__ = [
    "as_pictures",
    "by_gradient",
    "key_maps",
    "over_patches",
    "read_in_last_layer",
]

ByKey = Float[np.ndarray, "image key"]
SIDES = (KEY_CONTENT, KEY_POSITION)


def as_pictures(
    pixels: Float[Tensor, "image channel height width"], preprocessing: Preprocessing
) -> UInt8[np.ndarray, "image height width channel"]:
    """What the tower reads, as pictures again: scaled back, rounded, cut to 0..255."""
    scaled = pixels.double().cpu()
    if preprocessing.normalize:
        mean, std = (torch.tensor(v).double() for v in (preprocessing.mean, preprocessing.std))
        scaled = scaled * std[:, None, None] + mean[:, None, None]
    levels = (scaled / preprocessing.rescale).round().clamp(0, 255).to(torch.uint8)
    return rearrange(levels.numpy(), "image channel height width -> image height width channel")


def key_maps(run: TowerRun, place: Place) -> tuple[ByKey, ByKey]:
    """Key-content and key-position in CLS's row of one head, in logits.

    Position is the mean of the stream over the pictures of other objects that the run was taken
    from, centred over the patches; so content + position is the score but for a constant of the
    row.
    """
    layer, head = place
    split = run.streams.split(layer, MEANS)
    sides = (term_scores(run.tower, layer, split, t, run.inputs.pool) for t in SIDES)
    content, where = (side[:, head, 0].cpu().double().numpy() for side in sides)
    return content, where


def read_in_last_layer(run: TowerRun, direction: Embeddings) -> ByKey:
    """What all heads of the last layer together read from each key, in units of the margin.

    sum over heads of a_j (x_j W_V + b_V) W_O along the direction, the scales of the final norm and
    of the embedding's length held.
    """
    by_key = MarginParts.of(run.streams, direction).by_key
    return by_key[:, -run.tower.cfg.n_heads :].sum((0, 1))


@torch.enable_grad()
def by_gradient(run: TowerRun, direction: Embeddings) -> ByKey:
    """What each position's embedding adds to a picture's margin over that of the other picture.

    gradient of the margin . (own embedding - the other picture's at the same place): the
    first-order estimate of what the margin would lose were that embedding taken from the other
    picture. `run` is of two pictures. Cost: one forward and one backward pass; weights get no
    gradient.
    """
    kept: list[Tensor] = []

    def leaf(activation: Tensor, hook: Any) -> Tensor:
        kept.append(activation.detach().requires_grad_())
        return kept[0]

    with run.hooked([("hook_embed", leaf)]):
        margin = (run.model.embed(run.name, run.inputs) * direction).sum()
    [slope] = torch.autograd.grad(margin, kept)
    embed = kept[0].detach()
    return (slope * (embed - embed.flip(0))).sum(-1).cpu().double().numpy()


def over_patches(
    by_key: Shaped[np.ndarray, "image key"], grid: tuple[int, int]
) -> Shaped[np.ndarray, "image row column"]:
    """The keys behind CLS, where they lie in the picture."""
    return rearrange(by_key[:, 1:], "image (row column) -> image row column", column=grid[1])
