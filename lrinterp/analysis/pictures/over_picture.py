"""One photograph and its mirror image: where CLS looks, why, and what the margin rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8

from lrinterp.analysis.gradient.headline import Place
from lrinterp.analysis.gradient.positional_gradient import PositionalGradient
from lrinterp.analysis.pictures.figures import map_table, notes, picture_figures, seen
from lrinterp.analysis.pictures.maps import (
    as_pictures,
    by_gradient,
    key_maps,
    over_patches,
    read_in_last_layer,
)
from lrinterp.analysis.pictures.pair import Pair
from lrinterp.analysis.subject import decomposable, head_name
from lrinterp.axes import Pixels
from lrinterp.decomposition import Streams
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar

__all__ = ["OverPicture", "over_picture"]

ByKey = Float[np.ndarray, "image key"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OverPicture(Result):
    """Attention, terms and attribution over the patches of a photograph and its mirror image.

    The axis `image` of every array holds the photograph, then its mirror image.
    """

    name: ClassVar[str] = "over_picture"
    question: ClassVar[str] = "What does the model look at in a photograph and its mirror image?"

    pictures: UInt8[np.ndarray, "image height width channel"]
    """Both as the image tower reads them."""
    maps: Float[np.ndarray, "map image row column"]
    """Attention of the headline head, mean attention of the last layer, key-content, key-position,
    what the last layer's heads read, gradient at the patch."""
    names: tuple[str, ...]
    """What each map shows."""
    units: tuple[str, ...]
    """`share`, `logits` or `cosine`."""
    sides: Bool[np.ndarray, "side image row column"]
    """Patches of the left and of the right side of each picture."""
    side: str
    """What is known of a side: `object`, its patches, or `half` of the picture."""
    objects: tuple[str, ...]
    """The objects of the photograph from left to right."""
    captions: tuple[str, ...]
    """True of the photograph, and true of its mirror image; they differ in the relation word."""
    margins: Float[np.ndarray, "image"]
    """cos(true caption) - cos(the other caption)."""
    from_cls: Float[np.ndarray, "image"]
    """What the last layer's heads read from CLS itself, in units of the margin."""
    head: str
    """The headline head of `positional_gradient`."""
    layers: int
    """Layers of the image tower."""
    n: int
    """Pictures whose mean stream counts as position."""

    @property
    def shares(self) -> Float[np.ndarray, "image side"]:
        """Attention of CLS to each side, in the headline head."""
        return np.stack([(self.maps[0] * side).sum((1, 2)) for side in self.sides], axis=1)

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The head, both margins, and its attention to either side of both pictures."""
        numbers = {"headline_head": Scalar(value=self.head)}
        for k, picture in enumerate(("photograph", "mirror")):
            numbers[f"margin_{picture}"] = Scalar(value=float(self.margins[k]), n=1)
            for side, share in zip(("left", "right"), self.shares[k].tolist(), strict=True):
                numbers[f"{side}_{self.side}_share_{picture}"] = Scalar(value=share, n=1)
        return numbers

    @property
    def finding(self) -> str:
        """What these two pictures show."""
        return seen(self)

    @property
    def caveats(self) -> tuple[str, ...]:
        """One picture; direct and first-order attribution; the convention of position."""
        return notes(self)

    def frame(self) -> pd.DataFrame:
        """One row for each map, picture and patch; rows and columns counted from 1."""
        return map_table(self)

    def figures(self) -> tuple[Figure, ...]:
        """Attention, the two sides of the score, and two attributions, over the pictures."""
        return picture_figures(self)


def over_picture(recording: Recording, *, positional_gradient: PositionalGradient) -> OverPicture:
    """Lay attention, terms and attribution over one photograph and its mirror image.

    The photograph is chosen by its layout alone, see `Pair`. Maps: CLS's attention in the headline
    head, and the mean over the heads of the last layer; key-content and key-position of the
    headline head, centred over the patches; two attributions of the margin, see
    `read_in_last_layer` and `by_gradient`.
    Cost: a forward pass of all pictures up to the headline's layer, and a few of two pictures.
    Raises NotApplicable where the image tower reads tokens, has no processor or cannot be split,
    and where no mirror image is recorded.
    """
    model, examples = recording.model, recording.examples
    if not isinstance(examples.image, Pixels):
        raise NotApplicable("the image tower reads tokens, not pictures; see mechanism")
    if model.processor is None:
        raise NotApplicable("the model has no processor, which knows how pictures become pixels")
    tower = decomposable(recording, "image")
    pair = Pair.of(recording)
    streams = Streams.of(tower, pair.inputs, examples.occurs["image"])
    read = read_in_last_layer(streams, pair.direction)
    gradient = by_gradient(model, pair.inputs, pair.direction)
    place = (positional_gradient.headline_layer, positional_gradient.headline)
    maps = {
        **looked_at(pair, place, tower.cfg.n_layers - 1),
        (f"read by layer {tower.cfg.n_layers - 1}", "cosine"): read,
        ("gradient at the patch", "cosine"): gradient,
    }
    return OverPicture(
        pictures=as_pictures(pair.inputs.values, model.processor.preprocessing),
        maps=np.stack([over_patches(by_key, examples.grid) for by_key in maps.values()]),
        names=tuple(name for name, _ in maps),
        units=tuple(unit for _, unit in maps),
        sides=np.stack([over_patches(mask, examples.grid) for mask in pair.sides]),
        side=pair.side,
        objects=pair.objects,
        captions=pair.texts,
        margins=pair.margins,
        from_cls=read[:, 0],
        head=head_name(*place),
        layers=tower.cfg.n_layers,
        n=len(pair.among),
    )


def looked_at(pair: Pair, place: Place, last: int) -> dict[tuple[str, str], ByKey]:
    """By name and unit: attention of a head and of the last layer, and the head's scores."""
    layer, head = place
    name, occurs = head_name(*place), pair.recording.examples.occurs["image"]
    tower = pair.recording.model.image
    content, position = key_maps(tower, pair.inputs, pair.among, occurs, place)
    return {
        (f"attention of {name}", "share"): pair.attention(layer)[:, head],
        (f"mean attention of layer {last}", "share"): pair.attention(last).mean(1),
        (f"key-content of {name}", "logits"): centred(content),
        (f"key-position of {name}", "logits"): centred(position),
    }


def centred(by_key: ByKey) -> ByKey:
    """Scores relative to their mean over the patches; the softmax knows no constant."""
    return by_key - by_key[:, 1:].mean(1, keepdims=True)
