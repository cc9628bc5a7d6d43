"""Cosines of captions, worked out by hand in two dimensions and recomputed one by one."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from lrinterp.analysis.geometry.cosines import Measure, apart, cosines, distances
from lrinterp.stats import COSINE, LINEAR, Units

TWO = (("cat", "dog"), ("hat", "jar"))


def objects_of(pairs: tuple[tuple[str, str], ...]) -> Units:
    names = sorted({name for pair in pairs for name in pair})
    return Units.of_labels(np.array([[names.index(name) for name in pair] for pair in pairs]))


def value(measure: Measure) -> float | None:
    return measure.interval(Units.of_groups(np.arange(len(measure.top))), LINEAR).value


def at(*degrees: float) -> np.ndarray:
    """Unit vectors at some angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def by_hand() -> np.ndarray:
    """Two pairs 90 degrees apart; the second word adds 60 degrees, the other order 30, no template
    changes anything.
    """
    grid = np.zeros((2, 2, 2, 2, 2))
    for pair, order, word in product(range(2), repeat=3):
        grid[pair, order, word] = 3.0 * at(90 * pair + 30 * order + 60 * word)
    return grid


def test_cosines_by_hand():
    units = objects_of(TWO)
    measures = cosines(by_hand(), apart(TWO))
    found = {name: m.interval(units, LINEAR) for name, m in measures.items()}
    assert found["relation"].value == pytest.approx(0.5)  # 60 degrees
    assert found["order"].value == pytest.approx(np.sqrt(3) / 2)  # 30
    assert found["paraphrase"].value == pytest.approx(1.0)
    # A left of B at 0, B right of A at 90; B left of A at 30, A right of B at 60
    assert found["mirror"].value == pytest.approx((0 + np.sqrt(3) / 2) / 2)
    assert found["mirror_gain"].value == pytest.approx(np.sqrt(3) / 4 - 0.5)
    # 90 in the same order, 120 and 60 in the other
    assert found["other_objects"].value == pytest.approx(0.0)
    assert {name: one.n for name, one in found.items()} == {
        "relation": 8,
        "order": 8,
        "paraphrase": 8,
        "mirror": 8,
        "other_objects": 16,
        "mirror_gain": 8,
    }
    assert {one.n_units for one in found.values()} == {4}


def test_distances_by_hand():
    chords = [2 * 3.0 * np.sin(np.radians(angle / 2)) for angle in (90, 90, 120, 60)]
    np.testing.assert_allclose(distances(by_hand(), apart(TWO)).mean(), np.mean(chords))


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
        strangers = [q for q in range(4) if not {*pairs[p]} & {*pairs[q]}]
        others = [(q, r, w, t) for q in strangers for r in range(2)]
        lists.setdefault("other_objects", []).append(
            float(np.mean([cosine(own, x) for x in others]))
        )
        far.append(float(np.mean([np.linalg.norm(points[own] - points[x]) for x in others])))
    found = cosines(points, apart(pairs))
    for name, values in lists.items():
        assert value(found[name]) == pytest.approx(np.mean(values)), name
    assert distances(points, apart(pairs)).mean() == pytest.approx(np.mean(far))


def test_without_strangers_nothing_is_said_of_other_objects():
    found = cosines(by_hand(), apart((("cat", "dog"), ("cat", "jar"))))
    assert value(found["other_objects"]) is None
    assert value(found["relation"]) == pytest.approx(0.5)


def test_one_template_has_no_paraphrases():
    found = cosines(by_hand()[:, :, :, :1], apart(TWO))
    interval = found["paraphrase"].interval(objects_of(TWO), LINEAR)
    assert (interval.value, interval.n) == (None, 0)


def test_sums_by_pair_make_the_value():
    top = np.array([[1.0, np.nan], [3.0, 5.0]])
    measure = Measure(top, np.full((2, 2), 2.0))
    sums = measure.by_pair
    assert [part.tolist() for part in sums] == [[1.0, 8.0], [2.0, 4.0]]
    interval = measure.interval(Units.of_groups(np.arange(2)), LINEAR)
    assert interval.value == sums[0].sum() / sums[1].sum() == 1.5
    assert (interval.n, interval.n_units) == (3, 2)
    assert interval.low is None  # units of one and two comparisons are worth 25/17, fewer than 2
    even = Measure(np.array([[1.0], [3.0]]), np.full((2, 1), 2.0))
    found = even.interval(Units.of_groups(np.arange(2)), LINEAR)
    half = stats.t.ppf(0.975, 1) * np.hypot(0.5, 0.5)  # 3/2 and 1/2 without either
    assert (found.low, found.high) == pytest.approx((1 - half, 1 + half))


def test_intervals_leave_out_objects_with_all_their_pairs():
    """Of three objects in three pairs each leaves one pair; other ways to group them differ."""
    pairs = (("a", "b"), ("b", "c"), ("a", "c"))
    measure = Measure(np.array([[0.0], [0.3], [0.9]]), np.ones((3, 1)))
    got = measure.interval(objects_of(pairs), LINEAR)
    left = np.array([0.3, 0.9, 0.0])
    half = stats.t.ppf(0.975, 2) * np.sqrt(((left - left.mean()) ** 2).sum())
    assert (got.value, got.high) == pytest.approx((0.4, 0.4 + half))
    within = measure.interval(objects_of(pairs), COSINE)
    assert within.low is not None
    assert -1 <= within.low < 0.4
