"""An image tower that reads pictures: patches and a class token in front of the same blocks.

A hooked transformer reads token ids. CLIP's image tower reads pixels: it cuts the picture into
patches, projects each (no bias), puts a class token first, adds positions, and norms the sum once
before the first block (Dosovitskiy et al., arXiv 2010.11929; Radford et al., arXiv 2103.00020).
Only that beginning differs, so hooks, caching and stopping at a layer work as on any tower.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.components.layer_norm import LayerNorm
from transformer_lens.hook_points import HookPoint

from lrinterp.axes import Inputs, Tokens
from lrinterp.store import InputError

__all__ = ["PatchTower", "batch_that_fits", "positions", "without_notice"]

LARGEST_BATCH = 1024
WIDEST_ACTIVATION = 2**23
"""Numbers in the widest activation of a batch: 32 MB in float32."""


class PatchTower(HookedTransformer):
    """A `HookedTransformer` called with pixels `[batch channel height width]`.

    Position 0 is the class token (`embed.W_E[0]`), position 1 + row * columns + column a patch.
    Hooks: `hook_embed` and `hook_pos_embed` before they are added, `hook_pre_norm` their sum
    after `ln_pre`, which the first block reads. A picture whose sides are no multiples of the
    patch is a ValueError.
    """

    def __init__(
        self, cfg: HookedTransformerConfig, picture: tuple[int, int, int], patch: tuple[int, int]
    ) -> None:
        channels, height, width = picture
        if height % patch[0] or width % patch[1]:
            raise ValueError(f"picture: {height} x {width} is no multiple of {patch} pixels")
        super().__init__(cfg)
        self.picture, self.patch = picture, patch
        self.grid = height // patch[0], width // patch[1]
        self.W_patch = nn.Parameter(torch.zeros(channels, *patch, cfg.d_model))
        self.ln_pre = LayerNorm(cfg)
        self.hook_pre_norm = HookPoint()
        self.setup()  # once more, for the hook points that have come since

    def input_to_embed(
        self, input: Float[Tensor, "batch channel height width"], *_: Any, **__: Any
    ) -> tuple[Float[Tensor, "batch pos d_model"], None, None, None]:
        """The stream that the first block reads; without tokens and attention mask."""
        self.check(input)
        patches = self.patches(input.to(self.W_patch.device))
        first = repeat(self.embed.W_E[0], "d -> batch 1 d", batch=len(input))
        embed = self.hook_embed(torch.cat([first, patches], dim=1))
        place = self.hook_pos_embed(self.pos_embed.W_pos.repeat(len(input), 1, 1))
        return self.hook_pre_norm(self.ln_pre(embed + place)), None, None, None

    def patches(
        self, pixels: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch patch d_model"]:
        """Each patch of a picture, projected; row by row from the top left."""
        h, w = self.patch
        cut = rearrange(pixels, "b c (row h) (column w) -> b (row column) c h w", h=h, w=w)
        return einsum(cut, self.W_patch, "b patch c h w, c h w d -> b patch d")

    def check(self, pixels: Tensor) -> None:
        """Refuse pixels of another shape than the tower reads."""
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != self.picture:
            expected = ", ".join(map(str, self.picture))
            raise InputError(f"pixels: expected [batch, {expected}], got {list(pixels.shape)}")


def positions(tower: HookedTransformer, inputs: Inputs) -> int:
    """How many positions a tower has on some inputs: tokens, or patches and the class token."""
    return inputs.ids.shape[1] if isinstance(inputs, Tokens) else tower.cfg.n_ctx


def batch_that_fits(tower: HookedTransformer, inputs: Inputs) -> int:
    """How many examples a batch may have: 1,024, or as many as keep an activation at 32 MB.

    The widest activation of an example is the MLP's or all heads' attention maps. ViT-B/32 reads
    54 pictures at once, ViT-L/14 7.
    """
    cfg, n = tower.cfg, positions(tower, inputs)
    widest = max(cfg.d_mlp or 0, cfg.d_model, cfg.n_heads * n) * n
    return max(1, min(LARGEST_BATCH, WIDEST_ACTIVATION // max(widest, 1)))


@contextmanager
def without_notice() -> Iterator[None]:
    """Build hooked transformers without the notice that their class is going away."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="transformer_lens")
        warnings.filterwarnings("ignore", ".*HookedTransformer.*", DeprecationWarning)
        yield
