"""From captions and pictures to what the towers of a CLIP read.

Preprocessing is where ports go wrong, so nothing of it is written here: captions pass the
checkpoint's tokenizer, pictures the image processor of transformers with the checkpoint's settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from msgspec import Meta

from lrinterp.axes import Pixels, Tokens
from lrinterp.encoders.clip import ClipSpec
from lrinterp.store import InputError, shortened

if TYPE_CHECKING:
    from PIL.Image import Image
    from tokenizers import Tokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

__all__ = ["Fit", "Preprocessing", "Processor"]

LARGEST = 2**27
"""Most pixels of a picture after resizing or padding; half a gigabyte of colours."""
Fit = Literal["crop", "pad"]
"""What becomes of a picture that is not square: CLIP crops to the middle; `pad` loses nothing."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
Filter = Annotated[int, Meta(ge=0, le=5, description="a filter of Pillow, 0 to 5")]
# Means and deviations are of pictures that are scaled to 0..1 or to 0..255.
Factor = Annotated[float, Meta(ge=1e-6, le=1000, description="1e-06 to 1000")]
Means = Annotated[
    tuple[Annotated[float, Meta(ge=-1000, le=1000)], ...],
    Meta(description="numbers from -1000 to 1000"),
]
Stds = Annotated[tuple[Factor, ...], Meta(description="numbers from 1e-06 to 1000")]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a checkpoint wants its pictures: resized, cropped, scaled to 0..1, then normalised."""

    shortest: int | None
    """Pixels of the shorter side after resizing; None resizes to `height` and `width`."""
    height: int
    width: int
    mean: Means = MEAN
    std: Stds = STD
    resample: Filter = 3
    """Pillow's number of the filter; 3 is bicubic."""
    rescale: Factor = 1 / 255
    resize: bool = True
    crop: bool = True
    normalize: bool = True

    @cached_property
    def processor(self) -> "CLIPImageProcessorPil":
        """The image processor of transformers with these settings; needs no torchvision."""
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        whole = {"height": self.height, "width": self.width}
        return CLIPImageProcessorPil(
            do_resize=self.resize,
            size={"shortest_edge": self.shortest} if self.shortest else whole,
            resample=self.resample,
            do_center_crop=self.crop,
            crop_size=whole,
            do_rescale=True,
            rescale_factor=self.rescale,
            do_normalize=self.normalize,
            image_mean=list(self.mean),
            image_std=list(self.std),
            do_convert_rgb=True,
        )


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The tokenizer and the preprocessing of one checkpoint."""

    tokenizer: "Tokenizer"
    preprocessing: Preprocessing
    spec: ClipSpec

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The word of each token id; a piece that a word goes on behind ends in a hyphen."""
        return tuple(
            readable_token(self.tokenizer.id_to_token(number) or "")
            for number in range(self.spec.vocabulary)
        )

    def tokens(self, captions: Sequence[str]) -> Tokens:
        """Token ids from the start to the end of each caption, padded with its end.

        The first end token is pooled, or the first of the highest id, as the checkpoint says.
        Raises InputError for a caption that is longer than the context.
        """
        rows = [encoded.ids for encoded in self.tokenizer.encode_batch(list(captions))]
        for caption, row in zip(captions, rows, strict=True):
            if len(row) > self.spec.context:
                raise InputError(
                    f"caption {shortened(caption)}: {len(row)} tokens, this model reads "
                    f"{self.spec.context}; shorten it"
                )
        width = max(map(len, rows), default=1)
        padded = [row + row[-1:] * (width - len(row)) for row in rows]
        ids = torch.tensor(padded, dtype=torch.long).reshape(-1, width)
        marks = ids if self.spec.end is None else (ids == self.spec.end).int()
        return Tokens(ids, marks.argmax(1))

    def pixels(self, pictures: Sequence["Image"], *, fit: Fit = "crop") -> Pixels:
        """Pictures as the image tower reads them.

        `crop` is the checkpoint's native way: the sides of a wide picture are cut off. `pad` makes
        a picture square with the mean colour first, so that nothing at the sides is lost.
        """
        shape = (len(pictures), *self.spec.picture)
        if not len(pictures):
            return Pixels(torch.zeros(shape), torch.zeros(0, dtype=torch.long))
        for picture in pictures:
            self.check_area(picture, fit)
        ready = [self.squared(p) for p in pictures] if fit == "pad" else list(pictures)
        values = self.preprocessing.processor(ready, return_tensors="np")["pixel_values"]
        if values.shape != shape:
            raise InputError(
                f"the preprocessing makes {list(values.shape[1:])}, the image tower reads "
                f"{list(self.spec.picture)}"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        return Pixels(pixels, torch.zeros(len(pixels), dtype=torch.long))

    def check_area(self, picture: "Image", fit: Fit) -> None:
        """Refuse a picture so long and narrow that it outgrows the memory on its way."""
        short, long = sorted(picture.size)
        area = long**2
        if fit == "crop":
            edge = self.preprocessing.shortest if self.preprocessing.resize else None
            area = edge**2 * long // short if edge else 0
        if area > LARGEST:
            raise InputError(
                f"a picture of {picture.width} by {picture.height} pixels is too long and narrow; "
                "cut it"
            )

    def squared(self, picture: "Image") -> "Image":
        """A picture in the middle of a square of the mean colour."""
        from PIL import Image

        side = max(picture.size)
        white = 1 / self.preprocessing.rescale
        own = (round(white * mean) for mean in self.preprocessing.mean)
        colour: Any = tuple(min(max(value, 0), 255) for value in own)
        square = Image.new("RGB", (side, side), colour)
        corner = ((side - picture.width) // 2, (side - picture.height) // 2)
        square.paste(picture.convert("RGB"), corner)
        return square


def readable_token(token: str) -> str:
    """A token without the mark of a word's end, or with one where the word goes on."""
    if token.startswith("<|"):
        return token
    return token.removesuffix("</w>") if token.endswith("</w>") else f"{token}-"
