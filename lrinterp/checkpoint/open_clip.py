"""An open_clip model: `open_clip_config.json` as a `ClipSpec`, and how it wants pictures.

Of the many towers that open_clip can build, those of the original CLIP are read: a vision
transformer that pools its class token, and a causal text transformer. The crop of pictures is
those of open_clip but for a pixel: where an odd margin is shared out, open_clip rounds to the even
side.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from lrinterp.checkpoint.hugging_face import preprocessing_of
from lrinterp.checkpoint.published import Rules, allowed, read_as
from lrinterp.encoders import ClipSpec, Preprocessing, TowerSpec
from lrinterp.store import InputError, read_json, taken

__all__ = ["CONFIG", "read_preprocessing", "read_spec"]

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
PICTURES = Rules(
    ignored=frozenset(["fill_color"]), only={"mode": ("RGB",), "resize_mode": ("shortest",)}
)
"""`fill_color` fills what `resize_mode` "longest" leaves empty, which is not read."""
Interpolation = Literal["bicubic", "random", "bilinear"]
FILTERS: dict[Interpolation, int] = {"bicubic": 3, "random": 3, "bilinear": 2}
"""Pillow's numbers of the filters; `random` is for training, and bicubic at inference."""
Size = int | tuple[int, int]
WIDEST = 2**20
"""Bound of widths, and of how many times wider the MLPs are: their product must stay a number."""
Width = Annotated[int, Meta(ge=1, le=WIDEST, description=f"1 to {WIDEST}")]
Ratio = Annotated[float, Meta(gt=0, le=WIDEST, description=f"above 0 and at most {WIDEST}")]
Norms = dict[Literal["eps"], float] | None


@dataclass(frozen=True, kw_only=True)
class TowerSettings:
    """What either tower may set; the defaults of open_clip."""

    layers: int = 12
    width: Width
    mlp_ratio: Ratio = 4.0
    norm_kwargs: Norms = None

    def spec(self, heads: int, *, quick: bool) -> TowerSpec:
        """The tower in our terms; `quick` says that its activation is OpenAI's."""
        return TowerSpec(
            layers=self.layers,
            width=self.width,
            heads=heads,
            mlp=int(self.width * self.mlp_ratio),
            activation="quick_gelu" if quick else "gelu",
            eps=(self.norm_kwargs or {}).get("eps", 1e-5),
        )


@dataclass(frozen=True, kw_only=True)
class VisionSettings(TowerSettings):
    """`vision_cfg`."""

    width: Width = 768
    head_width: Width = 64
    patch_size: Size = 16
    image_size: Size = 224


@dataclass(frozen=True, kw_only=True)
class TextSettings(TowerSettings):
    """`text_cfg`."""

    width: Width = 512
    heads: Width = 8
    context_length: int = 77
    vocab_size: int = 49408
    pool_type: str = "argmax"
    eos_id: int = 2


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """`model_cfg`; the towers' settings still as they lie in the file."""

    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    quick_gelu: bool = False


def read_half(folder: Path, name: str) -> tuple[dict[str, Any], str]:
    """One half of the file, `model_cfg` or `preprocess_cfg`, and where it lies."""
    path = folder / CONFIG
    halves = allowed(read_json(path), ["model_cfg", "preprocess_cfg"], Rules(only={}), str(path))
    where = f"{path}: {name}"
    return taken(halves.get(name, {}), dict[str, Any], where), where


def read_spec(folder: Path) -> ClipSpec:
    """The shape of the model; InputError for settings that are unknown or not built."""
    plain, where = read_half(folder, "model_cfg")
    model = read_as(ModelSettings, plain, MODEL, where)
    vision = read_as(VisionSettings, model.vision_cfg, VISION, f"{where}.vision_cfg")
    text = read_as(TextSettings, model.text_cfg, TEXT, f"{where}.text_cfg")
    try:
        return ClipSpec(
            image=vision.spec(vision.width // vision.head_width, quick=model.quick_gelu),
            text=text.spec(text.heads, quick=model.quick_gelu),
            embed=model.embed_dim,
            picture=(3, *sides(vision.image_size)),
            patch=sides(vision.patch_size),
            context=text.context_length,
            vocabulary=text.vocab_size,
            end=text.eos_id if text.pool_type == "eos" else None,
        )
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def read_preprocessing(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings that open_clip writes; one that is None has its default."""
    plain, where = read_half(folder, "preprocess_cfg")
    given = {name: value for name, value in plain.items() if value is not None}
    given = allowed(given, ["mean", "std", "interpolation", "size"], PICTURES, where)
    side = spec.picture[1]
    size = taken(given.get("size", side), Size, f"{where}.size")
    if {*sides(size), *spec.picture[1:]} != {side}:
        raise InputError(
            f"{where}: size: expected the square that the image tower reads, {spec.picture[1:]}, "
            f"got {size}"
        )
    name = taken(given.get("interpolation", "bicubic"), Interpolation, f"{where}.interpolation")
    made = {"shortest": side, "resample": FILTERS[name]}
    return preprocessing_of(spec, where, {"mean": "mean", "std": "std"}, given, **made)


def sides(size: Size) -> tuple[int, int]:
    """Height and width of a size."""
    return (size, size) if isinstance(size, int) else size
