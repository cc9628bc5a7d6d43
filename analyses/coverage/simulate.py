"""Worlds in which the truth is known: labels, groups, draws and seeds, drawn afresh each time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import rankdata

from lrinterp.experiment.contrasts import contrast, share_interval
from lrinterp.stats import (
    CORRELATION,
    COSINE,
    SHARE,
    Difference,
    Interval,
    Sample,
    Units,
    difference,
    mean_interval,
    ratio_interval,
    seed_interval,
    statistic_interval,
)

Rng = np.random.Generator
Draw = Callable[[Rng], Interval | Difference]
SD, P, L, C = (0.3, 0.6, 1.0), (0.80, 0.90, 0.95, 0.98), (5, 10, 15), (5, 10, 30)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One world: what is drawn, and the number that its interval should hold."""

    kind: str
    place: dict[str, Any]
    truth: float
    draw: Draw


def expected(mu: float, sd: float) -> float:
    """Mean share where log odds are normal around mu."""
    return float((WEIGHTS * expit(mu + sd * NODES)).sum() / WEIGHTS.sum())


def centre(p: float, sd: float) -> float:
    """The log odds around which the mean share is p."""
    return float(brentq(lambda mu: expected(mu, sd) - p, -12, 14))


def pairs_of(n: int) -> np.ndarray:
    """All unordered pairs of n labels."""
    return np.stack(np.triu_indices(n, 1), 1)


def counts(rng: Rng, odds: np.ndarray, n: int) -> np.ndarray:
    """n pictures a pair, right or wrong."""
    return (rng.random((len(odds), n)) < expit(odds)[:, None]).astype(float).reshape(-1)


def by_labels(rng: Rng, sd: float, pairs: np.ndarray) -> np.ndarray:
    """What the labels of each pair add to its log odds."""
    return rng.normal(0, sd, pairs.max() + 1)[pairs].sum(1)


def share_of_labels(pictures: int, pair_sd: float, sd: float, p: float, n: int) -> Cell:
    """An accuracy over pairs of labels; labels differ, and in one arm pairs too."""
    pairs = pairs_of(n)
    units = Units.of_labels(np.repeat(pairs, pictures, axis=0))
    mu = centre(p, float(np.hypot(sd * 2**0.5, pair_sd)))

    def draw(rng: Rng) -> Interval:
        odds = mu + by_labels(rng, sd, pairs) + rng.normal(0, pair_sd, len(pairs))
        return mean_interval(counts(rng, odds, pictures), units)

    place = {"sd": sd, "p": p, "labels": n, "pictures": pictures, "pair sd": pair_sd}
    return Cell(kind="share, pairs of labels", place=place, truth=p, draw=draw)


def share_of_mixed_pairs(sd: float, p: float, n: int) -> Cell:
    """An accuracy over pairs of one of 15 trained and one of some held-out labels."""
    pairs = np.array([(i, 15 + j) for i in range(15) for j in range(n)])
    units, mu = Units.of_labels(np.repeat(pairs, 24, axis=0)), centre(p, sd * 2**0.5)

    def draw(rng: Rng) -> Interval:
        return mean_interval(counts(rng, mu + by_labels(rng, sd, pairs), 24), units)

    place = {"sd": sd, "p": p, "labels": f"15 and {n}"}
    return Cell(kind="share, mixed pairs", place=place, truth=p, draw=draw)


def share_of_groups(rows: int, sd: float, p: float, n: int) -> Cell:
    """An accuracy over independent groups of rows, of equal or, for rows = 0, unequal size."""
    sizes = np.full(n, rows) if rows else 1 + np.arange(n) % 8 * 3
    units, mu = Units.of_groups(np.repeat(np.arange(n), sizes)), centre(p, sd)

    def draw(rng: Rng) -> Interval:
        return mean_interval(counts(rng, np.repeat(mu + rng.normal(0, sd, n), sizes), 1), units)

    place = {"sd": sd, "p": p, "groups": n, "rows": rows or "1 to 22"}
    return Cell(kind="share, independent groups", place=place, truth=p, draw=draw)


def share_of_mirror_images(split: float, n: int) -> Cell:
    """A model at chance that says the same of most pictures and their mirror images."""
    units = Units.of_groups(np.repeat(np.arange(n), 2))

    def draw(rng: Rng) -> Interval:
        both = np.where(rng.random(n) < split, 0.5, rng.integers(0, 2, n))
        return mean_interval(np.repeat(both, 2), units)

    place = {"split": split, "groups": n}
    return Cell(kind="share, mirror images", place=place, truth=0.5, draw=draw)


def share_of_draws(sds: tuple[float, float], p: float, n: int) -> Cell:
    """An accuracy over 20 random draws of an ablation and pairs of labels."""
    pairs, (sd, by_draw) = pairs_of(n), sds
    units = Units.of_labels(np.repeat(pairs, 24, axis=0))
    mu = centre(p, float(np.hypot(sd * 2**0.5, by_draw)))

    def draw(rng: Rng) -> Interval:
        odds = mu + by_labels(rng, sd, pairs)
        runs = [counts(rng, odds + one, 24) for one in rng.normal(0, by_draw, 20)]
        return Sample.mean(np.stack(runs), units).interval

    place = {"sd": sd, "draw sd": by_draw, "p": p, "labels": n}
    return Cell(kind="share, draws and labels", place=place, truth=p, draw=draw)


def mean_of_labels(sd: float, noise: float, n: int) -> Iterator[Cell]:
    """A mean, and a ratio of means, of numbers without bounds over pairs of labels."""
    pairs = pairs_of(n)
    units = Units.of_labels(np.repeat(pairs, 6, axis=0))

    def values(rng: Rng) -> np.ndarray:
        each = 1 + by_labels(rng, sd, pairs)
        return np.repeat(each, 6) + rng.normal(0, noise, 6 * len(pairs))

    def mean(rng: Rng) -> Interval:
        return ratio_interval(values(rng), np.ones(len(units)), units)

    def ratio(rng: Rng) -> Interval:
        bottom = 4 + values(rng) / 2
        return ratio_interval(values(rng) + bottom / 2, bottom, units)

    place = {"sd": sd, "noise": noise, "labels": n}
    yield Cell(kind="mean without bounds, pairs of labels", place=place, truth=1.0, draw=mean)
    truth = 1 / 4.5 + 0.5
    yield Cell(kind="ratio of means, pairs of labels", place=place, truth=truth, draw=ratio)


def mean_cosine(sd: float, middle: float, n: int) -> Cell:
    """A mean of cosines, up to near 1, over pairs of labels."""
    pairs, spread = pairs_of(n), float(np.sqrt(2 * sd**2 + 0.1**2))
    units = Units.of_labels(np.repeat(pairs, 4, axis=0))
    truth = float((WEIGHTS * np.tanh(middle + spread * NODES)).sum() / WEIGHTS.sum())

    def draw(rng: Rng) -> Interval:
        each = np.repeat(middle + by_labels(rng, sd, pairs), 4)
        return mean_interval(np.tanh(each + rng.normal(0, 0.1, len(each))), units, scale=COSINE)

    place = {"sd": sd, "cosine": round(truth, 2), "labels": n}
    return Cell(kind="mean cosine, pairs of labels", place=place, truth=truth, draw=draw)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation."""
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def correlation(by_label: float, r: float, n: int) -> Cell:
    """Spearman's rho over pictures of pairs; labels move both numbers apart from each other."""
    pairs, within = pairs_of(n), 1 - by_label
    units = Units.of_labels(np.repeat(pairs, 8, axis=0))
    truth = float(6 / np.pi * np.arcsin(within * r / 2))

    def draw(rng: Rng) -> Interval:
        labels = rng.normal(0, np.sqrt(by_label / 2), (2, n))[:, pairs].sum(2)
        one, other = rng.normal(size=(2, len(units)))
        own = np.stack([one, r * one + np.sqrt(1 - r**2) * other]) * np.sqrt(within)
        x, y = np.repeat(labels, 8, axis=1) + own
        return statistic_interval(lambda kept: spearman(x[kept], y[kept]), units, scale=CORRELATION)

    place = {"by label": by_label, "rho": round(truth, 2), "labels": n}
    return Cell(kind="rank correlation, pairs of labels", place=place, truth=truth, draw=draw)


def difference_of_labels(sd: float, p: float, n: int, *, paired: bool) -> Cell:
    """Two models that are alike on average, on pictures of the same or of other labels."""
    pairs, mu = pairs_of(n), centre(p, sd * (2 if paired else 2**0.5))
    units = Units.of_labels(np.repeat(pairs, 24, axis=0))

    def draw(rng: Rng) -> Difference:
        shared = by_labels(rng, sd, pairs) if paired else 0.0
        odds = [mu + shared + by_labels(rng, sd, pairs) for _ in range(2)]
        one, two = (Sample.mean(counts(rng, each, 24)[None], units) for each in odds)
        return difference(one, two, paired=paired)

    kind = f"{'paired' if paired else 'unpaired'} difference, pairs of labels"
    return Cell(kind=kind, place={"sd": sd, "p": p, "labels": n}, truth=0.0, draw=draw)


def difference_of_groups(rows: int, sd: float, p: float, n: int) -> Cell:
    """Two models that are alike on average, on the same independent groups of rows."""
    units, mu = Units.of_groups(np.repeat(np.arange(n), rows)), centre(p, sd * 2**0.5)

    def draw(rng: Rng) -> Difference:
        shared = rng.normal(0, sd, n)
        odds = [mu + shared + rng.normal(0, sd, n) for _ in range(2)]
        one, two = (Sample.mean(counts(rng, each, rows)[None], units) for each in odds)
        return difference(one, two, paired=True)

    place = {"sd": sd, "p": p, "groups": n, "rows": rows}
    kind = "paired difference, independent groups"
    return Cell(kind=kind, place=place, truth=0.0, draw=draw)


def share_of_seeds(sd: float, p: float, n: int) -> Cell:
    """An accuracy over seeds, 900 pictures each."""
    mu = centre(p, sd)

    def draw(rng: Rng) -> Interval:
        return seed_interval(rng.binomial(900, expit(mu + rng.normal(0, sd, n))) / 900, SHARE)

    return Cell(kind="share, seeds", place={"sd": sd, "p": p, "seeds": n}, truth=p, draw=draw)


def contrast_of_seeds(sd: float, p: float, n: int) -> Cell:
    """The difference of an accuracy between two arms that are alike on average, paired by seed."""
    mu = centre(p, sd * 2**0.5)

    def draw(rng: Rng) -> Interval:
        odds = mu + rng.normal(0, sd, n)[:, None] + rng.normal(0, sd, (n, 2))
        return contrast(rng.binomial(900, expit(odds)) / 900, 1, SHARE)

    place = {"sd": sd, "p": p, "seeds": n}
    return Cell(kind="difference of arms, seeds", place=place, truth=0.0, draw=draw)


def mean_of_seeds(n: int) -> Cell:
    """A number without bounds over seeds."""
    return Cell(
        kind="mean without bounds, seeds",
        place={"seeds": n},
        truth=0.0,
        draw=lambda rng: seed_interval(rng.normal(size=n)),
    )


def share_of_variance(labels: float, layouts: float, noise: float, n: int) -> Cell:
    """A share of variance in a grid of 6 x 5 cells, as in `label_vs_layout`."""
    rows, columns = np.linspace(-1, 1, 6) * labels, np.linspace(-1, 1, 5) * layouts
    truth = float(rows.var() / (rows.var() + columns.var() + noise**2))
    means, weights = rows[:, None] + columns[None], np.array([1.0, 0.0, 0.0, 0.0])

    def draw(rng: Rng) -> Interval:
        return share_interval(means + rng.normal(0, noise, (n, 6, 5)), weights)

    place = {"labels": labels, "layouts": layouts, "noise": noise, "seeds": n}
    return Cell(kind="share of variance, seeds", place=place, truth=truth, draw=draw)


def every() -> Iterator[Cell]:
    """Every world of every kind."""
    for pictures, pair_sd in ((24, 0.0), (90, 0.0), (24, 0.5)):
        yield from (share_of_labels(pictures, pair_sd, *x) for x in product(SD, P, L))
    yield from (share_of_mixed_pairs(*x) for x in product(SD, P, L))
    for rows, sd in ((2, 0.3), (2, 1.0), (20, 0.3), (20, 1.0), (0, 0.6)):
        yield from (share_of_groups(rows, sd, *x) for x in product(P, C))
    yield from (share_of_mirror_images(*x) for x in product((0.7, 0.9, 0.98, 1.0), C))
    yield from (share_of_draws(*x) for x in product(((0.3, 0.6), (1.0, 0.3)), (0.5, 0.8, 0.95), L))
    for one in product((0.1, 0.5, 1.0), (0.5, 2.0), L):
        yield from mean_of_labels(*one)
    yield from (mean_cosine(*x) for x in product((0.1, 0.3), (0.5, 1.5, 2.5), L))
    yield from (correlation(*x) for x in product((0.2, 0.5), (0.0, 0.5, 0.9), L))
    for paired in (True, False):
        yield from (difference_of_labels(*x, paired=paired) for x in product(SD, P, L))
    for rows, sd in ((2, 0.3), (2, 1.0), (20, 0.3), (20, 1.0)):
        yield from (difference_of_groups(rows, sd, *x) for x in product(P, C))
    yield from (share_of_seeds(*x) for x in product(SD, P, (3, 8, 10)))
    yield from (contrast_of_seeds(*x) for x in product(SD, (0.8, 0.95), (3, 8, 10)))
    yield from map(mean_of_seeds, (3, 8, 10))
    two = (0.3, 1.0)
    yield from (share_of_variance(*x) for x in product(two, two, two, (8, 10)))


def failing_labels(n: int) -> Cell:
    """An accuracy over pairs of labels of which one in eight costs 4 of 4 logits."""
    pairs = pairs_of(n)
    units = Units.of_labels(np.repeat(pairs, 24, axis=0))
    chances = np.array([(7 / 8) ** 2, 2 * 7 / 64, 1 / 64])
    truth = float(chances @ expit([4.0, 0.0, -4.0]))

    def draw(rng: Rng) -> Interval:
        odds = 4 - 4.0 * (rng.random(n) < 1 / 8)[pairs].sum(1)
        return mean_interval(counts(rng, odds, 24), units)

    kind = "share, one label in eight fails"
    return Cell(kind=kind, place={"labels": n}, truth=truth, draw=draw)


def failing_seeds(n: int) -> Cell:
    """An accuracy over seeds of which one in eight fails."""

    def draw(rng: Rng) -> Interval:
        fails = rng.random(n) < 1 / 8
        return seed_interval(np.where(fails, 0.5, rng.normal(0.97, 0.005, n)), SHARE)

    place, truth = {"seeds": n}, 0.5 / 8 + 0.97 * 7 / 8
    return Cell(kind="share, one seed in eight fails", place=place, truth=truth, draw=draw)


def beyond() -> Iterator[Cell]:
    """Worlds for which nothing is promised: labels that differ more, seeds that fail."""
    for pictures in (24, 90):
        yield from (share_of_labels(pictures, 0.0, 1.5, *x) for x in product(P, L))
    yield from map(failing_labels, L)
    yield from map(failing_seeds, (3, 8, 10))


@cache
def cells(wider: bool = False) -> list[Cell]:  # noqa: FBT001, FBT002
    """Every world, in a fixed order: the place of a cell seeds its draws."""
    return list(beyond() if wider else every())
