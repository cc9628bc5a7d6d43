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

from lrinterp.stats import (
    CORRELATION,
    COSINE,
    SHARE,
    Difference,
    Interval,
    Sample,
    Units,
    crossed_interval,
    difference,
    mean_interval,
    ratio_interval,
    seed_interval,
    statistic_interval,
)
from lrinterp.study.statistics import share_interval

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
    null: bool = False
    """Is the truth 0, and does a p value go with it?"""


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


def shares_of_labels() -> Iterator[Cell]:
    """An accuracy over pairs of labels; labels differ, and in one arm pairs too."""
    for pictures, pair_sd in ((24, 0.0), (90, 0.0), (24, 0.5)):
        for sd, p, n in product(SD, P, L):
            pairs = pairs_of(n)
            units = Units.of_labels(np.repeat(pairs, pictures, axis=0))
            mu = centre(p, float(np.hypot(sd * 2**0.5, pair_sd)))

            def draw(rng: Rng, mu: float = mu, sd: float = sd, pairs: Any = pairs,
                     pictures: int = pictures, units: Units = units, n: int = n,
                     pair_sd: float = pair_sd) -> Interval:  # fmt: skip
                odds = mu + rng.normal(0, sd, n)[pairs].sum(1)
                odds = odds + rng.normal(0, pair_sd, len(pairs))
                return mean_interval(counts(rng, odds, pictures), units)

            place = {"sd": sd, "p": p, "labels": n, "pictures": pictures, "pair sd": pair_sd}
            yield Cell(kind="share, pairs of labels", place=place, truth=p, draw=draw)


def shares_of_mixed_pairs() -> Iterator[Cell]:
    """An accuracy over pairs of one of 15 trained and one of some held-out labels."""
    for sd, p, n in product(SD, P, L):
        pairs = np.array([(i, 15 + j) for i in range(15) for j in range(n)])
        units, mu = Units.of_labels(np.repeat(pairs, 24, axis=0)), centre(p, sd * 2**0.5)

        def draw(rng: Rng, mu: float = mu, sd: float = sd, pairs: Any = pairs,
                 units: Units = units, n: int = n) -> Interval:  # fmt: skip
            return mean_interval(
                counts(rng, mu + rng.normal(0, sd, 15 + n)[pairs].sum(1), 24), units
            )

        place = {"sd": sd, "p": p, "labels": f"15 and {n}", "pictures": 24}
        yield Cell(kind="share, mixed pairs", place=place, truth=p, draw=draw)


def shares_of_groups() -> Iterator[Cell]:
    """An accuracy over independent groups of rows, of equal and of unequal size."""
    for (rows, sd), p, n in product(((2, 0.3), (2, 1.0), (20, 0.3), (20, 1.0), (0, 0.6)), P, C):
        sizes = np.full(n, rows) if rows else 1 + np.arange(n) % 8 * 3
        units = Units.of_groups(np.repeat(np.arange(n), sizes))
        mu = centre(p, sd)

        def draw(rng: Rng, mu: float = mu, sd: float = sd, sizes: Any = sizes,
                 units: Units = units, n: int = n) -> Interval:  # fmt: skip
            odds = np.repeat(mu + rng.normal(0, sd, n), sizes)
            return mean_interval(counts(rng, odds, 1), units)

        place = {"sd": sd, "p": p, "groups": n, "rows": rows or "1 to 22"}
        yield Cell(kind="share, independent groups", place=place, truth=p, draw=draw)


def mirror_images() -> Iterator[Cell]:
    """A model at chance that says the same of most pictures and their mirror images."""
    for split, n in product((0.7, 0.9, 0.98, 1.0), C):
        units = Units.of_groups(np.repeat(np.arange(n), 2))

        def draw(rng: Rng, split: float = split, units: Units = units, n: int = n) -> Interval:
            both = np.where(rng.random(n) < split, 0.5, rng.integers(0, 2, n))
            return mean_interval(np.repeat(both, 2), units)

        place = {"split": split, "groups": n}
        yield Cell(kind="share, mirror images", place=place, truth=0.5, draw=draw)


def crossed() -> Iterator[Cell]:
    """An accuracy over 20 random draws of an ablation and pairs of labels."""
    for (sd, by_draw), p, n in product(((0.3, 0.6), (1.0, 0.3)), (0.5, 0.8, 0.95), L):
        pairs = pairs_of(n)
        units, mu = (
            Units.of_labels(np.repeat(pairs, 24, axis=0)),
            centre(p, float(np.hypot(sd * 2**0.5, by_draw))),
        )

        def draw(rng: Rng, mu: float = mu, sd: float = sd, by_draw: float = by_draw,
                 pairs: Any = pairs, units: Units = units, n: int = n) -> Interval:  # fmt: skip
            odds = mu + rng.normal(0, sd, n)[pairs].sum(1)
            runs = [counts(rng, odds + one, 24) for one in rng.normal(0, by_draw, 20)]
            return crossed_interval(np.stack(runs), units)

        place = {"sd": sd, "draw sd": by_draw, "p": p, "labels": n}
        yield Cell(kind="share, draws and labels", place=place, truth=p, draw=draw)


def means_of_labels() -> Iterator[Cell]:
    """A mean, and a ratio of means, of numbers without bounds over pairs of labels."""
    for sd, noise, n in product((0.1, 0.5, 1.0), (0.5, 2.0), L):
        pairs = pairs_of(n)
        units = Units.of_labels(np.repeat(pairs, 6, axis=0))

        def values(rng: Rng, sd: float = sd, noise: float = noise, pairs: Any = pairs,
                   n: int = n) -> np.ndarray:  # fmt: skip
            each = 1 + rng.normal(0, sd, n)[pairs].sum(1)
            return np.repeat(each, 6) + rng.normal(0, noise, 6 * len(pairs))

        def draw(rng: Rng, values: Any = values, units: Units = units) -> Interval:
            return ratio_interval(values(rng), np.ones(len(units)), units)

        def ratio(rng: Rng, values: Any = values, units: Units = units) -> Interval:
            bottom = 4 + values(rng) / 2
            return ratio_interval(values(rng) + bottom / 2, bottom, units)

        place = {"sd": sd, "noise": noise, "labels": n}
        yield Cell(kind="mean without bounds, pairs of labels", place=place, truth=1.0, draw=draw)
        yield Cell(
            kind="ratio of means, pairs of labels", place=place, truth=1 / 4.5 + 0.5, draw=ratio
        )


def cosines() -> Iterator[Cell]:
    """A mean of cosines near 1 over pairs of labels."""
    for sd, middle, n in product((0.1, 0.3), (0.5, 1.5, 2.5), L):
        pairs = pairs_of(n)
        units = Units.of_labels(np.repeat(pairs, 4, axis=0))
        spread = float(np.sqrt(2 * sd**2 + 0.1**2))
        truth = float((WEIGHTS * np.tanh(middle + spread * NODES)).sum() / WEIGHTS.sum())

        def draw(rng: Rng, middle: float = middle, sd: float = sd, pairs: Any = pairs,
                 units: Units = units, n: int = n) -> Interval:  # fmt: skip
            each = np.repeat(middle + rng.normal(0, sd, n)[pairs].sum(1), 4)
            values = np.tanh(each + rng.normal(0, 0.1, len(each)))
            return mean_interval(values, units, scale=COSINE)

        place = {"sd": sd, "cosine": round(truth, 2), "labels": n}
        yield Cell(kind="mean cosine, pairs of labels", place=place, truth=truth, draw=draw)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation."""
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def correlations() -> Iterator[Cell]:
    """Spearman's rho over pictures of pairs whose labels move both numbers, apart from each other."""
    for by_label, r, n in product((0.2, 0.5), (0.0, 0.5, 0.9), L):
        pairs = pairs_of(n)
        units = Units.of_labels(np.repeat(pairs, 8, axis=0))
        within = 1 - by_label
        truth = 6 / np.pi * np.arcsin(within * r / 2)

        def draw(rng: Rng, by_label: float = by_label, r: float = r, within: float = within,
                 pairs: Any = pairs, units: Units = units, n: int = n) -> Interval:  # fmt: skip
            labels = rng.normal(0, np.sqrt(by_label / 2), (2, n))[:, pairs].sum(2)
            one, other = rng.normal(size=(2, len(units)))
            own = np.stack([one, r * one + np.sqrt(1 - r**2) * other]) * np.sqrt(within)
            x, y = np.repeat(labels, 8, axis=1) + own
            return statistic_interval(
                lambda kept: spearman(x[kept], y[kept]), units, scale=CORRELATION
            )

        place = {"by label": by_label, "rho": round(float(truth), 2), "labels": n}
        yield Cell(
            kind="rank correlation, pairs of labels", place=place, truth=float(truth), draw=draw
        )


def paired_differences() -> Iterator[Cell]:
    """Two models that are alike on average, on the same pictures: of pairs, and of groups."""
    for sd, p, n in product(SD, P, L):
        pairs, mu = pairs_of(n), centre(p, sd * 2)
        units = Units.of_labels(np.repeat(pairs, 24, axis=0))

        def draw(rng: Rng, mu: float = mu, sd: float = sd, pairs: Any = pairs,
                 units: Units = units, n: int = n) -> Difference:  # fmt: skip
            shared = rng.normal(0, sd, n)[pairs].sum(1)
            odds = [mu + shared + rng.normal(0, sd, n)[pairs].sum(1) for _ in range(2)]
            one, two = (Sample.mean(counts(rng, each, 24)[None], units) for each in odds)
            return difference(one, two, paired=True)

        place = {"sd": sd, "p": p, "labels": n}
        yield Cell(
            kind="paired difference, pairs of labels", place=place, truth=0, draw=draw, null=True
        )
    for (sd, rows), p, n in product(((0.3, 2), (1.0, 2), (0.3, 20), (1.0, 20)), P, C):
        units, mu = Units.of_groups(np.repeat(np.arange(n), rows)), centre(p, sd * 2**0.5)

        def grouped(rng: Rng, mu: float = mu, sd: float = sd, rows: int = rows,
                    units: Units = units, n: int = n) -> Difference:  # fmt: skip
            shared = rng.normal(0, sd, n)
            odds = [mu + shared + rng.normal(0, sd, n) for _ in range(2)]
            one, two = (Sample.mean(counts(rng, each, rows)[None], units) for each in odds)
            return difference(one, two, paired=True)

        place = {"sd": sd, "p": p, "groups": n, "rows": rows}
        yield Cell(
            kind="paired difference, independent groups",
            place=place,
            truth=0,
            draw=grouped,
            null=True,
        )


def other_differences() -> Iterator[Cell]:
    """Two models that are alike on average, on pictures of other labels."""
    for sd, p, n in product(SD, P, L):
        pairs, mu = pairs_of(n), centre(p, sd * 2**0.5)
        units = Units.of_labels(np.repeat(pairs, 24, axis=0))

        def draw(rng: Rng, mu: float = mu, sd: float = sd, pairs: Any = pairs,
                 units: Units = units, n: int = n) -> Difference:  # fmt: skip
            odds = [mu + rng.normal(0, sd, n)[pairs].sum(1) for _ in range(2)]
            one, two = (Sample.mean(counts(rng, each, 24)[None], units) for each in odds)
            return difference(one, two, paired=False)

        place = {"sd": sd, "p": p, "labels": n}
        yield Cell(
            kind="unpaired difference, pairs of labels", place=place, truth=0, draw=draw, null=True
        )


def means_of_seeds() -> Iterator[Cell]:
    """An accuracy over seeds, a number without bounds, and the difference of two arms."""
    for sd, p, n in product(SD, P, (3, 8, 10)):
        mu = centre(p, sd)

        def draw(rng: Rng, mu: float = mu, sd: float = sd, n: int = n) -> Interval:
            shares = rng.binomial(900, expit(mu + rng.normal(0, sd, n))) / 900
            return seed_interval(shares, SHARE)

        place = {"sd": sd, "p": p, "seeds": n}
        yield Cell(kind="share, seeds", place=place, truth=p, draw=draw)
    for n in (3, 8, 10):
        yield Cell(
            kind="mean without bounds, seeds",
            place={"seeds": n},
            truth=0.0,
            draw=lambda rng, n=n: seed_interval(rng.normal(size=n)),
        )


def shares_of_variance() -> Iterator[Cell]:
    """Shares of variance of a grid of 6 x 5 cells with 8 seeds, as in label_vs_layout."""
    for labels, layouts, noise, n in product((0.3, 1.0), (0.3, 1.0), (0.3, 1.0), (8, 10)):
        effects = np.linspace(-1, 1, 6) * labels, np.linspace(-1, 1, 5) * layouts
        own = [float(one.var()) for one in effects]
        total, weights = sum(own) + noise**2, np.array([1.0, 0.0, 0.0, 0.0])

        def draw(rng: Rng, effects: Any = effects, noise: float = noise, n: int = n,
                 weights: Any = weights) -> Interval:  # fmt: skip
            means = effects[0][:, None] + effects[1][None]
            return share_interval(means + rng.normal(0, noise, (n, 6, 5)), weights)

        place = {"labels": labels, "layouts": layouts, "noise": noise, "seeds": n}
        yield Cell(kind="share of variance, seeds", place=place, truth=own[0] / total, draw=draw)


KINDS: tuple[Callable[[], Iterator[Cell]], ...] = (
    shares_of_labels,
    shares_of_mixed_pairs,
    shares_of_groups,
    mirror_images,
    crossed,
    means_of_labels,
    cosines,
    correlations,
    paired_differences,
    other_differences,
    means_of_seeds,
    shares_of_variance,
)


@cache
def cells() -> list[Cell]:
    """Every world of every kind."""
    return [cell for kind in KINDS for cell in kind()]
