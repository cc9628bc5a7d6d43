"""The values by picture: they must give the numbers and intervals that stand in the summaries."""

from dataclasses import replace

import numpy as np
import pytest

from lrinterp import Recording
from lrinterp.comparison.measured import Measured
from lrinterp.comparison.samples import MAKERS, OnPictures, fingerprint_of, samples
from lrinterp.result import Metric
from lrinterp.stats import Sample, Units


def scalars(measured: Measured) -> dict[str, Metric]:
    results = [result for result in measured.results.values() if type(result) in MAKERS]
    return {key: scalar for result in results for key, scalar in result.metrics.items()}


def test_every_number_with_an_interval_has_its_pictures(knows: Measured):
    with_interval = {key for key, scalar in scalars(knows).items() if scalar.low is not None}
    assert set(knows.samples) == with_interval
    assert len(with_interval) >= 15


def test_a_sample_has_the_value_and_the_interval_of_its_summary(knows: Measured):
    for key, found in knows.samples.items():
        scalar, sample = scalars(knows)[key], found.sample
        own = sample.interval
        assert sample.value == pytest.approx(scalar.value, abs=2e-6), key
        assert [own.low, own.high] == pytest.approx([scalar.low, scalar.high], abs=2e-6), key
        assert (own.n, own.n_units) == (scalar.n, scalar.n_units), key


def test_a_skipped_analysis_has_no_samples(left_right: Recording, knows_not: Measured):
    skipped = {"activation_patching": knows_not.results["activation_patching"]}
    assert skipped["activation_patching"].reason
    assert samples(left_right, skipped) == {}


def test_a_fingerprint_knows_its_pictures(left_right: Recording, no_gradient: Recording):
    one, other = left_right.examples, no_gradient.examples
    assert fingerprint_of(one) == fingerprint_of(other)
    backwards = one.at(np.arange(len(one))[::-1].copy())
    shorter = one.at(np.arange(len(one) - 1))
    renamed = replace(one, label_words=one.label_words[::-1])
    moved = replace(one, image_set=("seen_pair",) * len(one))
    prints = {fingerprint_of(e) for e in (one, backwards, shorter, renamed, moved)}
    assert len(prints) == 5


def test_pairs_need_the_same_pictures_units_and_as_many_draws():
    units = Units.of_groups(np.array([0, 0, 1, 1]))
    sample, single = (Sample.mean(np.ones((draws, 4)), units) for draws in (2, 1))
    regrouped = Sample.mean(np.ones((2, 4)), Units.of_groups(np.array([0, 1, 0, 1])))
    one = OnPictures(sample=sample, pictures="a")
    assert one.pairs_with(OnPictures(sample=sample, pictures="a"))
    assert not one.pairs_with(OnPictures(sample=sample, pictures="b"))
    assert not one.pairs_with(OnPictures(sample=single, pictures="a"))
    assert not one.pairs_with(OnPictures(sample=regrouped, pictures="a"))
