"""The configuration of an open_clip model (`open_clip_config.json`) as a `ClipSpec`.

Of the many towers that open_clip can build, those of the original CLIP are read: a vision
transformer that pools its class token, and a causal text transformer.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from lrinterp.checkpoint.settings import Rules, read_as
from lrinterp.encoders import ClipSpec, TowerSpec
from lrinterp.store import InputError, read_json

__all__ = ["CONFIG", "Config", "read_config", "read_spec"]

CONFIG = "open_clip_config.json"

NOTHING = (None, False)
BLOCKS: dict[str, tuple[Any, ...]] = {
    "act_kwargs": (None, {}),
    "block_type": (None, "default"),
    "ls_init_value": (None,),
    "qk_norm": NOTHING,
    "scale_attn": NOTHING,
    "scale_attn_inner": NOTHING,
    "scale_fc": NOTHING,
    "scale_heads": NOTHING,
    "scaled_cosine_attn": NOTHING,
}
VISION = Rules(
    ignored=frozenset(
        "attn_pooler_heads attn_pooler_queries final_ln_after_pool output_tokens patch_dropout "
        "timm_drop timm_drop_path timm_dynamic_img_size timm_model_pretrained timm_norm_pre "
        "timm_pool timm_proj timm_proj_bias timm_rope_keep_ape timm_use_rope".split()
    ),
    only={
        **BLOCKS,
        "attentional_pool": NOTHING,
        "global_average_pool": NOTHING,
        "input_patchnorm": NOTHING,
        "no_ln_pre": NOTHING,
        "pool_type": ("tok",),
        "pos_embed_type": ("learnable",),
        "timm_model_name": (None, ""),
    },
)
"""`final_ln_after_pool` changes nothing where one token is pooled; dropout is for training."""
TEXT = Rules(
    ignored=frozenset(
        "correct_cls_mask final_ln_after_pool hf_model_pretrained hf_pooler_type hf_proj_type "
        "output_tokens pad_id text_mask".split()
    ),
    only={
        **BLOCKS,
        "bert_tokenizer": NOTHING,
        "embed_cls": NOTHING,
        "hf_model_name": (None, ""),
        "hf_tokenizer_name": (None, ""),
        "no_causal_mask": NOTHING,
        "pool_type": ("argmax", "eos"),
        "proj": (None, "linear"),
        "proj_bias": NOTHING,
        "proj_type": ("linear",),
        "tokenizer_kwargs": (None, {}),
        "tokenizer_mode": (None,),
        "use_pad_mask": NOTHING,
    },
)
"""Padding stands behind the end of a caption, which no earlier token can see."""
MODEL = Rules(
    ignored=frozenset("cast_dtype custom_text init_logit_scale output_dict".split()),
    only={"init_logit_bias": (None,), "multimodal_cfg": (None,), "nonscalar_logit_scale": NOTHING},
)
"""`custom_text` puts `text.` before the keys of the text tower; that is seen in the weights."""
Size = int | tuple[int, int]
WIDEST = 2**20
"""Bound of widths, and of how many times wider the MLPs are: their product must stay a number."""
Width = Annotated[int, Meta(ge=1, le=WIDEST, description=f"1 to {WIDEST}")]
Ratio = Annotated[float, Meta(gt=0, le=WIDEST, description=f"above 0 and at most {WIDEST}")]
Norms = dict[Literal["eps"], float] | None


@dataclass(frozen=True, kw_only=True)
class Vision:
    """`vision_cfg`; the defaults of open_clip."""

    layers: int = 12
    width: Width = 768
    head_width: Width = 64
    mlp_ratio: Ratio = 4.0
    patch_size: Size = 16
    image_size: Size = 224
    norm_kwargs: Norms = None

    @property
    def heads(self) -> int:
        """Heads of a layer."""
        return self.width // self.head_width


@dataclass(frozen=True, kw_only=True)
class Text:
    """`text_cfg`; the defaults of open_clip."""

    context_length: int = 77
    vocab_size: int = 49408
    width: Width = 512
    heads: Width = 8
    layers: int = 12
    mlp_ratio: Ratio = 4.0
    pool_type: str = "argmax"
    eos_id: int = 2
    norm_kwargs: Norms = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """`model_cfg`; the towers' settings still as they lie in the file."""

    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    quick_gelu: bool = False


@dataclass(frozen=True, kw_only=True)
class Config:
    """`open_clip_config.json`."""

    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any] = field(default_factory=dict)


def read_config(folder: Path) -> Config:
    """The two halves of the file."""
    path = folder / CONFIG
    return read_as(Config, read_json(path), Rules(only={}), str(path))


def read_spec(folder: Path) -> ClipSpec:
    """The shape of the model; InputError for settings that are unknown or not built."""
    where = f"{folder / CONFIG}: model_cfg"
    model = read_as(Model, read_config(folder).model_cfg, MODEL, where)
    vision = read_as(Vision, model.vision_cfg, VISION, f"{where}.vision_cfg")
    text = read_as(Text, model.text_cfg, TEXT, f"{where}.text_cfg")
    try:
        return ClipSpec(
            image=tower(vision, quick=model.quick_gelu),
            text=tower(text, quick=model.quick_gelu),
            embed=model.embed_dim,
            picture=(3, *sides(vision.image_size)),
            patch=sides(vision.patch_size),
            context=text.context_length,
            vocabulary=text.vocab_size,
            end=text.eos_id if text.pool_type == "eos" else None,
        )
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def tower(own: Vision | Text, *, quick: bool) -> TowerSpec:
    """One tower in our terms."""
    return TowerSpec(
        layers=own.layers,
        width=own.width,
        heads=own.heads,
        mlp=int(own.width * own.mlp_ratio),
        activation="quick_gelu" if quick else "gelu",
        eps=(own.norm_kwargs or {}).get("eps", 1e-5),
    )


def sides(size: Size) -> tuple[int, int]:
    """Height and width of a size."""
    return (size, size) if isinstance(size, int) else size
