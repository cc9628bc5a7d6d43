"""A CLIP as data, its image tower that reads pixels, and the dual encoder of its shape.

Every published format is read into one `ClipSpec`; one builder makes the towers. The text tower is
a plain causal `HookedTransformer`, the image tower a `PatchTower`; both norm before each block, and
the projections into the common space are unembeds without bias.

CLIP's image tower cuts the picture into patches, projects each (no bias), puts a class token first,
adds positions, and norms the sum once before the first block (Dosovitskiy et al., arXiv 2010.11929;
Radford et al., arXiv 2103.00020). Only that beginning differs from a tower that reads tokens, so
hooks, caching and stopping at a layer work as on any tower.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.components.layer_norm import LayerNorm
from transformer_lens.hook_points import HookPoint

from lrinterp.encoders.dual import DualEncoder, Tower, build_tower
from lrinterp.store import InputError, one_of, within

__all__ = ["ACTIVATIONS", "ClipSpec", "PatchTower", "TowerSpec", "build_clip", "quick_gelu"]

ACTIVATIONS = (
    "quick_gelu",
    "gelu",
    "gelu_fast",
    "gelu_new",
    "gelu_pytorch_tanh",
    "relu",
    "silu",
)
"""Activations by the names of transformers; all but the first are TransformerLens's as well."""


@dataclass(frozen=True, kw_only=True)
class TowerSpec:
    """The shape of one tower and what its MLPs compute."""

    layers: int
    width: int
    heads: int
    mlp: int
    """Width of the MLPs."""
    activation: str
    eps: float
    """What every norm adds to the variance."""

    def __post_init__(self) -> None:
        within(self, 1, 1000, "layers")  # or a mistyped number makes an endless list of weights
        within(self, 1, math.inf, "width", "heads", "mlp")
        one_of(self, "activation", ACTIVATIONS)
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is no multiple of {self.heads} heads")


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The shape of a CLIP, and the rule that finds the end of a caption."""

    image: TowerSpec
    text: TowerSpec
    embed: int
    """Width of the common space."""
    picture: tuple[int, int, int]
    """Channels, height and width of a picture, in pixels."""
    patch: tuple[int, int]
    """Height and width of a patch, in pixels."""
    context: int
    vocabulary: int
    end: int | None
    """The first of these ids is pooled; None pools the first of the highest id."""

    def __post_init__(self) -> None:
        within(self, 1, math.inf, "embed", "context", "vocabulary")
        if min(self.picture) < 1 or min(self.patch) < 1:
            raise ValueError(f"picture: expected pixels, got {self.picture} and {self.patch}")
        if any(side % step for side, step in zip(self.picture[1:], self.patch, strict=True)):
            raise ValueError(f"picture: {self.picture[1:]} is no multiple of a patch {self.patch}")

    @property
    def patches(self) -> int:
        """How many patches a picture has."""
        return (self.picture[1] // self.patch[0]) * (self.picture[2] // self.patch[1])


class PatchTower(HookedTransformer):
    """A `HookedTransformer` called with pixels `[batch channel height width]`.

    Position 0 is the class token (`embed.W_E[0]`), position 1 + row * columns + column a patch.
    Hooks: `hook_embed` and `hook_pos_embed` before they are added, `hook_pre_norm` their sum
    after `ln_pre`, which the first block reads. The sides of a picture are multiples of those of a
    patch.
    """

    def __init__(
        self, cfg: HookedTransformerConfig, picture: tuple[int, int, int], patch: tuple[int, int]
    ) -> None:
        super().__init__(cfg)
        self.picture, self.patch = picture, patch
        self.grid = picture[1] // patch[0], picture[2] // patch[1]
        self.W_patch = nn.Parameter(torch.zeros(picture[0], *patch, cfg.d_model))
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
            raise InputError(
                f"pixels: expected [batch, {', '.join(map(str, self.picture))}], got "
                f"{list(pixels.shape)}"
            )


def build_clip(spec: ClipSpec) -> DualEncoder:
    """A dual encoder of a CLIP's shape; its weights are yet to be filled in."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        cfg = hooked_config(spec.image, (1, spec.patches + 1, spec.embed), "bidirectional")
        image = PatchTower(cfg, spec.picture, spec.patch)
    sizes = (spec.vocabulary, spec.context, spec.embed)
    text = build_tower(hooked_config(spec.text, sizes, "causal"))
    for tower, own in ((image, spec.image), (text, spec.text)):
        activate(tower, own.activation)
        tower.unembed.b_U.data.zero_()
        tower.unembed.b_U.requires_grad_(False)
    return DualEncoder({"image": image, "text": text}, 0.0, None)


def hooked_config(
    spec: TowerSpec, sizes: tuple[int, int, int], direction: str
) -> HookedTransformerConfig:
    """The TransformerLens configuration of one tower; sizes are vocabulary, context, output."""
    return HookedTransformerConfig(
        n_layers=spec.layers,
        d_model=spec.width,
        n_heads=spec.heads,
        d_head=spec.width // spec.heads,
        d_vocab=sizes[0],
        n_ctx=sizes[1],
        d_vocab_out=sizes[2],
        d_mlp=spec.mlp,
        act_fn="gelu" if spec.activation == "quick_gelu" else spec.activation,
        normalization_type="LN",
        eps=spec.eps,
        attention_dir=direction,
        init_weights=False,
        device="cpu",
    )


def activate(tower: Tower, activation: str) -> None:
    """Give a tower OpenAI's activation, for which TransformerLens has no name."""
    if activation == "quick_gelu":
        tower.cfg.act_fn = activation
        for block in tower.blocks:
            block.mlp.act_fn = quick_gelu


def quick_gelu(x: Float[Tensor, "*batch d_mlp"]) -> Float[Tensor, "*batch d_mlp"]:
    """OpenAI's approximation of GELU: x sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)
