"""One photograph and its mirror image: where CLS looks, why, and what the margin rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8

from lrinterp.analysis.pictures.figures import map_table, notes, picture_figures, seen
from lrinterp.analysis.pictures.maps import (
    as_pictures,
    by_gradient,
    key_maps,
    over_patches,
    read_in_last_layer,
)
from lrinterp.analysis.pictures.pair import Pair
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import decomposable
from lrinterp.axes import Pixels
from lrinterp.result import Figure, Metric, NotApplicable, Result
from lrinterp.run import Run
from lrinterp.wording import head_name, head_place

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

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The head, both margins, and its attention to either side of both pictures."""
        numbers = {"headline_head": Metric(value=self.head, estimator="name")}
        for k, picture in enumerate(("photograph", "mirror")):
            margin = Metric(value=float(self.margins[k]), n=1, estimator="exact")
            numbers[f"margin_{picture}"] = margin
            for side, share in zip(("left", "right"), self.shares[k].tolist(), strict=True):
                number = Metric(value=share, n=1, estimator="exact")
                numbers[f"{side}_{self.side}_share_{picture}"] = number
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


def over_picture(recording: Run, *, positional_gradient: Result) -> OverPicture:
    """Lay attention, terms and attribution over one photograph and its mirror image.

    The photograph is chosen by its layout alone, see `Pair`. Maps: CLS's attention in the headline
    head, and the mean over the heads of the last layer; key-content and key-position of the
    headline head, centred over the patches; two attributions of the margin, see
    `read_in_last_layer` and `by_gradient`.
    Cost: a backward pass of two pictures.
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
    read = read_in_last_layer(pair.run, pair.direction)
    gradient = by_gradient(pair.run, pair.direction)
    place = head_place(str(positional_gradient.metrics["headline_head"].value))
    maps = {
        **looked_at(pair, place, tower.cfg.n_layers - 1),
        (f"read by layer {tower.cfg.n_layers - 1}", "cosine"): read,
        ("gradient at the patch", "cosine"): gradient,
    }
    return OverPicture(
        pictures=as_pictures(pair.run.inputs.values, model.processor.preprocessing),
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
        n=len(pair.among.examples),
    )


def looked_at(pair: Pair, place: Place, last: int) -> dict[tuple[str, str], ByKey]:
    """By name and unit: attention of a head and of the last layer, and the head's scores."""
    layer, head = place
    name = head_name(*place)
    content, position = key_maps(pair.run, place)
    return {
        (f"attention of {name}", "share"): pair.attention(layer)[:, head],
        (f"mean attention of layer {last}", "share"): pair.attention(last).mean(1),
        (f"key-content of {name}", "logits"): centred(content),
        (f"key-position of {name}", "logits"): centred(position),
    }


def centred(by_key: ByKey) -> ByKey:
    """Scores relative to their mean over the patches; the softmax knows no constant."""
    return by_key - by_key[:, 1:].mean(1, keepdims=True)
