"""A CLIP in the format of Hugging Face: `config.json` as a `ClipSpec`, and how it wants pictures.

Pictures go through the image processor of transformers, whatever the format.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta

from lrinterp.checkpoint.published import Rules, allowed
from lrinterp.encoders import ClipSpec, Preprocessing, TowerSpec
from lrinterp.store import InputError, read_json, taken

__all__ = ["CONFIG", "is_clip", "preprocessing_of", "read_preprocessing", "read_spec"]

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
    text, image = (read_tower(whole, name, path) for name in TOWERS)
    embed = taken(whole.get("projection_dim", 512), int, f"{path}: projection_dim")
    end = taken(text.eos_token_id, int, f"{path}: text_config.eos_token_id")
    size, patch = (
        taken(getattr(image, name), int, f"{path}: vision_config.{name}")
        for name in ("image_size", "patch_size")
    )
    try:
        return ClipSpec(
            image=tower_spec(image),
            text=tower_spec(text),
            embed=embed,
            picture=(image.num_channels, size, size),
            patch=(patch, patch),
            context=text.max_position_embeddings,
            vocabulary=text.vocab_size,
            end=None if end == LEGACY_END else end,
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def read_tower(whole: dict[str, Any], name: str, path: Path) -> Any:
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


def tower_spec(config: Any) -> TowerSpec:
    """A tower in our terms."""
    return TowerSpec(
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
        mlp=config.intermediate_size,
        activation=config.hidden_act,
        eps=config.layer_norm_eps,
    )


# Pictures.

NEW, OLD = "processor_config.json", "preprocessor_config.json"
NAMES = {
    "do_resize": "resize",
    "do_center_crop": "crop",
    "do_normalize": "normalize",
    "resample": "resample",
    "rescale_factor": "rescale",
    "image_mean": "mean",
    "image_std": "std",
}
"""By the name of a setting, that of ours."""
Side = Annotated[int, Meta(ge=1, le=4096)]
Sizes = Annotated[
    Side | dict[Literal["shortest_edge", "height", "width"], Side],
    Meta(description="1 to 4096 pixels: a number, shortest_edge, or height and width"),
]
"""Published image towers read some hundreds of pixels a side."""
PICTURES = Rules(
    ignored=frozenset(
        "_processor_class _valid_processor_keys device disable_grouping do_convert_rgb "
        "feature_extractor_type image_processor_type image_seq_length input_data_format "
        "processor_class return_tensors".split()
    ),
    only={
        "auto_map": (None,),
        "crop_pct": (None,),
        "data_format": (None, "channels_first"),
        "default_to_square": (None, False),
        "do_pad": (None, False),
        "do_rescale": (None, True),
        "pad_size": (None,),
        "size_divisor": (None,),
        "use_square_size": (None, False),
    },
)
"""Pictures are always made RGB; the other ignored keys name classes or the form of the output."""
PROCESSOR = Rules(
    ignored=frozenset(["processor_class", "tokenizer"]),
    only={"auto_map": (None,)},
)


def read_preprocessing(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings of transformers 5, or of before; InputError where neither is there."""
    from transformers.image_processing_utils import get_size_dict

    plain, where = read_either(folder)
    plain = allowed(plain, {*NAMES, "size", "crop_size"}, PICTURES, where)
    given = {
        name: taken(plain.get(name, 224), Sizes, f"{where}.{name}")
        for name in ("size", "crop_size")
    }
    try:
        size = get_size_dict(given["size"], default_to_square=False, param_name="size")
        crop = get_size_dict(given["crop_size"], param_name="crop_size")
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    own = preprocessing_of(spec, where, NAMES, plain, shortest=size.get("shortest_edge"))
    made, resized = ((s.get("height"), s.get("width")) for s in (crop, size))
    if (made if own.crop else resized) != spec.picture[1:]:
        raise InputError(
            f"{where}: makes pictures of size {given['size']}, crop_size {given['crop_size']}; the "
            f"image tower reads {spec.picture[1:]}"
        )
    if "height" in size and own.crop and resized != made:
        raise InputError(f"{where}: size {resized} and crop_size {made}: expected them equal")
    return own


def preprocessing_of(
    spec: ClipSpec, where: str, names: Mapping[str, str], plain: Mapping[str, Any], **made: Any
) -> Preprocessing:
    """The settings of a file by our `names`; one mean and deviation a channel of the pictures."""
    kinds = get_type_hints(Preprocessing, include_extras=True)
    for name in sorted(names.keys() & plain.keys()):
        made[names[name]] = taken(plain[name], kinds[names[name]], f"{where}.{name}")
    own = Preprocessing(height=spec.picture[1], width=spec.picture[2], **made)
    for name in ("mean", "std"):
        if (got := len(getattr(own, name))) != spec.picture[0]:
            raise InputError(f"{where}: {name}: expected {spec.picture[0]} numbers, got {got}")
    return own


def read_either(folder: Path) -> tuple[Any, str]:
    """The settings of the image processor, and where they lie."""
    new = read_json(folder / NEW) if (folder / NEW).is_file() else {}
    if isinstance(new, dict) and "image_processor" in new:
        allowed(new, ["image_processor"], PROCESSOR, str(folder / NEW))
        return new["image_processor"], f"{folder / NEW}: image_processor"
    if not (folder / OLD).is_file():
        raise InputError(
            f"{folder}: says nothing about preprocessing; expected {OLD} or {NEW}, copy it from "
            "where the checkpoint was published"
        )
    return read_json(folder / OLD), str(folder / OLD)
