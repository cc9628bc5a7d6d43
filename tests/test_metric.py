"""Differences of numbers, and their samples on disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lrinterp.metric import Metric, joined, load_samples, save_samples
from lrinterp.stats import Sample, Units, difference
from lrinterp.store import InputError

UNITS = Units.of_groups(np.array([0, 0, 1, 1, 2, 2]))


def metric(values: list[float], examples: str = "a", units: Units = UNITS, draws: int = 1):
    sample = Sample.mean(np.tile(np.array(values, dtype=float), (draws, 1)), units)
    return Metric.of_sample(sample, examples=examples, unit="group", chance=0.5)


ONE, TWO = metric([1, 1, 1, 0, 1, 0]), metric([0, 1, 0, 0, 1, 0])


def test_numbers_of_the_same_examples_are_paired():
    gap = ONE - TWO
    found = difference(TWO.sample, ONE.sample, paired=True)
    assert gap.paired
    assert (gap.value, gap.low, gap.high) == tuple(
        getattr(found.interval, name) for name in ("value", "low", "high")
    )
    assert (gap.p, gap.least_p) == (found.p, found.least)
    assert gap.n == 6


@pytest.mark.parametrize(
    "other",
    [
        metric([0, 1, 0, 0, 1, 0], examples="b"),
        metric([0, 1, 0, 0, 1, 0], units=Units.of_groups(np.array([0, 1, 2, 0, 1, 2]))),
        metric([0, 1, 0, 0, 1, 0], draws=2),
        replace(TWO, examples=None),
    ],
)
def test_other_examples_units_or_draws_are_not_paired(other: Metric):
    assert ONE.pairs_with(TWO)
    assert not ONE.pairs_with(replace(other))
    gap = ONE - other
    found = difference(other.sample, ONE.sample, paired=False)
    assert gap.paired is False
    assert (gap.low, gap.high, gap.p) == (found.interval.low, found.interval.high, found.p)


def test_without_an_interval_a_difference_is_exact_and_a_name_has_none():
    gap = Metric(value=3) - Metric(value=1)
    assert (gap.value, gap.low, gap.p, gap.paired) == (2, None, None, None)
    for wrong in ("L0H1", None):
        with pytest.raises(TypeError, match="expected two numbers"):
            ONE - Metric(value=wrong)


def test_two_numbers_of_one_name_are_refused():
    assert joined({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="key 'a': two numbers have this name"):
        joined({"a": 1}, {"a": 1})


def test_samples_come_back_as_they_were(tmp_path: Path):
    path = tmp_path / "x.samples.npz"
    save_samples(path, {"one.order": ONE, "two.order": TWO, "no.sample": Metric(value=1)})
    found = load_samples(path)
    assert found == {"one.order": ONE, "two.order": TWO}
    assert found["one.order"].pairs_with(TWO)
    for name, own in (("one.order", ONE), ("two.order", TWO)):
        assert np.array_equal(found[name].sample.top, own.sample.top)
        assert found[name].sample.scale == own.sample.scale
    assert [file.name for file in tmp_path.iterdir()] == ["x.samples.npz"]


def test_a_damaged_file_is_refused_and_nothing_is_unpickled(tmp_path: Path):
    path = tmp_path / "x.samples.npz"
    save_samples(path, {"one.order": ONE})
    whole = path.read_bytes()
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, metrics=np.array([{"a": 1}], dtype=object))
    other = tmp_path / "other.npz"
    np.savez(other, x=np.ones(2))
    for place, data in ((path, whole[: len(whole) // 2]), (path, b""), (path, b"no zip")):
        place.write_bytes(data)
        with pytest.raises(InputError, match=r"x\.samples\.npz: not the samples"):
            load_samples(place)
    for place in (pickled, other):
        with pytest.raises(InputError, match="not the samples"):
            load_samples(place)
