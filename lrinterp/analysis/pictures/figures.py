"""Words, table and figures of a photograph and its mirror image."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lrinterp.charts import Picture, overlay
from lrinterp.result import Figure
from lrinterp.wording import signed

if TYPE_CHECKING:
    from lrinterp.analysis.pictures.over_picture import OverPicture

__all__ = ["PICTURES", "map_table", "notes", "picture_figures", "seen"]

PICTURES = ("photograph", "mirror image")
SIDES = ("left", "right")
ATTENTION, SCORES, READ, GRADIENT = (0, 1), (2, 3), (4,), (5,)
"""Which maps a figure shows."""
NEARLY = 0.05
"""A difference of shares, relative to the largest, that is not worth a word."""
GRID = "Each square is a patch, over the picture as the tower reads it"


def map_table(result: "OverPicture", maps: Sequence[int] | None = None) -> pd.DataFrame:
    """The maps as a long table; all of them, or some."""
    chosen = range(len(result.names)) if maps is None else maps
    return pd.DataFrame([row for k in chosen for row in rows_of(result, k)])


def rows_of(result: "OverPicture", k: int) -> Iterator[dict[str, Any]]:
    """One row for each picture and patch of a map."""
    for (image, row, column), value in np.ndenumerate(result.maps[k]):
        yield {
            "map": result.names[k],
            "picture": PICTURES[image],
            "row": row + 1,
            "column": column + 1,
            result.side: " and ".join(
                word
                for word, mask in zip(SIDES, result.sides, strict=True)
                if mask[image, row, column]
            )
            or "–",
            "value": float(value),
            "unit": result.units[k],
        }


def seen(result: "OverPicture") -> str:
    """Margins, and what the headline head gives to either side."""
    (left, right), (mirror_left, mirror_right) = result.shares.tolist()
    photograph, mirror = (signed(margin, 4) for margin in result.margins.tolist())
    return (
        f"One photograph, “{result.captions[0]}”, and its mirror image: the true caption leads the "
        f"one with the other relation word by a cosine of {photograph} in the photograph and "
        f"{mirror} in the mirror image (a positive margin is right). {result.head} gives the left "
        f"{result.side} {left:.3f} of CLS's attention and the right one {right:.3f}; in the mirror "
        f"image {mirror_left:.3f} and {mirror_right:.3f}. {preference(result)}"
    )


def preference(result: "OverPicture") -> str:
    """Does the head favour a side of the picture, or what stands there?"""
    gains = result.shares[:, 1] - result.shares[:, 0]
    if np.abs(gains).min() <= NEARLY * result.shares.max():
        return "In at least one of the two, both sides get nearly the same."
    first, second = (SIDES[gain > 0] for gain in gains.tolist())
    if first == second:
        return f"The {first} gets more in both, as it would by a preference for that side."
    favoured = result.objects[0 if first == "left" else -1]
    what = "same half" if result.side == "half" else favoured
    return f"The {what} gets more on either side, which goes with what stands there."


def notes(result: "OverPicture") -> tuple[str, ...]:
    """What a reader must know before leaning on these maps."""
    chosen = (
        "chosen by its layout alone (objects nearest to a quarter and three quarters of the width)"
        if result.side == "object"
        else "the first that was recorded, for the examples do not say where its objects are"
    )
    size = "; a larger object covers more patches and gets more for that alone"
    read = result.maps[READ[0]].sum((1, 2)) + result.from_cls
    whole, rest = (
        " and ".join(signed(x, 4) for x in values.tolist())
        for values in (result.margins, result.margins - read)
    )
    return (
        f"One picture, {chosen}, not by its result; the numbers over all pictures are in the other "
        "sections. A share is the sum over the patches of a side"
        f"{size if result.side == 'object' else ''}.",
        f"Key-position is a convention: the mean of the stream over all {result.n} recorded "
        "pictures at a patch's place, relative to the mean over the patches. What most pictures "
        "show in one place counts to it, and key-content is all the rest. Every photograph is "
        "recorded with its mirror image, so that on average both sides show the same.",
        f"What the last layer reads is direct: of the margins, {whole}, the heads of layer "
        f"{result.layers - 1} read all but {rest} from patches and CLS. What earlier layers have "
        "carried from one patch to another counts where it was read, not where it was shown.",
        "The gradient map is a first-order estimate of what patching would do, one patch at a "
        "time; it misses what bends on the way, and patches that act together.",
    )


def picture_figures(result: "OverPicture") -> tuple[Figure, ...]:
    """Attention, key-content beside key-position, and two attributions of the margin."""
    truth = "Positive (blue) speaks for the true caption, negative (orange) for the one with the "
    truth += "other relation word"
    last = result.layers - 1
    return (
        figure_of(
            result,
            ATTENTION,
            "attention",
            f"Where CLS looks: “{result.captions[0]}” and its mirror image",
            f"{GRID}; a stronger blue is a larger share of CLS's attention, and what is missing to "
            f"1 goes to CLS itself. {names_of(result)} A head without a preference is one even "
            "tint; one that prefers a side tints the same side of both pictures, one that goes by "
            "what it sees moves with the mirror.",
        ),
        figure_of(
            result,
            SCORES,
            "scores",
            f"Why {result.head} looks there: what a patch holds, and where it lies",
            f"{GRID}; a cell is what its content, or its place, adds to CLS's score for it, in "
            "logits relative to the mean over the patches. Without an effect a picture stays "
            "clear. Key-position differs between the pictures only by CLS's query and the scale "
            f"of the norm. {names_of(result)}",
        ),
        figure_of(
            result,
            READ,
            "read",
            f"What layer {last} reads from each patch, along the margin",
            f"{GRID}; a cell is what all heads of layer {last} together add to the margin from "
            f"there, in cosine. {truth}. A model that cannot tell the captions apart leaves both "
            f"pictures clear. {names_of(result)}",
        ),
        figure_of(
            result,
            GRADIENT,
            "gradient",
            "Which patches the margin rests on",
            f"{GRID}; a cell estimates, in cosine, what the margin would lose were this patch's "
            "embedding taken from the other picture: gradient times the difference of the two. "
            f"{truth}. A patch that is the same in both pictures, or that nothing "
            f"listens to, stays clear. {names_of(result)}",
        ),
    )


def names_of(result: "OverPicture") -> str:
    """What the outlines are."""
    if result.side == "half":
        return "Where the objects are is not known."
    left, right = result.objects[0], result.objects[-1]
    return (
        f"Outlined solid: the patches of the left object ({left}; in the mirror image {right}), "
        f"dotted: of the right one."
    )


def figure_of(
    result: "OverPicture", maps: Sequence[int], key: str, title: str, how_to_read: str
) -> Figure:
    """Some maps over both pictures, in the same colours."""
    unit = result.units[maps[0]]
    z = f"{'attention' if unit == 'share' else 'score' if unit == 'logits' else 'margin'} ({unit})"
    table = map_table(result, maps).drop(columns="unit").rename(columns={"value": z})
    top = float(np.abs(result.maps[list(maps)]).max()) or 1.0
    ends = (0.0 if unit == "share" else -top, top)
    by = "map" if len(maps) > 1 else None
    shown = table if by else table.drop(columns="map")
    return Figure(
        key=key,
        title=title,
        how_to_read=how_to_read,
        plot=overlay(shown, pictures_of(result), z=z, by=by, ends=ends),
        table=table,
    )


def pictures_of(result: "OverPicture") -> dict[str, Picture]:
    """Both pictures, with their objects outlined where it is known where they are."""
    known = result.side == "object"
    return {
        name: Picture(
            pixels=result.pictures[k],
            outlines=dict(zip(SIDES, result.sides[:, k], strict=True)) if known else {},
        )
        for k, name in enumerate(PICTURES)
    }
