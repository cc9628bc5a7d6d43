"""The model as data: presets, and the `HookedTransformerConfig` of each tower."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from msgspec import Meta
from transformer_lens import HookedTransformerConfig

from lrinterp.store import one_of, taken, within

__all__ = [
    "PRESETS",
    "EncoderConfig",
    "essentials",
    "preset",
    "tower_config",
    "tower_from_plain",
    "tower_plain",
]

TOWERS = ("image", "text")

ESSENTIAL = (
    "n_layers d_model n_heads d_head n_ctx d_vocab d_vocab_out d_mlp attn_only act_fn "
    "normalization_type attention_dir eps"
).split()
IGNORED = (
    "device dtype init_weights seed n_devices initializer_range tokenizer_name "
    "tokenizer_prepends_bos default_prepend_bos n_params"
).split()
"""Fields about where and how weights are made or text is read, not about what they compute."""
WIDEST = 65_536
LARGEST = {"n_layers": 1_000, "n_ctx": 1_000_000, "d_vocab": 1_000_000}
LARGEST |= dict.fromkeys(("d_model", "n_heads", "d_head", "d_vocab_out"), WIDEST)
"""Sizes of a tower that is read from a file."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Both towers of a dual encoder and the scales of their initial weights."""

    preset: str = "minimal"
    """The preset these fields started from."""
    d_model: int = 128
    n_heads: int = 4
    d_head: int = 32
    d_embed: int = 128
    """Width of the common space; the unembed of each tower projects into it."""
    image_layers: int = 1
    text_layers: int = 1
    normalization: Literal["none", "LN"] = "none"
    mlp_ratio: int = 0
    """MLP width in units of d_model; 0 leaves the MLPs out."""
    std_W_E: float = 0.0707
    """Standard deviation of the initial token embeddings; 0.8 / sqrt(128)."""
    std_W_pos: float = 0.02
    """Standard deviation of the initial position embeddings."""
    std_weights: float = 0.0707
    """Standard deviation of all other initial matrices; biases start at 0."""
    temperature: float = 0.07
    """Initial temperature of the contrastive loss; learned."""

    def __post_init__(self) -> None:
        within(self, 1, WIDEST, "d_model", "n_heads", "d_head", "d_embed")
        within(self, 1, WIDEST, "image_layers", "text_layers")
        within(self, 0, math.inf, "mlp_ratio", "std_W_E", "std_W_pos", "std_weights")
        within(self, 1e-6, math.inf, "temperature")
        one_of(self, "normalization", ("none", "LN"))
        one_of(self, "preset", ("minimal", "full"))


PRESETS = {
    "minimal": EncoderConfig(),
    "full": EncoderConfig(preset="full", normalization="LN", mlp_ratio=4),
}


def preset(name: str, **changes: Any) -> EncoderConfig:
    """A preset with some fields changed; an unknown name is a ValueError."""
    if name not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {name!r}")
    return replace(PRESETS[name], **changes)


def tower_config(
    config: EncoderConfig, tower: str, d_vocab: int, n_ctx: int
) -> HookedTransformerConfig:
    """The TransformerLens configuration of one tower.

    The image tower attends in both directions, the text tower is causal; `d_vocab_out` is the
    width of the common space, so that the unembed is the projection.
    """
    return HookedTransformerConfig(
        n_layers=getattr(config, f"{tower}_layers"),
        d_model=config.d_model,
        n_heads=config.n_heads,
        d_head=config.d_head,
        n_ctx=n_ctx,
        d_vocab=d_vocab,
        d_vocab_out=config.d_embed,
        d_mlp=config.mlp_ratio * config.d_model or None,
        attn_only=config.mlp_ratio == 0,
        act_fn="gelu",
        normalization_type=None if config.normalization == "none" else config.normalization,
        attention_dir="bidirectional" if tower == "image" else "causal",
        init_weights=False,
        device="cpu",
    )


def tower_plain(config: HookedTransformerConfig) -> dict[str, Any]:
    """A TransformerLens configuration as JSON data that `tower_from_plain` reads back.

    The fields that always matter, and every other field that their defaults would not restore.
    """
    essential = essentials(config)
    restored = tower_from_plain(essential).to_dict()
    for name, value in config.to_dict().items():
        if name not in IGNORED and value != restored.get(name):
            essential[name] = value
    return essential


def essentials(config: HookedTransformerConfig) -> dict[str, Any]:
    """The fields of a TransformerLens configuration that always matter."""
    return {name: getattr(config, name) for name in ESSENTIAL}


def tower_from_plain(plain: Mapping[str, Any]) -> HookedTransformerConfig:
    """The TransformerLens configuration that `tower_plain` wrote; on the CPU, weights unset."""
    taken(plain.get("attention_dir"), Literal["causal", "bidirectional"], "attention_dir")
    for name, most in LARGEST.items():
        size = Annotated[int, Meta(ge=1, le=most, description=f"1 to {most}")]
        taken(plain.get(name), size, name)
    if ignored := sorted({"device", "init_weights", "tokenizer_name"} & set(plain)):
        raise ValueError(f"unknown field {ignored[0]!r}")
    return HookedTransformerConfig(**plain, init_weights=False, device="cpu")
