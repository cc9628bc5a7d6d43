"""How a published CLIP wants its pictures, from either format.

Both go through the image processor of transformers. Its crop of open_clip's pictures is open_clip's
own but for a pixel: where an odd margin is shared out, open_clip rounds to the even side.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from lrinterp.checkpoint import open_clip
from lrinterp.checkpoint.settings import Rules, allowed, read_as
from lrinterp.encoders import ClipSpec, Preprocessing
from lrinterp.store import InputError, read_json

__all__ = ["hugging_face_pictures", "open_clip_pictures"]

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
FILTERS = {"bicubic": 3, "random": 3, "bilinear": 2}
"""open_clip's names of Pillow's numbers; `random` is for training, and bicubic at inference."""
LARGEST = 4096
"""Pixels of a side; published image towers read some hundreds."""
MOST = 1000.0
"""Bound of means and deviations, which belong to pictures scaled to 0..1 or to 0..255."""
LEAST = 1e-6
NEW, OLD = "processor_config.json", "preprocessor_config.json"

Pixels = Annotated[int, Meta(ge=1, le=LARGEST)]
Sizes = Annotated[
    Pixels | dict[Literal["shortest_edge", "height", "width"], Pixels],
    Meta(description=f"1 to {LARGEST} pixels: a number, shortest_edge, or height and width"),
]
Filter = Annotated[int, Meta(ge=0, le=5, description="a filter of Pillow, 0 to 5")]
Factor = Annotated[float, Meta(ge=LEAST, le=MOST, description=f"{LEAST:g} to {MOST:g}")]
Means = Annotated[
    tuple[Annotated[float, Meta(ge=-MOST, le=MOST)], ...],
    Meta(description=f"numbers from {-MOST:g} to {MOST:g}"),
]
Stds = Annotated[tuple[Factor, ...], Meta(description=f"numbers from {LEAST:g} to {MOST:g}")]

HUGGING_FACE = Rules(
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
OPEN_CLIP = Rules(
    ignored=frozenset(["fill_color"]), only={"mode": ("RGB",), "resize_mode": ("shortest",)}
)
"""`fill_color` fills what `resize_mode` "longest" leaves empty, which is not read."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`preprocessor_config.json`, or `image_processor` in `processor_config.json`."""

    do_resize: bool = True
    size: Sizes = 224
    do_center_crop: bool = True
    crop_size: Sizes = 224
    resample: Filter = 3
    rescale_factor: Factor = 1 / 255
    do_normalize: bool = True
    image_mean: Means = MEAN
    image_std: Stds = STD


@dataclass(frozen=True, kw_only=True)
class OpenClip:
    """`preprocess_cfg`; the defaults of open_clip."""

    mean: Means = MEAN
    std: Stds = STD
    interpolation: Literal["bicubic", "random", "bilinear"] = "bicubic"
    size: int | tuple[int, int] | None = None


def hugging_face_pictures(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings of transformers 5, or of before; InputError where neither is there."""
    from transformers.image_processing_utils import get_size_dict

    plain, where = read_either(folder)
    own: Any = read_as(Picture, plain, HUGGING_FACE, where)
    try:
        size = get_size_dict(own.size, default_to_square=False, param_name="size")
        crop = get_size_dict(own.crop_size, param_name="crop_size")
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    made, resized = ((s.get("height"), s.get("width")) for s in (crop, size))
    if (made if own.do_center_crop else resized) != spec.picture[1:]:
        made_of = f"makes pictures of size {own.size}, crop_size {own.crop_size}"
        raise InputError(f"{where}: {made_of}; the image tower reads {spec.picture[1:]}")
    if "height" in size and own.do_center_crop and resized != made:
        raise InputError(f"{where}: size {resized} and crop_size {made}: expected them equal")
    return preprocessing(
        spec,
        where,
        shortest=size.get("shortest_edge"),
        mean=own.image_mean,
        std=own.image_std,
        resample=own.resample,
        rescale=own.rescale_factor,
        resize=own.do_resize,
        crop=own.do_center_crop,
        normalize=own.do_normalize,
    )


def preprocessing(spec: ClipSpec, where: str, **settings: Any) -> Preprocessing:
    """What makes the pictures that the tower reads; one mean and deviation a channel."""
    for name in ("mean", "std"):
        if (got := len(settings[name])) != spec.picture[0]:
            raise InputError(f"{where}: {name}: expected {spec.picture[0]} numbers, got {got}")
    return Preprocessing(height=spec.picture[1], width=spec.picture[2], **settings)


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


def open_clip_pictures(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings that open_clip writes."""
    where = f"{folder / open_clip.CONFIG}: preprocess_cfg"
    plain = {k: v for k, v in open_clip.read_config(folder).preprocess_cfg.items() if v is not None}
    own = read_as(OpenClip, plain, OPEN_CLIP, where)
    side = spec.picture[1]
    if {*open_clip.sides(own.size or side), *spec.picture[1:]} != {side}:
        reads = f"expected the square that the image tower reads, {spec.picture[1:]}"
        raise InputError(f"{where}: size: {reads}, got {own.size}")
    resample = FILTERS[own.interpolation]
    return preprocessing(spec, where, shortest=side, mean=own.mean, std=own.std, resample=resample)
