"""Controls of shape: what algebra predicts of an edit, and which heads carry order.

In one layer some edits are the same as another picture: with key-position reversed a picture is,
but for the values, its mirror image, with the objects' attention exchanged it is the picture with
its objects swapped, with it equalised a bag of objects. There the numbers say no more than that
the algebra holds. Evidence is what nothing predicts: the fitted line alone against what it leaves,
brought to the same size; single heads; doses; and everything at depth.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from lrinterp.analysis.ablation.rows import REMOVED, Ablation, one_head, within
from lrinterp.analysis.read import CARRIERS, MORE_LEFT
from lrinterp.analysis.subject import heads_of, is_large, over_pictures
from lrinterp.result import Metric
from lrinterp.run import Run
from lrinterp.scoring import order_credit
from lrinterp.stats import GAP, SHARE, Sample
from lrinterp.wording import head_name

__all__ = ["carriers", "predictions"]

FEWEST = 4
"""Labels, or other units, from which a half may choose heads and the other half judge them."""

Credit = Float[np.ndarray, "image"]


def predictions(run: Run) -> Mapping[str, Credit]:
    """By summary key: the order credit of each picture that algebra predicts under a control.

    One layer and two objects: 1 - intact where the picture is reversed, chance where it is a bag.
    """
    if run.model.image.cfg.n_layers > 1 or run.examples.image_labels.shape[1] > 2:
        return {}
    intact = order_credit(run.scores, run.examples)
    bag = np.full_like(intact, run.examples.chance)
    return {"order_reversed": 1 - intact, "order_exchanged": 1 - intact, "order_equalised": bag}


def carriers(run: Run, known: Mapping[Ablation, Credit] | None = None) -> dict[str, Metric]:
    """The smallest greedy set of heads whose key-position carries order, judged on other labels.

    The heads, order without them, and how much more all heads take. Heads are added one by one,
    each the one that leaves least order, until no more than MORE_LEFT is left.

    Chosen on the pictures of half of the labels, judged on those of the other half; pictures with
    labels of both halves have no say. No number for fewer than FEWEST labels, and for large towers.
    Cost: an ablation a head for every head that is named, less the credits that are `known`, by
    ablation as the towers know it.
    """
    halves = split_in_half(run.examples.image_units.member)
    if halves is None or is_large(run.model):
        return {}
    choosing, judging = halves
    known = known or {}
    everything = order_without(run, REMOVED, known)
    credit, rest = order_credit(run.scores, run.examples), heads_of(run.model)
    names, taken = [], ()
    while rest and credit[choosing].mean() > everything[choosing].mean() + MORE_LEFT:
        tried = {place: order_without(run, taken + one_head(*place), known) for place in rest}
        best = min(tried, key=lambda place: tried[place][choosing].mean())
        credit, taken = tried[best], taken + one_head(*best)
        names.append(head_name(*best))
        rest.remove(best)
    judges = run.examples.at(np.flatnonzero(judging))
    without = Sample.mean(credit[None, judging], judges.image_units, SHARE)
    more = Sample.mean((credit - everything)[None, judging], judges.image_units, GAP)
    numbers = (
        Metric(value=", ".join(names) or "none", estimator="name"),
        over_pictures(judges, without, chance=run.examples.chance),
        over_pictures(judges, more, estimator="difference"),
    )
    return dict(zip(CARRIERS, numbers, strict=True))


def order_without(run: Run, ablation: Ablation, known: Mapping[Ablation, Credit]) -> Credit:
    """Order credit of every picture under an ablation, measured where it is not known."""
    own = within(run.model, ablation)
    return known[own] if own in known else order_credit(run.under(*own).scores, run.examples)


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
