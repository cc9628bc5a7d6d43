"""Controls of shape: what algebra predicts of an edit, and which heads carry order.

In one layer some edits are the same as another picture: with key-position reversed a picture is,
but for the values, its mirror image, with the objects' attention exchanged it is the picture with
its objects swapped, with it equalised a bag of objects. There the numbers say no more than that
the algebra holds. Evidence is what nothing predicts: the fitted line alone against what it leaves,
brought to the same size; single heads; doses; and everything at depth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lrinterp.analysis.ablation.rows import Ablation, Listed
from lrinterp.run import Run
from lrinterp.scoring import order_credit
from lrinterp.wording import head_name

__all__ = ["Carriers", "carriers", "predicted"]

ENOUGH = 0.02
"""Order that the heads named may leave above what is left without all."""
FEWEST = 4
"""Labels, or other units, from which a half may choose heads and the other half judge them."""
MIRRORED = ("order_reversed", "order_exchanged")
"""Edits that show a one-layer tower the picture with its objects in reverse."""

Credit = Float[np.ndarray, "image"]


def predicted(
    key: str, intact: Credit, layers: int, n_objects: int, chance: float
) -> Credit | None:
    """The order credit of each picture that algebra predicts under a control, or None.

    One layer and two objects: 1 - intact where the picture is reversed, chance where it is a bag.
    """
    if layers > 1 or n_objects > 2:
        return None
    if key in MIRRORED:
        return 1 - intact
    return np.full_like(intact, chance) if key == "order_equalised" else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Carriers:
    """The smallest greedy set of heads whose key-position carries order, judged on other labels."""

    heads: tuple[str, ...]
    without: Credit
    """Order credit without their key-position, of the pictures that had no say in the choice."""
    without_all: Credit
    """The same without that of all heads."""
    pictures: Int[np.ndarray, "image"]
    """Those pictures."""
    examples: str
    """Their fingerprint."""


def carriers(run: Run, listed: Listed) -> Carriers | None:
    """Add heads one by one, each the one that leaves least order, until ENOUGH is lost.

    Chosen on the pictures of half of the labels, judged on those of the other half; pictures with
    labels of both halves have no say. None for fewer than FEWEST labels, and for large towers.
    Cost: an ablation a head for every head that is named.
    """
    halves = split_in_half(run.examples.image_units.member)
    if halves is None or listed.large:
        return None
    choosing, judging = halves
    everything = order_without(run, listed.without)
    found, rest, credit = [], listed.heads(), order_credit(run.scores, run.examples)
    while rest and credit[choosing].mean() > everything[choosing].mean() + ENOUGH:
        tried = {place: order_without(run, together(listed, [*found, place])) for place in rest}
        best = min(tried, key=lambda place: tried[place][choosing].mean())
        credit = tried[best]
        found.append(best)
        rest.remove(best)
    return Carriers(
        heads=tuple(head_name(*place) for place in found),
        without=credit[judging],
        without_all=everything[judging],
        pictures=np.flatnonzero(judging),
        examples=run.examples.at(np.flatnonzero(judging)).fingerprint,
    )


def together(listed: Listed, places: Sequence[tuple[int, int]]) -> Ablation:
    """Key-position of some heads flattened at once."""
    return tuple(edit for place in places for edit in listed.head(*place))


def order_without(run: Run, ablation: Ablation) -> Credit:
    """Order credit of every picture under an ablation."""
    return order_credit(run.under(*ablation).scores, run.examples)


def split_in_half(
    member: Int[np.ndarray, "image role"], seed: int = 0
) -> tuple[Bool[np.ndarray, "image"], Bool[np.ndarray, "image"]] | None:
    """The pictures whose units all lie in the one half of the units, and in the other; or None."""
    n = int(member.max(initial=-1)) + 1
    if n < FEWEST:
        return None
    first = np.random.default_rng(seed).permutation(n) < n // 2
    one = np.all(first[member] | (member < 0), axis=1)
    other = np.all(~first[member] | (member < 0), axis=1)
    return (one, other) if one.any() and other.any() else None


def by_dose(
    credits: Mapping[str, Float[np.ndarray, "draw image"]], labels: Mapping[float, str]
) -> Iterator[tuple[float, Float[np.ndarray, "draw image"]]]:
    """The credits of each dose that was measured."""
    for dose, label in labels.items():
        if label in credits:
            yield dose, credits[label]
