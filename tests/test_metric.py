"""A Metric is its sample's number, differences pair what can be paired, and samples are kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lrinterp.metric import Gap, Metric, joined, load_samples, save_samples
from lrinterp.stats import GAP, LINEAR, SHARE, Sample, Units, added, difference
from lrinterp.store import InputError

PAIRS = Units.of_labels(np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [0, 2]]))
RIGHT = np.array([[1, 1, 0, 1, 0.5, 1], [1, 0, 0, 1, 0.5, 1]])


def sample(values: np.ndarray = RIGHT, units: Units = PAIRS) -> Sample:
    return Sample.mean(values, units, SHARE)


def metric(values: np.ndarray = RIGHT, examples: str = "a", units: Units = PAIRS) -> Metric:
    return Metric.of_sample(sample(values, units), examples=examples, unit="label", chance=0.5)


OTHER = RIGHT[:, ::-1].copy()


def test_a_mean_has_the_value_and_interval_of_its_sample():
    one = metric()
    assert one.value == pytest.approx(RIGHT.mean())
    assert one.as_interval() == sample().interval
    assert (one.n, one.n_units, one.unit, one.chance) == (6, 5, "label", 0.5)
    assert one.estimator == "mean"


def test_a_ratio_says_so_unless_told_otherwise():
    ratio = replace(sample(), bottom=np.arange(1.0, 7), scale=LINEAR)
    assert Metric.of_sample(ratio).estimator == "ratio"
    assert Metric.of_sample(ratio).value == pytest.approx(RIGHT.mean(0).sum() / 21)
    assert Metric.of_sample(ratio, estimator="difference").estimator == "difference"


@pytest.mark.parametrize(
    ("one", "other"),
    [(metric(), metric(OTHER)), (metric(RIGHT[:1]), metric(OTHER[:1])), (metric(), metric())],
)
def test_the_same_examples_are_paired(one: Metric, other: Metric):
    assert one.sample is not None
    assert other.sample is not None
    gap = one - other
    found = difference(other.sample, one.sample, paired=True)
    assert gap.as_interval() == found.interval
    assert (gap.p, gap.least_p, gap.paired) == (found.p, found.least, True)
    assert gap.value == pytest.approx(float(one.value or 0) - float(other.value or 0))
    assert (gap.n, gap.estimator) == (6, "difference")


@pytest.mark.parametrize(
    "other",
    [
        metric(OTHER, examples="b"),
        metric(OTHER[:1]),
        metric(OTHER, units=Units.of_groups(np.arange(6))),
        replace(metric(OTHER), examples=None),
    ],
    ids=["other examples", "other draws", "other units", "unknown examples"],
)
def test_other_examples_are_not_paired(other: Metric):
    one = metric()
    gap, found = one - other, added(other.as_interval(), one.as_interval(), GAP)
    assert not one.pairs_with(other)
    assert gap.as_interval() == found.interval
    assert (gap.p, gap.paired, gap.n) == (found.p, False, 12)


def test_without_a_sample_intervals_are_added():
    one, other = metric(), replace(metric(OTHER), sample=None)
    for a, b in ((one, other), (other, one)):
        found = added(b.as_interval(), a.as_interval())
        assert (a - b).as_interval() == found.interval
        assert ((a - b).p, (a - b).paired) == (found.p, False)


def test_without_an_interval_a_difference_is_exact():
    assert Metric(value=3.0) - Metric(value=1) == Gap(value=2.0, estimator="difference")
    assert (metric() - Metric(value=0.25)).low is None


@pytest.mark.parametrize("other", [Metric(value="L0H2"), Metric(value=None)])
def test_a_name_and_nothing_have_no_difference(other: Metric):
    with pytest.raises(TypeError, match="expected two numbers"):
        _ = metric() - other
    with pytest.raises(TypeError, match="expected two numbers"):
        _ = other - metric()


def test_two_numbers_of_one_name_are_refused():
    one, other = {"order": metric(), "gain": metric()}, {"span": metric(OTHER)}
    assert list(joined(one, other)) == ["order", "gain", "span"]
    with pytest.raises(ValueError, match="'gain': two numbers have this name"):
        joined(one, other, {"gain": metric(OTHER)})


def same(one: Metric, other: Metric) -> bool:
    a, b = one.sample, other.sample
    assert a is not None
    assert b is not None
    arrays = zip((a.top, a.bottom, a.units.member), (b.top, b.bottom, b.units.member), strict=True)
    return one == other and a.scale == b.scale and all(map(np.array_equal, *zip(*arrays)))  # noqa: B905


def test_samples_survive_the_disk(tmp_path: Path):
    path = tmp_path / "found.samples.npz"
    rough = metric(RIGHT / 3, examples="b")
    ratio = Sample(top=RIGHT - 0.3, bottom=np.arange(1.0, 7), units=PAIRS)
    kept = {"accuracy.order": metric(), "x.rough": rough, "x.ratio": Metric.of_sample(ratio)}
    save_samples(path, {**kept, "x.slope": Metric(value=2.0)})
    again = load_samples(path)
    assert list(again) == list(kept)
    assert all(same(again[key], one) for key, one in kept.items())
    assert again["accuracy.order"].pairs_with(metric(OTHER))
    assert not again["x.rough"].pairs_with(metric(OTHER))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_credits_are_kept_in_single_precision_and_nothing_is_rounded(tmp_path: Path):
    path = tmp_path / "found.samples.npz"
    save_samples(path, {"a.credits": metric(), "a.thirds": metric(RIGHT / 3)})
    with np.load(path) as archive:
        kinds = {name: archive[name].dtype for name in archive.files}
    assert kinds["a.credits/top"] == kinds["a.credits/bottom"] == np.float32
    assert kinds["a.thirds/top"] == np.float64
    assert kinds["a.credits/member"] == np.int32


def test_equal_samples_make_equal_files(tmp_path: Path):
    for name in "ab":
        save_samples(tmp_path / name, {"x.order": metric()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_samples(tmp_path / "a", {"x.span": Metric(value=2.0)})
    assert load_samples(tmp_path / "a") == {}


def test_damage_is_noticed_or_harmless(tmp_path: Path):
    path = tmp_path / "found.samples.npz"
    save_samples(path, {"x.order": metric()})
    whole = path.read_bytes()
    for keep in (0, 4, 200, -30):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"found\.samples\.npz: not the samples of a results"):
            load_samples(path)
    for place in range(0, len(whole), 9):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        try:
            again = load_samples(path)
        except InputError:
            continue
        assert same(again["x.order"], metric())


@pytest.mark.parametrize(
    "change",
    [
        {"x.order/top": RIGHT[:, :3]},
        {"x.order/member": np.ones((6, 2))},
        {"x.order/member": np.full((6, 2), -2)},
        {"x.order/top": np.array([[None] * 6])},
        {"metrics": np.array("[]")},
        {"metrics": np.array('{"x.order": {"value": 1}}')},
        {"metrics": np.array(json.dumps({"x.order": {"value": 1, "scale": {"low": "a"}}}))},
        {"metrics": np.array(json.dumps({"x.order": {"value": 1, "scale": {}, "what": 1}}))},
    ],
)
def test_a_file_of_another_shape_is_named(tmp_path: Path, change: dict[str, np.ndarray]):
    path = tmp_path / "found.samples.npz"
    save_samples(path, {"x.order": metric()})
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **{**arrays, **change})
    with pytest.raises(InputError, match=r"found\.samples\.npz: not the samples"):
        load_samples(path)
