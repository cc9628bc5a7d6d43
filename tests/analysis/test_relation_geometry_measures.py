"""Cosines of captions by hand and one by one; a planted direction is found at its strength."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats

from lrinterp.analysis.relation_geometry_measures import (
    Measure,
    cosines,
    direction,
    distances,
    signs_of,
    strangers,
)
from lrinterp.stats import COSINE, Units

PAIRS, ORDERS, TEMPLATES, WIDTH = 60, 2, 3, 40
NAMES = tuple((f"a{i}", f"b{i}") for i in range(PAIRS))
NOISE = 0.5


def objects_of(pairs: tuple[tuple[str, str], ...]) -> Units:
    names = sorted({name for pair in pairs for name in pair})
    return Units.of_labels(np.array([[names.index(name) for name in pair] for pair in pairs]))


def value(measure: Measure) -> float | None:
    return measure.interval(Units.of_groups(np.arange(len(measure.top)))).value


def test_every_cosine_one_by_one():
    """Loops over captions, against the arrays."""
    rng = np.random.default_rng(0)
    pairs = (("a", "b"), ("b", "c"), ("d", "e"), ("f", "g"))
    points = rng.normal(size=(4, 2, 2, 3, 5))

    def cosine(one: tuple[int, ...], other: tuple[int, ...]) -> float:
        x, y = points[one], points[other]
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    lists: dict[str, list[float]] = {}
    far: list[float] = []
    for p, o, w, t in product(range(4), range(2), range(2), range(3)):
        own = (p, o, w, t)
        lists.setdefault("relation", []).append(cosine(own, (p, o, 1 - w, t)))
        lists.setdefault("order", []).append(cosine(own, (p, 1 - o, w, t)))
        lists.setdefault("mirror", []).append(cosine(own, (p, 1 - o, 1 - w, t)))
        for s in set(range(3)) - {t}:
            lists.setdefault("paraphrase", []).append(cosine(own, (p, o, w, s)))
        unlike = [q for q in range(4) if not {*pairs[p]} & {*pairs[q]}]
        others = [(q, r, w, t) for q in unlike for r in range(2)]
        lists.setdefault("other_objects", []).append(
            float(np.mean([cosine(own, x) for x in others]))
        )
        far.append(float(np.mean([np.linalg.norm(points[own] - points[x]) for x in others])))
    found = cosines(points, strangers(pairs))
    for name, values in lists.items():
        assert value(found[name]) == pytest.approx(np.mean(values)), name
    assert distances(points, strangers(pairs)).mean() == pytest.approx(np.mean(far))


def test_sums_by_pair_make_the_value():
    top = np.array([[1.0, np.nan], [3.0, 5.0]])
    measure = Measure(top, np.full((2, 2), 2.0))
    sample = measure.sample(Units.of_groups(np.arange(2)))
    assert (sample.top.tolist(), sample.bottom.tolist()) == ([[1.0, 8.0]], [2.0, 4.0])
    interval = measure.interval(Units.of_groups(np.arange(2)))
    assert interval.value == sample.value == 1.5
    assert (interval.n, interval.n_units) == (3, 2)
    assert interval.low is None  # units of one and two comparisons are worth 25/17, fewer than 2
    even = Measure(np.array([[1.0], [3.0]]), np.full((2, 1), 2.0))
    found = even.interval(Units.of_groups(np.arange(2)))
    half = stats.t.ppf(0.975, 1) * np.hypot(0.5, 0.5)  # 3/2 and 1/2 without either
    assert (found.low, found.high) == pytest.approx((1 - half, 1 + half))


def test_intervals_leave_out_objects_with_all_their_pairs():
    """Of three objects in three pairs each leaves one pair; other ways to group them differ."""
    pairs = (("a", "b"), ("b", "c"), ("a", "c"))
    measure = Measure(np.array([[0.0], [0.3], [0.9]]), np.ones((3, 1)))
    got = measure.interval(objects_of(pairs))
    left = np.array([0.3, 0.9, 0.0])
    half = stats.t.ppf(0.975, 2) * np.sqrt(((left - left.mean()) ** 2).sum())
    assert (got.value, got.high) == pytest.approx((0.4, 0.4 + half))
    within = replace(measure, scale=COSINE).interval(objects_of(pairs))
    assert within.low is not None
    assert -1 <= within.low < 0.4


def planted(strength: float, seed: int = 0) -> np.ndarray:
    """Captions = objects (orthogonal to the direction) + noise ± strength along the first axis."""
    rng = np.random.default_rng(seed)
    objects = rng.normal(size=(PAIRS, 1, 1, 1, WIDTH)) * (np.arange(WIDTH) > 0)
    points = objects + NOISE * rng.normal(size=(PAIRS, ORDERS, 2, TEMPLATES, WIDTH))
    points[:, :, 0, :, 0] += strength
    points[:, :, 1, :, 0] -= strength
    return points


def shuffled(points: np.ndarray, seed: int = 1) -> np.ndarray:
    """The same captions with the two words exchanged in pairs drawn at random."""
    flip = np.random.default_rng(seed).random(len(points)) < 0.5
    return np.where(flip[:, None, None, None, None], points[:, :, ::-1], points)


def measures(points: np.ndarray, draws: int = 300):
    return direction(points, strangers(NAMES[: len(points)]), signs_of(len(points), 0, draws))


def values(points: np.ndarray) -> dict[str, float]:
    return {name: value(m) or 0.0 for name, m in measures(points).items()}


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0])
def test_a_planted_direction_is_found_at_its_strength(strength: float):
    """cos(d, m) = 4 s^2 / |d| |m| with |d|^2 = 4 s^2 + 2 noise^2 width, the noise of m divided by
    the number of differences that it is a mean of; shares of the total variance.
    """
    found = values(planted(strength))
    noise, fitted = 2 * NOISE**2 * WIDTH, (PAIRS - 1) * ORDERS * TEMPLATES
    length, mean = (np.sqrt(4 * strength**2 + part) for part in (noise, noise / fitted))
    total = strength**2 + (WIDTH - 1) + NOISE**2 * WIDTH
    assert found["consistency"] == pytest.approx(4 * strength**2 / length / mean, abs=0.025)
    assert found["relation_share"] == pytest.approx(strength**2 / total, rel=0.1)
    assert found["variance_share"] == pytest.approx((strength**2 + NOISE**2) / total, rel=0.1)
    far = np.sqrt(2 * (WIDTH - 1 + NOISE**2 * WIDTH))
    assert found["relative_norm"] == pytest.approx(length / far, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_words_have_no_direction(seed: int):
    found = measures(shuffled(planted(1.0, seed), seed))
    consistency = found["consistency"]
    assert consistency.null is not None
    low, high = np.quantile(consistency.null, [0.005, 0.995])
    assert low <= (value(consistency) or 0) <= high
    assert abs(value(found["relation_share"]) or 0) < 0.01


def test_the_null_is_that_of_words_exchanged_one_by_one():
    """Each draw of the null equals the measure of captions whose words were exchanged."""
    points = planted(0.5)[:6]
    signs = signs_of(6, seed=3, draws=5)
    found = direction(points, strangers(NAMES[:6]), signs)
    for k, sign in enumerate(signs[1:]):
        turned = np.where(sign[:, None, None, None, None] > 0, points, points[:, :, ::-1])
        alone = direction(turned, strangers(NAMES[:6]), signs[:1])
        for name in ("consistency", "direction_accuracy", "relation_share"):
            null = found[name].null
            assert null is not None
            assert null[k] == pytest.approx(value(alone[name]))


def test_held_out_means_that_no_object_is_shared():
    """With loops: the direction of a pair comes from the pairs without its objects."""
    names = (("a", "b"), ("b", "c"), ("c", "d"), ("e", "f"), ("g", "a"))
    points = planted(0.7)[:5]
    d = points[:, :, 0] - points[:, :, 1]
    cosines, products, along, right = [], [], [], []
    mean = points.mean((0, 1, 2, 3))
    for p, own in enumerate(names):
        others = [q for q, other in enumerate(names) if not {*own} & {*other}]
        m = d[others].mean((0, 1, 2))
        u = m / np.linalg.norm(m)
        cosines += [x @ u / np.linalg.norm(x) for x in d[p].reshape(-1, WIDTH)]
        products += [x @ m / 4 for x in d[p].reshape(-1, WIDTH)]
        along += [((x - mean) @ u) ** 2 for x in points[p].reshape(-1, WIDTH)]
        middle = points[others].mean((0, 1, 2, 3)) @ u
        right += [x @ u > middle for x in points[p, :, 0].reshape(-1, WIDTH)]
        right += [x @ u < middle for x in points[p, :, 1].reshape(-1, WIDTH)]
    found = direction(points, strangers(names), signs_of(5, 0, 1))
    total = ((points - mean) ** 2).sum(-1).mean()
    expected = {
        "consistency": np.mean(cosines),
        "relation_share": np.mean(products) / total,
        "variance_share": np.mean(along) / total,
        "direction_accuracy": np.mean(right),
    }
    for name, own in expected.items():
        assert value(found[name]) == pytest.approx(own), name


def test_turning_moving_and_scaling_the_space_change_nothing():
    points = planted(0.7)[:10]
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, WIDTH)))
    there = values(points)
    for moved in (points @ turn, 7.0 * points, points + 1.0):
        assert values(moved) == pytest.approx(there)


def test_pairs_that_all_share_an_object_have_no_direction():
    found = direction(planted(1.0)[:2], strangers((("a", "b"), ("a", "c"))), signs_of(2, 0, 10))
    assert {value(one) for one in found.values()} == {None}
