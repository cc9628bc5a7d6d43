"""How a published CLIP wants its pictures, from either format.

Both go through the image processor of transformers. Its crop of open_clip's pictures is open_clip's
own but for a pixel: where an odd margin is shared out, open_clip rounds to the even side.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.checkpoint import open_clip
from lrinterp.checkpoint.settings import Rules, taken
from lrinterp.encoders import ClipSpec, Preprocessing
from lrinterp.store import InputError, read_json, shortened

__all__ = ["hugging_face_pictures", "open_clip_pictures"]

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
BICUBIC, BILINEAR = 3, 2
FILTERS = range(6)
"""Pillow's numbers of its filters."""
LARGEST = 4096
"""Pixels of a side; published image towers read some hundreds."""
MOST = 1000.0
"""Bound of means and deviations, which belong to pictures scaled to 0..1 or to 0..255."""
LEAST = 1e-6
NEW, OLD = "processor_config.json", "preprocessor_config.json"

Numbers = list[int | float] | tuple[int | float, ...]

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
    only={"auto_map": (None,), "image_processor": ()},
)
OPEN_CLIP = Rules(ignored=frozenset(["fill_color"]), only={"mode": ("RGB",)})
"""`fill_color` fills what `resize_mode` "longest" leaves empty, which is not read."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`preprocessor_config.json`, or `image_processor` in `processor_config.json`."""

    do_resize: bool = True
    size: int | dict[str, int] = 224
    do_center_crop: bool = True
    crop_size: int | dict[str, int] = 224
    resample: int = BICUBIC
    rescale_factor: float = 1 / 255
    do_normalize: bool = True
    image_mean: Numbers = MEAN
    image_std: Numbers = STD


@dataclass(frozen=True, kw_only=True)
class OpenClip:
    """`preprocess_cfg`; the defaults of open_clip."""

    mean: Numbers = MEAN
    std: Numbers = STD
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    size: int | Numbers | None = None


def hugging_face_pictures(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings of transformers 5, or of before; InputError where neither is there."""
    plain, where = read_either(folder)
    own = taken(Picture, plain, HUGGING_FACE, where)
    if own.resample not in FILTERS:
        known = f"expected {FILTERS[0]} to {FILTERS[-1]}, got {own.resample}"
        raise InputError(f"{where}: resample: no filter of Pillow; {known}")
    shortest, size = sizes(own.size, f"{where}: size")
    edge, crop = sizes(own.crop_size, f"{where}: crop_size")
    made = crop or (edge, edge) if own.do_center_crop else size
    if made != spec.picture[1:]:
        reads = f"the image tower reads {spec.picture[1:]}"
        raise InputError(f"{where}: makes pictures of {made or 'unequal sizes'}, {reads}")
    if size and own.do_center_crop and size != made:
        raise InputError(f"{where}: size {size} and crop_size {made} differ; expected them equal")
    return Preprocessing(
        shortest=shortest,
        height=spec.picture[1],
        width=spec.picture[2],
        mean=numbers(own.image_mean, spec, f"{where}: image_mean"),
        std=numbers(own.image_std, spec, f"{where}: image_std", least=LEAST),
        resample=own.resample,
        rescale=bounded(own.rescale_factor, LEAST, f"{where}: rescale_factor"),
        resize=own.do_resize,
        crop=own.do_center_crop,
        normalize=own.do_normalize,
    )


def read_either(folder: Path) -> tuple[Any, str]:
    """The settings of the image processor, and where they lie."""
    new = read_json(folder / NEW) if (folder / NEW).is_file() else {}
    if isinstance(new, dict) and "image_processor" in new:
        known = PROCESSOR.ignored | {"image_processor"} | set(PROCESSOR.only)
        if strange := sorted(set(new) - known):
            raise InputError(f"{folder / NEW}: unknown setting {strange[0]!r}")
        return new["image_processor"], f"{folder / NEW}: image_processor"
    if not (folder / OLD).is_file():
        raise InputError(
            f"{folder}: says nothing about preprocessing; expected {OLD} or {NEW}, copy it from "
            "where the checkpoint was published"
        )
    return read_json(folder / OLD), str(folder / OLD)


def sizes(size: int | dict[str, int], where: str) -> tuple[int | None, tuple[int, int] | None]:
    """A size as a shorter side, or as height and width."""
    for side in (size,) if isinstance(size, int) else size.values():
        if not 1 <= side <= LARGEST:
            raise InputError(f"{where}: expected 1 to {LARGEST} pixels, got {shortened(side)}")
    if isinstance(size, int):
        return size, None
    if set(size) == {"shortest_edge"}:
        return size["shortest_edge"], None
    if set(size) == {"height", "width"}:
        return None, (size["height"], size["width"])
    expected = "a number, shortest_edge, or height and width"
    raise InputError(f"{where}: expected {expected}, got {shortened(size)}")


def numbers(values: Numbers, spec: ClipSpec, where: str, least: float = -MOST) -> tuple[float, ...]:
    """One number a channel."""
    if len(values) != spec.picture[0]:
        raise InputError(f"{where}: expected {spec.picture[0]} numbers, got {len(values)}")
    return tuple(bounded(value, least, where) for value in values)


def bounded(value: int | float, least: float, where: str) -> float:
    """A number that keeps pixels finite; neither NaN nor an overlong whole number passes."""
    if not least <= value <= MOST:
        raise InputError(f"{where}: expected {least:g} to {MOST:g}, got {shortened(value)}")
    return float(value)


def open_clip_pictures(folder: Path, spec: ClipSpec) -> Preprocessing:
    """The settings that open_clip writes; its interpolation `random` is bicubic at inference."""
    where = f"{folder / open_clip.CONFIG}: preprocess_cfg"
    plain = {k: v for k, v in open_clip.read_config(folder).preprocess_cfg.items() if v is not None}
    own = taken(OpenClip, plain, OPEN_CLIP, where)
    filters = {"bicubic": BICUBIC, "random": BICUBIC, "bilinear": BILINEAR}
    if own.interpolation not in filters:
        expected = f"expected one of {', '.join(filters)}, got {own.interpolation!r}"
        raise InputError(f"{where}: interpolation: {expected}")
    if own.resize_mode != "shortest":
        raise InputError(f"{where}: resize_mode: expected 'shortest', got {own.resize_mode!r}")
    side = spec.picture[1]
    given = own.size if isinstance(own.size, list | tuple) else (own.size or side,) * 2
    if {*given, *spec.picture[1:]} != {side}:
        reads = f"expected the square that the image tower reads, {spec.picture[1:]}"
        raise InputError(f"{where}: size: {reads}, got {tuple(given)}")
    return Preprocessing(
        shortest=side,
        height=side,
        width=side,
        mean=numbers(own.mean, spec, f"{where}: mean"),
        std=numbers(own.std, spec, f"{where}: std", least=LEAST),
        resample=filters[own.interpolation],
    )
