"""One number that was found: its interval, what it counts, and the sample that it is a mean of.

A Metric is computed once, where the number is measured, and listed in a Result under its key. What
depends on weights alone, and any statistic that is no mean or ratio of means, has no sample.
`save_samples` keeps samples beside a results document, so that models can be paired later.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from lrinterp.stats import Difference, Interval, Sample, Scale, Units, added, difference
from lrinterp.store import InputError, from_plain, parse_json, write_atomically
from lrinterp.wording import decimals, plain_number, signed

__all__ = ["Gap", "Metric", "finite_or_none", "joined", "load_samples", "save_samples"]

T = TypeVar("T")
FIELDS = ("value", "low", "high", "n", "n_units")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number, the ends of its 95 % interval, and what it is a mean of.

    A value that depends on weights alone is exact and has no ends; a name (a head, say) is a
    string; what is undefined is None, never nan.
    """

    value: float | int | str | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Examples."""
    n_units: int | None = None
    """Units that were drawn independently."""
    estimator: str | None = None
    """What kind of number it is: mean, ratio, difference, correlation, slope, alignment, exact,
    name. None where nobody says."""
    unit: str | None = None
    """What `n_units` counts, such as label, object or group."""
    chance: float | None = None
    """What a guess would score."""
    examples: str | None = None
    """A fingerprint of the examples that the sample is over."""
    sample: Sample | None = field(default=None, compare=False, repr=False)
    """The values by draw and example that a mean, or a ratio of means, is made of."""

    @classmethod
    def of(cls, row: Mapping[str, Any], value: str = "value", **about: Any) -> Self:
        """The number of a table row, in its column `value`, with interval and counts.

        `about` holds further fields, such as the estimator.
        """
        plain = {name: finite_or_none(row[name]) for name in FIELDS[1:] if name in row}
        return cls(value=finite_or_none(row[value]), **plain, **about)

    @classmethod
    def of_sample(cls, sample: Sample, **about: Any) -> Self:
        """The number of a sample with its interval: `Sample.interval`.

        `about` holds further fields: `examples`, `unit`, `chance`, and `estimator` where it is
        neither the mean nor the ratio that the sample shows.
        """
        kind = "mean" if (sample.bottom == 1).all() else "ratio"
        return cls(**vars(sample.interval), sample=sample, **{"estimator": kind, **about})

    def plain(self) -> dict[str, Any]:
        """The five numbers as plain data, keys in this order."""
        return {name: finite_or_none(getattr(self, name)) for name in FIELDS}

    def entry(self) -> dict[str, Any]:
        """The numbers, then estimator, unit and chance where they are known, as plain data."""
        about = {name: getattr(self, name) for name in ("estimator", "unit", "chance")}
        return self.plain() | {name: found for name, found in about.items() if found is not None}

    @property
    def digits(self) -> int:
        """Decimals that the interval deserves."""
        if self.low is None or self.high is None:
            return 3
        return decimals((self.high - self.low) / 2)

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        if isinstance(self.value, str):
            return self.value
        if self.low is None or self.high is None:
            return str(self.value) if isinstance(self.value, int) else plain_number(self.value)
        return signed(self.value, self.digits)

    @property
    def interval(self) -> str:
        """The interval in brackets, or an empty string where there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"[{signed(self.low, self.digits)}, {signed(self.high, self.digits)}]"

    @property
    def phrase(self) -> str:
        """Value and interval as they stand in a sentence."""
        return f"{self} {self.interval}".strip()

    def pairs_with(self, other: "Metric") -> bool:
        """Are both of the same examples, in the same order, with as many draws?"""
        a, b = self.sample, other.sample
        if a is None or b is None or self.examples is None:
            return False
        same = self.examples == other.examples and len(a.top) == len(b.top)
        return same and a.units.same(b.units)

    def __sub__(self, other: "Metric") -> "Gap":
        """This minus another number, with interval and p value where both have an interval.

        Paired by `stats.difference` where `pairs_with` holds; other intervals count as independent
        and their widths add in squares. Raises TypeError for a name or an undefined value.
        """
        if not (self.is_number and other.is_number):
            raise TypeError(f"difference: expected two numbers, got {self} and {other}")
        paired = self.pairs_with(other)
        if self.sample is not None and other.sample is not None:
            found = difference(other.sample, self.sample, paired=paired)
            return Gap.of_difference(found, paired=paired)
        if self.low is None or other.low is None:
            return Gap(value=self.value - other.value, estimator="difference")  # type: ignore[operator]
        return Gap.of_difference(added(other.as_interval(), self.as_interval()), paired=False)

    @property
    def is_number(self) -> bool:
        """Is it a number, not a name or nothing?"""
        return isinstance(self.value, int | float)

    def as_interval(self) -> Interval:
        """The five numbers alone."""
        counts = {"n": self.n or 0, "n_units": self.n_units or 0}
        return Interval(value=float(self.value), low=self.low, high=self.high, **counts)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Gap(Metric):
    """The difference of two numbers."""

    p: float | None = None
    """Two-sided; None where there is no interval."""
    least_p: float | None = None
    """The smallest p that the units could give; None where any is possible."""
    paired: bool | None = None
    """Were the same examples compared one by one? None where it is exact."""

    @classmethod
    def of_difference(cls, found: Difference, *, paired: bool) -> Self:
        """What `stats` found."""
        tested = {"p": found.p, "least_p": found.least, "paired": paired}
        return cls(**vars(found.interval), estimator="difference", **tested)


def joined(*parts: Mapping[str, T]) -> dict[str, T]:
    """The entries of all parts in one dict, in order; ValueError for a key that two of them have.

    >>> joined({"a": 1}, {"b": 2})
    {'a': 1, 'b': 2}
    """
    whole: dict[str, T] = {}
    for part in parts:
        if twice := whole.keys() & part.keys():
            raise ValueError(f"key {min(twice)!r}: two numbers have this name")
        whole.update(part)
    return whole


def finite_or_none(value: Any) -> Any:
    """The value itself, or None where it is a number that strict JSON cannot hold."""
    if value is pd.NA or value is pd.NaT:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Samples on disk

INDEX = "metrics"
"""The entry that holds all but the arrays, as JSON."""
DAMAGED = (
    ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy, zipfile and the checks raise on a file that `save_samples` did not write."""


def save_samples(path: Path, metrics: Mapping[str, Metric]) -> None:
    """Write the numbers that have a sample to an npz archive, whole or not at all.

    Of each: `key/top` [draw, example], `key/bottom` [example], `key/member` [example, role], in
    single precision where that is exact. The entry `metrics` holds everything else as JSON.
    """
    kept = {key: one for key, one in metrics.items() if one.sample is not None}
    arrays = {}
    for key, one in kept.items():
        arrays |= {f"{key}/{name}": compact(a) for name, a in arrays_of(one.sample).items()}  # type: ignore[arg-type]
    index = np.array(json.dumps({key: described(one) for key, one in kept.items()}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{INDEX: index, **arrays})
    write_atomically(path, buffer.getvalue())


def arrays_of(sample: Sample) -> dict[str, np.ndarray]:
    """The arrays of a sample by name."""
    return {"top": sample.top, "bottom": sample.bottom, "member": sample.units.member}


def compact(array: np.ndarray) -> np.ndarray:
    """The same numbers in half the room, where none of them changes."""
    kind = np.int32 if array.dtype.kind in "iu" else np.float32
    small = array.astype(kind)
    return small if np.array_equal(small, array, equal_nan=kind is np.float32) else array


def described(metric: Metric) -> dict[str, Any]:
    """All of a number but its arrays, as plain data; infinite bounds of the scale are None."""
    scale = vars(metric.sample.scale)  # type: ignore[union-attr]
    bounds = {name: finite_or_none(value) for name, value in scale.items()}
    return {**metric.entry(), "examples": metric.examples, "scale": bounds}


def load_samples(path: str | Path) -> dict[str, Metric]:
    """By `analysis.key`: the numbers that `save_samples` wrote, with their samples.

    Raises InputError, naming the file, for one that is damaged or of another kind.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data)) as archive:
            index = parse_json(str(archive[INDEX]))
            return {key: restored(archive, key, plain) for key, plain in index.items()}
    except DAMAGED as error:
        raise InputError(f"{path}: not the samples of a results file ({error})") from error


def restored(archive: Mapping[str, np.ndarray], key: str, plain: dict[str, Any]) -> Metric:
    """One number of an archive; ValueError where its arrays do not fit each other."""
    top, bottom = (archive[f"{key}/{name}"].astype(float) for name in ("top", "bottom"))
    member = archive[f"{key}/member"].astype(np.int64, casting="safe")
    fit = (top.ndim, bottom.ndim, member.ndim) == (2, 1, 2)
    if not fit or not top.shape[1] == len(bottom) == len(member) or member.min(initial=-1) < -1:
        raise ValueError(f"{key}: arrays of shapes {top.shape}, {bottom.shape}, {member.shape}")
    bounds = {name: value for name, value in plain.pop("scale").items() if value is not None}
    scale = from_plain(Scale, bounds, f"{key}.scale")
    sample = Sample(top=top, bottom=bottom, units=Units(member), scale=scale)
    return replace(from_plain(Metric, plain, key), sample=sample)
