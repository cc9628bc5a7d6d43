"""Open the picture of a row: colours as RGB, cut to the crop that is meant."""

from typing import TYPE_CHECKING

import numpy as np

from lrinterp.scenes.natural.relation import Relation
from lrinterp.store import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["open_picture"]

PADDED = "aro"
LARGEST = 2**26
"""Most pixels of a crop that reaches over the edge, and so may be of any size."""


def open_picture(relation: Relation) -> "Image":
    """The picture of a row, RGB and cropped.

    A crop that reaches over the edge is refused. In `aro` alone it is filled with black, as the
    published evaluation does; there too it must meet the picture.

    Raises `InputError` naming file and row: no picture, a missing or broken file, a crop outside.
    """
    if relation.picture is None:
        raise InputError(f"{relation.where}: the row has no picture")
    picture = read_rgb(relation)
    if relation.crop is None:
        return picture
    x0, y0, x1, y1 = relation.crop
    width, height = picture.size
    meets = x0 < width and y0 < height and x1 > 0 and y1 > 0
    inside = min(x0, y0) >= 0 and x1 <= width and y1 <= height
    if not (meets if relation.suite == PADDED else inside):
        raise InputError(
            f"{relation.where}: the crop {[x0, y0, x1, y1]} is outside {relation.picture}, "
            f"which is {width} pixels wide and {height} high"
        )
    if not inside and (x1 - x0) * (y1 - y0) > LARGEST:
        size = f"{x1 - x0} by {y1 - y0} pixels"
        raise InputError(f"{relation.where}: a crop of {size} is too large")
    return picture.crop(relation.crop)


def read_rgb(relation: Relation) -> "Image":
    """The whole picture; transparency is dropped, as in the published loaders."""
    from PIL import Image

    try:
        with Image.open(str(relation.picture)) as file:
            return in_eight_bits(file).convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"{relation.where}: there is no picture {relation.picture}") from error
    except Exception as error:  # what Pillow's readers raise for a damaged file is not documented
        raise InputError(
            f"{relation.where}: cannot read the picture {relation.picture} ({error})"
        ) from error


def in_eight_bits(picture: "Image") -> "Image":
    """A grey picture of 16 bits scaled to 8, round(x / 257); Pillow itself would cut values off.

    Raises ValueError for grey values of 32 bits, of which no file says what is white.
    """
    from PIL import Image

    if picture.mode.startswith("I;16"):
        return Image.fromarray(np.round(np.asarray(picture) / 257).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError("its grey values have no known white; save it with 8 bits a colour")
    return picture
