"""Which heads order needs: the fewest whose removal takes it, and of all heads an estimate.

Estimate of a head, from one backward pass for all: d margin / d scores of its layer at the intact
run, times what flattening its key-position adds to them, summed over queries and keys. The margin
is the mean over pictures of the cosine with the true caption minus that with the same labels in
another order. It is exact for small changes and misses what bends on the way: a softmax, a norm, an
MLP. So some heads are measured as well, and the agreement is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.ablation.ablations import REMOVED, Ablation, one_head, row_of, within_model
from lrinterp.analysis.read import CARRIERS, MORE_LEFT, Place
from lrinterp.analysis.subject import heads_of, is_large, over_pictures
from lrinterp.decomposition import gauge_of
from lrinterp.result import Metric
from lrinterp.run import Edit, Run, TowerRun, gradient
from lrinterp.run.hooks import term_change
from lrinterp.run.memory import part_size
from lrinterp.scoring import order_credit
from lrinterp.stats import GAP, LINEAR, SHARE, Sample, agreement_of, mean_interval
from lrinterp.wording import head_name, plain_number

__all__ = [
    "AGREEMENT",
    "CHANGE",
    "carriers",
    "estimate_note",
    "estimate_rows",
    "head_estimates",
    "strongest_and_random",
]

FEWEST = 4
"""Labels, or other units, from which a half may choose heads and the other half judge them."""
CHANGE, AGREEMENT = "order_margin_change", "estimate_agreement"
"""Metrics of the table: edited minus intact margin, and how far two measures of it agree."""
STRONGEST, RANDOM = 6, 6
"""Heads that are measured: those of the largest estimate, and others drawn at random."""

PictureCredit = Float[np.ndarray, "image"]
Estimates = Float[np.ndarray, "layer head"]


def carriers(run: Run, known: Mapping[Ablation, PictureCredit] | None = None) -> dict[str, Metric]:
    """The smallest greedy set of heads whose key-position carries order, judged on other labels.

    The heads, swap accuracy without them, and how much more all heads take. Heads are added one by
    one, each the one that leaves the lowest swap accuracy, until no more than MORE_LEFT is left.

    Chosen on the pictures of half of the labels, judged on those of the other half; pictures with
    labels of both halves are not used. No number for fewer than FEWEST labels, and for large
    towers. Cost: an ablation a head for every head that is named, less the credits that are
    `known`, by ablation as the towers know it.
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
    return {
        CARRIERS[0]: Metric(value=", ".join(names) or "none", estimator="name"),
        CARRIERS[1]: over_pictures(judges, without, chance=run.examples.chance),
        CARRIERS[2]: over_pictures(judges, more, estimator="difference"),
    }


def order_without(
    run: Run, ablation: Ablation, known: Mapping[Ablation, PictureCredit]
) -> PictureCredit:
    """Swap-accuracy credit of every picture under an ablation, measured where it is not known."""
    own = within_model(run.model, ablation)
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


def head_estimates(run: Run) -> Estimates:
    """The first-order change of the mean order margin when a head's key-position is flattened.

    Every head of the image tower, all query rows. Cost: a forward and a backward pass.
    """
    tower, direction = run.towers["image"], run.direction
    names = [f"blocks.{layer}.attn.hook_attn_scores" for layer in range(tower.n_layers)]
    total = np.zeros((len(names), tower.tower.cfg.n_heads))
    for some, part in tower.parts(part_size(tower.tower, tower.n_positions)):
        slopes = gradient(part, direction[some], names)
        for layer, name in enumerate(names):
            change = slopes[name] * flattening(part, layer)
            total[layer] += change.sum((0, 2, 3)).double().cpu().numpy()
    return total / len(tower)


@torch.no_grad()
def flattening(part: TowerRun, layer: int) -> Float[Tensor, "batch head query key"]:
    """What flattening key-position adds to a layer's scores at the intact run, head by head."""
    split = part.streams.split(layer, gauge_of(part.tower, layer))
    return term_change(Edit(), part.at(slice(None)), layer, split)


def strongest_and_random(estimates: Estimates, seed: int = 0) -> list[Place]:
    """The heads to measure: the largest estimates either way, then some of the others."""
    order = np.argsort(-np.abs(estimates), axis=None, kind="stable")
    others = np.random.default_rng(seed).permutation(order[STRONGEST:])[:RANDOM]
    chosen = np.unravel_index([*order[:STRONGEST], *others], estimates.shape)
    return list(zip(*(places.tolist() for places in chosen), strict=True))


def estimate_rows(
    run: Run, estimates: Estimates, exact: Mapping[Place, Float[np.ndarray, "image"]]
) -> Iterator[dict[str, Any]]:
    """Table rows of every head's estimate, of what some heads did, and of how far both agree.

    The last two are Pearson's r and Spearman's rho over the heads that were measured; n counts
    them.
    """
    units = run.examples.image_units
    for place, value in np.ndenumerate(estimates):
        numbers = {"value": float(value), "n": len(units), "n_units": units.n}
        yield row_of(run, one_head(*place), (CHANGE, "first order"), numbers)
    for place, change in exact.items():
        interval = mean_interval(change, units, scale=LINEAR)
        yield row_of(run, one_head(*place), (CHANGE, "exact"), vars(interval))
    measured = np.array([change.mean() for change in exact.values()])
    found = agreement_of(measured, np.array([estimates[place] for place in exact]))
    for name in ("pearson", "spearman"):
        numbers = {"value": found[name], "n": found["n"], "n_units": found["n"]}
        row = row_of(run, one_head(0, 0), (AGREEMENT, name), numbers)
        yield {**row, "heads": "measured", "layers": "all"}


def estimate_note(n_heads: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """Which heads were measured, and how far the estimate can be trusted for the others."""
    agreed = [row for row in rows if row["metric"] == AGREEMENT]
    measured, values = agreed[0]["n"], [row["value"] for row in agreed]
    pearson, spearman = ("undefined" if r is None else plain_number(r) for r in values)
    return (
        f"Of the {n_heads} heads of the image tower {measured} are measured, too many to measure "
        "all: the strongest by a first-order estimate of the mean order margin (gradient at the "
        "intact scores times what flattening adds to them), and others drawn at random. The loss "
        f"of swap accuracy is known for these alone. Over the {measured} measured heads, "
        f"estimated and exact change of the margin agree with Pearson's r {pearson} and "
        f"Spearman's rho {spearman} (1: the estimate ranks heads as removal does; 0: no relation)."
    )
