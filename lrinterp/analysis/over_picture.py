"""What does the model look at in a picture and its mirror image?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8

from lrinterp.analysis.over_picture_maps import as_pictures, maps_of, mirrored, over_patches
from lrinterp.analysis.subject import SIDES as ROLES
from lrinterp.analysis.subject import as_index, decomposable, focus, sides_of
from lrinterp.axes import Pixels
from lrinterp.charts import Picture, overlay
from lrinterp.result import Figure, Metric, NotApplicable, Result
from lrinterp.run import Run
from lrinterp.wording import head_name, head_place, signed

__all__ = ["OverPicture", "over_picture"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OverPicture(Result):
    """Attention, terms and attribution over the patches of a picture and its mirror image.

    The axis `image` of every array holds the picture, then its mirror image.
    """

    name: ClassVar[str] = "over_picture"
    question: ClassVar[str] = "What does the model look at in a picture and its mirror image?"

    pictures: UInt8[np.ndarray, "image height width channel"]
    """Both as the image tower reads them."""
    maps: Float[np.ndarray, "map image row column"]
    """Attention of the headline head, mean attention of the last layer, key-content, key-position,
    what the last layer's heads read, gradient at the patch."""
    sides: Bool[np.ndarray, "side image row column"]
    """Patches of the left and of the right side of each picture."""
    side: str
    """What is known of a side: `object`, its patches, or `half` of the picture."""
    objects: tuple[str, ...]
    """The objects of the picture from left to right."""
    captions: tuple[str, ...]
    """True of the picture, and true of its mirror image; they differ in the relation word."""
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
    def names(self) -> list[str]:
        """What each map shows."""
        return [name.format(head=self.head, last=self.layers - 1) for name, _ in MAPS]

    @property
    def shares(self) -> Float[np.ndarray, "image side"]:
        """Attention of CLS to each side, in the headline head."""
        return np.stack([(self.maps[0] * side).sum((1, 2)) for side in self.sides], axis=1)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The head, both margins, and its attention to either side of both pictures."""
        exact: dict[str, float] = {}
        for k, picture in enumerate(("photograph", "mirror")):
            exact[f"margin_{picture}"] = float(self.margins[k])
            for side, share in zip(SIDES, self.shares[k].tolist(), strict=True):
                exact[f"{side}_{self.side}_share_{picture}"] = share
        numbers = {key: Metric(value=v, n=1, estimator="exact") for key, v in exact.items()}
        return {"headline_head": Metric(value=self.head, estimator="name"), **numbers}

    @property
    def finding(self) -> str:
        """Margins, and what the headline head gives to either side."""
        (left, right), (mirror_left, mirror_right) = self.shares.tolist()
        one, mirror = (signed(margin, 4) for margin in self.margins.tolist())
        return (
            f"One picture, “{self.captions[0]}”, and its mirror image: the true caption leads the "
            f"one with the other relation word by a cosine of {one} in the picture and {mirror} "
            f"in the mirror image (a positive margin is right). {self.head} gives the left "
            f"{self.side} {left:.3f} of CLS's attention and the right one {right:.3f}; in the "
            f"mirror image {mirror_left:.3f} and {mirror_right:.3f}. {preference(self)}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """One picture; direct and first-order attribution; the convention of position."""
        chosen = (
            "the first that was recorded, because the examples do not say where its objects are"
        )
        size = ""
        if self.side == "object":
            chosen = (
                "chosen by its layout alone (objects nearest to a quarter and three quarters of "
                "the width)"
            )
            size = "; a larger object covers more patches and gets more for that alone"
        rest = self.margins - self.maps[4].sum((1, 2)) - self.from_cls
        whole, unread = (
            " and ".join(signed(x, 4) for x in v.tolist()) for v in (self.margins, rest)
        )
        return (
            f"One picture, {chosen}, not by its result; the numbers over all pictures are in the "
            f"other sections. A share is the sum over the patches of a side{size}.",
            f"Key-position is a convention: the mean of the stream over all {self.n} recorded "
            "pictures at a patch's place, relative to the mean over the patches. What most "
            "pictures show in one place counts to it, and key-content is all the rest. Every "
            "picture is recorded with its mirror image, so that on average both sides show the "
            "same.",
            f"What the last layer reads is direct: of the margins, {whole}, the heads of layer "
            f"{self.layers - 1} read all but {unread} from patches and CLS. What earlier layers "
            "have carried from one patch to another counts where it was read, not where it was "
            "shown.",
            "The gradient map is a first-order estimate of what patching would do, one patch at a "
            "time; it misses nonlinear effects, and patches that act together.",
        )

    def frame(self) -> pd.DataFrame:
        """One row for each map, picture and patch; rows and columns counted from 1."""
        k, image, row, column = np.indices(self.maps.shape).reshape(4, -1)
        left, right = self.sides[:, image, row, column]
        words = [" and ".join(SIDES), *SIDES]
        return pd.DataFrame(
            {
                "map": np.array(self.names, dtype=object)[k],
                "picture": np.array(PICTURES, dtype=object)[image],
                "row": row + 1,
                "column": column + 1,
                self.side: np.select([left & right, left, right], words, "–").astype(object),
                "value": self.maps.reshape(-1),
                "unit": np.array([unit for _, unit in MAPS], dtype=object)[k],
            }
        )

    def figures(self) -> tuple[Figure, ...]:
        """Attention, key-content beside key-position, and two attributions of the margin."""
        words = {"head": self.head, "last": self.layers - 1, "caption": self.captions[0]}
        words["outlined"] = outlines_of(self)
        return tuple(
            figure_of(self, maps, key, *(text.format(**words) for text in said))
            for key, (maps, *said) in FIGURES.items()
        )


MAPS = (
    ("attention of {head}", "share"),
    ("mean attention of layer {last}", "share"),
    ("key-content of {head}", "logits"),
    ("key-position of {head}", "logits"),
    ("read by layer {last}", "cosine"),
    ("gradient at the patch", "cosine"),
)
"""What each map shows, and its unit."""
AXES = {"share": "attention (share)", "logits": "score (logits)", "cosine": "margin (cosine)"}
PICTURES = ("picture", "mirror image")
SIDES = ("left", "right")
NEARLY = 0.05
"""A difference of shares, relative to the largest, that is not worth a word."""
TRUTH = (
    "Positive (blue) favours the true caption, negative (orange) the one with the other relation "
    "word"
)
FIGURES = {
    "attention": (
        slice(0, 2),
        "Where CLS looks: “{caption}” and its mirror image",
        "a stronger blue is a larger share of CLS's attention, and what is missing to 1 goes to "
        "CLS itself. {outlined} A head without a preference is one even tint; one that prefers a "
        "side tints the same side of both pictures, one that goes by what it sees moves with the "
        "mirror.",
    ),
    "scores": (
        slice(2, 4),
        "Why {head} looks there: what a patch holds, and where it lies",
        "a cell is what its content, or its place, adds to CLS's score for it, in logits relative "
        "to the mean over the patches. Without an effect a picture stays clear. Key-position "
        "differs between the pictures only by CLS's query and the scale of the norm. {outlined}",
    ),
    "read": (
        slice(4, 5),
        "What layer {last} reads from each patch, along the margin",
        "a cell is what all heads of layer {last} together add to the margin from there, in "
        f"cosine. {TRUTH}. A model that cannot tell the captions apart leaves both pictures clear. "
        "{outlined}",
    ),
    "gradient": (
        slice(5, 6),
        "Which patches the margin rests on",
        "a cell estimates, in cosine, what the margin would lose were this patch's embedding taken "
        f"from the other picture: gradient times the difference of the two. {TRUTH}. A patch that "
        "is the same in both pictures, or that the model does not use, stays clear. {outlined}",
    ),
}
"""By key: the maps of a figure, its title, and what a cell is."""


def preference(result: OverPicture) -> str:
    """Does the head favour a side of the picture, or what stands there?"""
    gains = result.shares[:, 1] - result.shares[:, 0]
    if np.abs(gains).min() <= NEARLY * result.shares.max():
        return "In at least one of the two, both sides get nearly the same."
    first, second = (SIDES[gain > 0] for gain in gains.tolist())
    if first == second:
        return f"The {first} gets more in both, as with a preference for that side."
    favoured = result.objects[0 if first == "left" else -1]
    what = "same half" if result.side == "half" else favoured
    return f"The {what} gets more on either side: the attention follows the content."


def outlines_of(result: OverPicture) -> str:
    """What the outlines are."""
    if result.side == "half":
        return "Where the objects are is not known."
    left, right = result.objects[0], result.objects[-1]
    return (
        f"Outlined solid: the patches of the left object ({left}; in the mirror image {right}), "
        "dotted: of the right one."
    )


def figure_of(result: OverPicture, maps: slice, key: str, title: str, cells: str) -> Figure:
    """Some maps over both pictures, in the same colours, objects outlined where they are known."""
    unit, names = MAPS[maps][0][1], result.names[maps]
    frame, top = result.frame(), float(np.abs(result.maps[maps]).max()) or 1.0
    shown = frame[frame["map"].isin(names)].drop(columns="unit").reset_index(drop=True)
    table, several = shown.rename(columns={"value": AXES[unit]}), len(names) > 1
    named: list[dict[str, np.ndarray]] = [
        dict(zip(SIDES, both, strict=True)) for both in np.moveaxis(result.sides, 1, 0)
    ]
    return Figure(
        key=key,
        title=title,
        how_to_read=f"Each square is a patch, over the picture as the tower reads it; {cells}",
        plot=overlay(
            table if several else table.drop(columns="map"),
            {
                name: Picture(
                    pixels=result.pictures[k], outlines=named[k] if result.side == "object" else {}
                )
                for k, name in enumerate(PICTURES)
            },
            z=AXES[unit],
            by="map" if several else None,
            ends=(0.0 if unit == "share" else -top, top),
        ),
        table=table,
    )


def over_picture(recording: Run, *, positional_gradient: Result) -> OverPicture:
    """Lay attention, terms and attribution over one picture and its mirror image.

    The picture is chosen by its layout alone, see `mirrored`. Maps: CLS's attention in the
    headline head, and the mean over the heads of the last layer; key-content and key-position of
    the headline head, centred over the patches; two attributions of the margin, see
    `read_in_last_layer` and `by_gradient`.
    Cost: a backward pass of two pictures.
    Raises NotApplicable where the image tower reads tokens, has no processor or cannot be split,
    and where no mirror image is recorded.
    """
    model, grid = recording.model, recording.examples.grid
    if not isinstance(recording.examples.image, Pixels):
        raise NotApplicable("the image tower reads tokens, not pictures; see mechanism")
    if model.processor is None:
        raise NotApplicable("the model has no processor, which knows how pictures become pixels")
    layers = decomposable(recording, "image").cfg.n_layers
    among = recording.of(focus(recording.examples))
    pictures, captions = mirrored(among)
    true = recording.embeddings["text"][as_index(captions)].to(model.device)
    direction = true - true.flip(0)
    both, side = among.at(pictures), sides_of(among.examples)
    run, shown, roles = both.towers["image"], both.examples, both.examples.roles["image"]
    layer, head = head_place(str(positional_gradient.metrics["headline_head"].value))
    maps, from_cls = maps_of(run, (layer, head), direction, grid)
    return OverPicture(
        pictures=as_pictures(run.inputs.values, model.processor.preprocessing),
        maps=maps,
        sides=np.stack([over_patches(roles[role].numpy(), grid) for role in ROLES[side]]),
        side=side,
        objects=tuple(shown.label_words[k] for k in shown.image_labels[0]),
        captions=tuple(shown.caption_text[i] for i in captions),
        margins=(run.embeddings.to(true).double() * direction.double()).sum(-1).cpu().numpy(),
        from_cls=from_cls,
        head=head_name(layer, head),
        layers=layers,
        n=len(among.examples),
    )
