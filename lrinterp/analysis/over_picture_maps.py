"""Maps over the patches of pictures: where CLS looks, why, and what the margin rests on.

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
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from lrinterp.analysis.contrast import caption_of, clearest_template, swapped
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import typical
from lrinterp.axes import Embeddings
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, MEANS, term_scores
from lrinterp.decomposition.margin_parts import MarginParts
from lrinterp.encoders import Preprocessing
from lrinterp.result import NotApplicable
from lrinterp.run import Run, TowerRun

__all__ = [
    "as_pictures",
    "attention",
    "by_gradient",
    "key_maps",
    "maps_of",
    "mirrored",
    "over_patches",
    "read_in_last_layer",
]

ImageByKey = Float[np.ndarray, "image key"]
Both = Int[np.ndarray, "image"]
"""An index of the picture, then of its mirror image."""


def mirrored(among: Run) -> tuple[Both, Both]:
    """One picture and its mirror image, and the caption that is true of each, by index.

    The picture whose objects lie nearest to a quarter and three quarters of the width, the first
    such one, whatever the model makes of it; where boxes are unknown, the first of all. Raises
    NotApplicable where no picture and its mirror image were recorded.
    """
    examples, template = among.examples, clearest_template(among)
    photographs = np.flatnonzero(examples.image_twin > np.arange(len(examples)))
    if not len(photographs):
        raise NotApplicable("no picture was recorded together with its mirror image")
    columns = examples.grid[1]
    one = photographs[[typical(examples.image_pixels[photographs] % columns, columns)]]
    other = examples.image_twin[one]
    stated = (caption_of(examples, one, template), swapped(examples, other, template))
    return np.concatenate([one, other]), np.concatenate(stated)


def maps_of(
    run: TowerRun, place: Place, direction: Embeddings, grid: tuple[int, int]
) -> tuple[Float[np.ndarray, "map image row column"], Float[np.ndarray, "image"]]:
    """All maps over the patches, and what the last layer's heads read from CLS itself.

    Attention of a head, and the mean over the heads of the last layer; key-content and key-position
    of the head; `read_in_last_layer` and `by_gradient`.
    """
    read = read_in_last_layer(run, direction)
    by_key = [
        attention(run, place[0])[:, place[1]],
        attention(run, run.n_layers - 1).mean(1),
        *key_maps(run, place),
        read,
        by_gradient(run, direction),
    ]
    return np.stack([over_patches(values, grid) for values in by_key]), read[:, 0]


def attention(run: TowerRun, layer: int) -> Float[np.ndarray, "image head key"]:
    """CLS's row of each head of a layer, as recorded."""
    return run.cache["pattern", layer][:, :, 0].cpu().double().numpy()


def key_maps(run: TowerRun, place: Place) -> list[ImageByKey]:
    """Key-content and key-position in CLS's row of one head, in logits, centred over the patches.

    Position is the mean of the stream over the pictures of other objects that the run was taken
    from, centred over the patches; so content + position is the score but for a constant of the
    row, which the softmax does not know.
    """
    layer, head = place
    split = run.streams.split(layer, MEANS)
    scores = [
        term_scores(run.tower, layer, split, terms, run.inputs.pool)[:, head, 0].double()
        for terms in (KEY_CONTENT, KEY_POSITION)
    ]
    return [(row - row[:, 1:].mean(1, keepdim=True)).cpu().numpy() for row in scores]


def read_in_last_layer(run: TowerRun, direction: Embeddings) -> ImageByKey:
    """What all heads of the last layer together read from each key, in units of the margin.

    sum over heads of a_j (x_j W_V + b_V) W_O along the direction, the scales of the final norm and
    of the embedding's length held.
    """
    by_key = MarginParts.of(run.streams, direction).by_key
    return by_key[:, -run.tower.cfg.n_heads :].sum((0, 1))


@torch.enable_grad()
def by_gradient(run: TowerRun, direction: Embeddings) -> ImageByKey:
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


def over_patches(
    by_key: Shaped[np.ndarray, "image key"], grid: tuple[int, int]
) -> Shaped[np.ndarray, "image row column"]:
    """The keys behind CLS, where they lie in the picture."""
    return rearrange(by_key[:, 1:], "image (row column) -> image row column", column=grid[1])
