"""A CLIP as data, and the dual encoder of its shape.

Every published format is read into one `ClipSpec`; one builder makes the towers. The text tower is
a plain causal `HookedTransformer`, the image tower a `PatchTower`; both norm before each block, and
the projections into the common space are unembeds without bias.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformerConfig

from lrinterp.encoders.dual import DualEncoder, Tower, build_tower
from lrinterp.encoders.patches import PatchTower, without_notice
from lrinterp.store import one_of, within

__all__ = ["ACTIVATIONS", "ClipSpec", "TowerSpec", "build_clip", "quick_gelu"]

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


DEEPEST = 1000
"""Most layers of a tower; a mistyped number is refused before a list of its weights is made."""


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
        within(self, 1, DEEPEST, "layers")
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


def build_clip(spec: ClipSpec) -> DualEncoder:
    """A dual encoder of a CLIP's shape; its weights are yet to be filled in."""
    with without_notice():
        image = PatchTower(
            tower_config(spec.image, (1, spec.patches + 1, spec.embed), "bidirectional"),
            spec.picture,
            spec.patch,
        )
    sizes = (spec.vocabulary, spec.context, spec.embed)
    text = build_tower(tower_config(spec.text, sizes, "causal"))
    for tower, own in ((image, spec.image), (text, spec.text)):
        activate(tower, own.activation)
        tower.unembed.b_U.data.zero_()
        tower.unembed.b_U.requires_grad_(False)
    return DualEncoder({"image": image, "text": text}, 0.0, None)


def tower_config(
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
