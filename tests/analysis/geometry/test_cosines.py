"""Cosines of captions, worked out by hand in two dimensions and recomputed one by one."""

from itertools import product

import numpy as np
import pytest

from lrinterp.analysis.geometry.cosines import Measure, apart, cosines, distances

TWO = (("cat", "dog"), ("hat", "jar"))


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
    found = {name: m.interval(0) for name, m in cosines(by_hand(), apart(TWO)).items()}
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
    assert {one.n_units for one in found.values()} == {2}


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
        assert found[name].interval(0).value == pytest.approx(np.mean(values)), name
    assert distances(points, apart(pairs)).mean() == pytest.approx(np.mean(far))


def test_without_strangers_nothing_is_said_of_other_objects():
    found = cosines(by_hand(), apart((("cat", "dog"), ("cat", "jar"))))
    assert found["other_objects"].interval(0).value is None
    assert found["relation"].interval(0).value == pytest.approx(0.5)


def test_one_template_has_no_paraphrases():
    found = cosines(by_hand()[:, :, :, :1], apart(TWO))
    assert found["paraphrase"].interval(0).value is None
    assert found["paraphrase"].interval(0).n == 0


def test_sums_by_pair_make_the_value():
    top = np.array([[1.0, np.nan], [3.0, 5.0]])
    measure = Measure(top, np.full((2, 2), 2.0))
    sums = measure.by_pair
    assert [part.tolist() for part in sums] == [[1.0, 8.0], [2.0, 4.0]]
    interval = measure.interval(0)
    assert interval.value == sums[0].sum() / sums[1].sum() == 1.5
    assert (interval.n, interval.n_units) == (3, 2)
    assert (interval.low, interval.high) == (0.5, 2.0)
