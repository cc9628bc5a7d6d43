"""The configuration of a Hugging Face CLIP (`config.json`) as a `ClipSpec`."""

from pathlib import Path
from typing import Any

from lrinterp.checkpoint.settings import Rules, allowed
from lrinterp.encoders import ClipSpec, TowerSpec
from lrinterp.store import InputError, read_json, taken

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


TOP = Rules(ignored=COMMON, only={**SAME, "model_type": ("clip",)})
BOTH = (
    "hidden_size intermediate_size num_attention_heads num_hidden_layers hidden_act layer_norm_eps"
).split()
TOWERS = {
    "text": (
        {*BOTH, "vocab_size", "max_position_embeddings", "eos_token_id"},
        Rules(
            ignored=COMMON | {"projection_dim"},
            only={**SAME, "model_type": ("clip_text_model", "clip")},
        ),
    ),
    "vision": (
        {*BOTH, "num_channels", "image_size", "patch_size"},
        Rules(
            ignored=COMMON | {"projection_dim", "eos_token_id"},
            only={**SAME, "model_type": ("clip_vision_model", "clip")},
        ),
    ),
}
"""By tower: the settings that are heard, and what becomes of others."""
PARTS = {f"{name}_config{older}" for name in TOWERS for older in ("", "_dict")}


def is_clip(folder: Path) -> bool:
    """Does a folder hold the configuration of a Hugging Face CLIP?"""
    path = folder / CONFIG
    plain = read_json(path) if path.is_file() else None
    return isinstance(plain, dict) and plain.get("model_type") == "clip"


def read_spec(folder: Path) -> ClipSpec:
    """The shape of the model; InputError for settings that are unknown or not built.

    Types, defaults and what the second settings of an old file override are those of transformers.
    """
    path = folder / CONFIG
    whole = allowed(read_json(path), {*PARTS, "projection_dim"}, TOP, str(path))
    text, image = (tower(whole, name, path) for name in TOWERS)
    embed = taken(whole.get("projection_dim", 512), int, f"{path}: projection_dim")
    end = taken(text.eos_token_id, int, f"{path}: text_config.eos_token_id")
    size, patch = (
        taken(getattr(image, name), int, f"{path}: vision_config.{name}")
        for name in ("image_size", "patch_size")
    )
    try:
        return ClipSpec(
            image=spec(image),
            text=spec(text),
            embed=embed,
            picture=(image.num_channels, size, size),
            patch=(patch, patch),
            context=text.max_position_embeddings,
            vocabulary=text.vocab_size,
            end=None if end == LEGACY_END else end,
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def tower(whole: dict[str, Any], name: str, path: Path) -> Any:
    """The settings of one tower as transformers reads them."""
    from transformers import CLIPConfig

    key = f"{name}_config"
    given = {k: plain for k in (key, f"{key}_dict") if (plain := whole.get(k)) is not None}
    parts = {k: allowed(plain, *TOWERS[name], f"{path}: {k}") for k, plain in given.items()}
    try:
        return getattr(CLIPConfig.from_dict(parts), key)
    except ZeroDivisionError as error:
        raise InputError(f"{path}: {key}.num_attention_heads: expected at least 1") from error
    except Exception as error:  # its checks raise errors of their own, in several lines
        raise InputError(f"{path}: {key}: {str(error).split('Error: ')[-1]}") from error


def spec(config: Any) -> TowerSpec:
    """A tower in our terms."""
    return TowerSpec(
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
        mlp=config.intermediate_size,
        activation=config.hidden_act,
        eps=config.layer_norm_eps,
    )
