"""What an analysis gives back: numbers with intervals, one long table, figures, self-checks, words.

The report, the CLI and the notebook know this protocol and no analysis. A Result is frozen and
holds no model; its figures read its own fields.
"""

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.charts import Attention, Figure
from lrinterp.metric import Metric, finite_or_none, save_samples
from lrinterp.store import InputError, write_json
from lrinterp.wording import plain_number

__all__ = [
    "Attention",
    "Check",
    "Figure",
    "Metric",
    "NotApplicable",
    "Provenance",
    "Result",
    "Skipped",
    "Tile",
    "document",
    "finite_or_none",
    "records",
    "samples_path",
    "write_results",
]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One of the large figures at the head of a report; good or bad is said in `words`."""

    label: str
    scalar: Metric
    words: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was computed twice: an error, and the largest that is accepted; nan never passes.

    For numbers that are right or wrong, such as the error of a sum. Not for findings: those have
    intervals, and criteria about them are in `bounds`.

    >>> str(Check(key="sum", what="parts minus whole", value=0.002, bound=0.01))
    'parts minus whole: 0.002, at most 0.01: passed'
    """

    key: str
    what: str
    """What is held against what, and in which unit."""
    value: float
    bound: float

    @property
    def passes(self) -> bool:
        """Is the error within its bound?"""
        return self.value <= self.bound

    def plain(self) -> dict[str, Any]:
        """The fields as plain data, and whether it passes; None for what is not a number."""
        return {**asdict(self), "value": finite_or_none(self.value), "passes": self.passes}

    def __str__(self) -> str:
        said = "passed" if self.passes else "failed"
        value, bound = plain_number(self.value), plain_number(self.bound)
        return f"{self.what}: {value}, at most {bound}: {said}"


class NotApplicable(Exception):
    """Raised by an analysis that the model or the examples do not allow; says why in one line."""


class Result(ABC):
    """The answer of one analysis. Subclasses are final frozen dataclasses."""

    name: ClassVar[str]
    question: ClassVar[str]
    reason: ClassVar[str] = ""
    table: pd.DataFrame

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Named numbers, in the order in which they are shown, each computed once."""
        return {}

    @cached_property
    def more(self) -> Mapping[str, Metric]:
        """Numbers beside `metrics`, for whoever asks for them by key; none by default."""
        return {}

    def number(self, key: str, *, strict: bool = True) -> Metric:
        """A number of `metrics` or `more`, without a value where the analysis does not apply.

        Raises InputError, with all keys, for one that is unknown; if not `strict`, it has no value.
        """
        known = {**self.metrics, **self.more}
        if self.reason or (key not in known and not strict):
            return Metric(value=None)
        if key not in known:
            raise InputError(f"{self.name} has no {key!r}; expected one of {', '.join(known)}")
        return known[key]

    @property
    def primary(self) -> str:
        """Key of the one number whose difference between models is tested, or nothing."""
        return ""

    @property
    @abstractmethod
    def finding(self) -> str:
        """What came out, in one or two plain sentences with interval and n."""

    @property
    @abstractmethod
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before leaning on it: gauge, sample, kind of ablation."""

    def frame(self) -> pd.DataFrame:
        """One long table with every number behind the figures: by default the field `table`."""
        return self.table

    @abstractmethod
    def figures(self) -> tuple[Figure, ...]:
        """The figures, of the fields of this Result alone; the first carries the argument."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Further tables by name, beside `frame`; none by default."""
        return {}

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the analysis computed twice, and how far apart both lie; none by default."""
        return ()

    def tiles(self) -> tuple[Tile, ...]:
        """Large figures for the head of a report; none by default."""
        return ()

    def overview(self) -> pd.DataFrame:
        """A short table of texts that stands open on the page; empty by default."""
        return pd.DataFrame()

    @property
    def glossary(self) -> Mapping[str, str]:
        """Words that a reader of the report meets first here; none by default."""
        return {}

    def _repr_html_(self) -> str:
        rows = pd.DataFrame([{"": k, **s.plain()} for k, s in self.metrics.items()])
        table = rows.to_html(index=False, na_rep="", border=0, float_format="{:.4g}".format)
        question, finding = (html.escape(text) for text in (self.question, self.finding))
        return f"<h3>{question}</h3><p>{finding}</p>{table}"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Skipped(Result):
    """In the place of a Result that the checkpoint does not allow."""

    skipped: str
    asked: str
    reason: str  # type: ignore[misc]

    @property
    def name(self) -> str:  # type: ignore[override]
        """The analysis that was skipped."""
        return self.skipped

    @property
    def question(self) -> str:  # type: ignore[override]
        """Its question."""
        return self.asked

    @property
    def finding(self) -> str:
        """Why it does not apply."""
        return f"Does not apply: {self.reason}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """None."""
        return ()

    def frame(self) -> pd.DataFrame:
        """An empty table."""
        return pd.DataFrame()

    def figures(self) -> tuple[Figure, ...]:
        """None."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the results come from: the model by name, the command, date, versions, settings.

    `settings` maps a heading (world, split, encoder, recipe, ...) to plain fields; `curves` is
    the training history, one row a step, or None.
    """

    checkpoint: str
    command: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    seed: int | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: pd.DataFrame | None = None
    kicker: str = "Left and right in a checkpoint"
    """The line above the name."""
    about: tuple[str, ...] = ()
    """Paragraphs under the name."""

    def plain(self) -> dict[str, Any]:
        """The `checkpoint` entry of a results document."""
        return {
            "name": self.checkpoint,
            "sha256": self.sha256,
            "seed": self.seed,
            "command": self.command,
            "date": self.date,
            "versions": dict(self.versions),
            **{key: dict(value) for key, value in self.settings.items()},
        }


def document(
    results: Mapping[str, Result], provenance: Provenance, *, main_tables: bool = True
) -> dict[str, Any]:
    """The results as strict JSON data: summaries with intervals, self-checks, tables as records.

    Without `main_tables` those of `frame` are empty, for a file that holds them in another form.
    """
    return {
        "lrinterp": version("lrinterp"),
        "checkpoint": provenance.plain(),
        "results": {
            name: _entry(result, main_table=main_tables) for name, result in results.items()
        },
    }


def write_results(path: Path, results: Mapping[str, Result], provenance: Provenance) -> None:
    """Write the document to a JSON file, and to `samples_path` the samples by `analysis.key`."""
    metrics = {f"{name}.{key}": m for name, r in results.items() for key, m in r.metrics.items()}
    save_samples(samples_path(path), metrics)
    write_json(path, document(results, provenance))


def samples_path(path: Path) -> Path:
    """Where the samples of a results file lie: beside it, as NAME.samples.npz."""
    return path.with_suffix(".samples.npz")


def _entry(result: Result, *, main_table: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "question": result.question,
        "finding": result.finding,
        "caveats": list(result.caveats),
        "summary": {key: metric.entry() for key, metric in result.metrics.items()},
        "checks": [check.plain() for check in result.checks],
        "table": records(result.frame()) if main_table else [],
    }
    if more := {name: records(table) for name, table in result.tables.items()}:
        entry["tables"] = more
    if result.more:
        entry["more"] = {key: metric.entry() for key, metric in result.more.items()}
    return {**entry, "not_applicable": result.reason} if result.reason else entry


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain dicts; undefined numbers become None."""
    columns = {name: [finite_or_none(v) for v in frame[name].tolist()] for name in frame}
    names = [str(name) for name in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
