"""The configuration of a Hugging Face CLIP (`config.json`) as a `ClipSpec`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lrinterp.checkpoint.settings import Rules, taken
from lrinterp.encoders import ClipSpec, TowerSpec
from lrinterp.store import InputError, read_json

__all__ = ["CONFIG", "is_clip", "read_spec"]

CONFIG = "config.json"
LEGACY_END = 2
"""An end-of-text id that old files carry by mistake; it means the highest id of a caption."""

COMMON = frozenset(
    "_attn_implementation _attn_implementation_autoset _name_or_path architectures "
    "attention_dropout attn_implementation bad_words_ids begin_suppress_tokens bos_token_id "
    "chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty "
    "do_sample dropout dtype early_stopping encoder_no_repeat_ngram_size "
    "exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id "
    "gradient_checkpointing id2label initializer_factor initializer_range is_encoder_decoder "
    "label2id length_penalty logit_scale_init_value max_length min_length no_repeat_ngram_size "
    "num_beam_groups num_beams num_return_sequences output_attentions output_hidden_states "
    "output_scores pad_token_id prefix problem_type remove_invalid_values repetition_penalty "
    "return_dict return_dict_in_generate sep_token_id suppress_tokens task_specific_params "
    "temperature tf_legacy_loss tie_encoder_decoder tie_word_embeddings tokenizer_class top_k "
    "top_p torch_dtype torchscript transformers_version typical_p use_bfloat16 use_cache".split()
)
"""Settings of training, of generation and of the library; none changes an embedding."""
SAME = {
    "add_cross_attention": (False, None),
    "is_decoder": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}


@dataclass(frozen=True, kw_only=True)
class Tower:
    """What both towers say; the defaults of transformers."""

    num_hidden_layers: int = 12
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5

    def spec(self, width: int, heads: int, mlp: int) -> TowerSpec:
        """The tower in our terms."""
        return TowerSpec(
            layers=self.num_hidden_layers,
            width=width,
            heads=heads,
            mlp=mlp,
            activation=self.hidden_act,
            eps=self.layer_norm_eps,
        )


@dataclass(frozen=True, kw_only=True)
class TextConfig(Tower):
    """`text_config`."""

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    eos_token_id: int = 49407


@dataclass(frozen=True, kw_only=True)
class VisionConfig(Tower):
    """`vision_config`."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 32


@dataclass(frozen=True, kw_only=True)
class Config:
    """`config.json`; the towers' settings still as they lie in the file."""

    text_config: dict[str, Any] | None = None
    vision_config: dict[str, Any] | None = None
    text_config_dict: dict[str, Any] | None = None
    vision_config_dict: dict[str, Any] | None = None
    projection_dim: int = 512


def is_clip(folder: Path) -> bool:
    """Does a folder hold the configuration of a Hugging Face CLIP?"""
    path = folder / CONFIG
    plain = read_json(path) if path.is_file() else None
    return isinstance(plain, dict) and plain.get("model_type") == "clip"


def read_spec(folder: Path) -> ClipSpec:
    """The shape of the model; InputError for settings that are unknown or not built."""
    path = folder / CONFIG
    rules = Rules(ignored=COMMON, only={**SAME, "model_type": ("clip",)})
    config = taken(Config, read_json(path), rules, str(path))
    text: TextConfig = tower(TextConfig, config, "text", path)
    image: VisionConfig = tower(VisionConfig, config, "vision", path)
    try:
        return ClipSpec(
            image=image.spec(image.hidden_size, image.num_attention_heads, image.intermediate_size),
            text=text.spec(text.hidden_size, text.num_attention_heads, text.intermediate_size),
            embed=config.projection_dim,
            picture=(image.num_channels, image.image_size, image.image_size),
            patch=(image.patch_size, image.patch_size),
            context=text.max_position_embeddings,
            vocabulary=text.vocab_size,
            end=None if text.eos_token_id == LEGACY_END else text.eos_token_id,
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def tower(kind: Any, config: Config, name: str, path: Path) -> Any:
    """The settings of one tower.

    Where an old file has `text_config_dict` beside `text_config`, transformers lets the former,
    filled up with defaults, override the latter; so does this.
    """
    rules = Rules(
        ignored=COMMON | {"projection_dim"} | ({"eos_token_id"} if name == "vision" else set()),
        only={**SAME, "model_type": (f"clip_{name}_model", "clip")},
    )
    plain = getattr(config, f"{name}_config") or {}
    key = f"{name}_config"
    if (older := getattr(config, f"{key}_dict")) is not None:
        whole = asdict(taken(kind, older, rules, f"{path}: {key}_dict"))
        plain = {**plain, **whole}
    return taken(kind, plain, rules, f"{path}: {key}")
