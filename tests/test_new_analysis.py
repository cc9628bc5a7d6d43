"""A new analysis is one file, one test file and one line in ANALYSES: all else finds it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

import pandas as pd
import pytest

from lrinterp import Run, load_checkpoint, record
from lrinterp.analysis import ANALYSES, Analysis, analyze
from lrinterp.charts import bars
from lrinterp.comparison import compare_recordings
from lrinterp.comparison.differences import Differences
from lrinterp.comparison.following import check_scalars, named_scalars
from lrinterp.metric import load_samples
from lrinterp.report import page
from lrinterp.result import Check, Figure, Metric, Provenance, Result, document, samples_path

FOLDERS = [Path(__file__).parents[1] / "checkpoints" / n for n in ("left-right", "no-gradient")]
Command = Callable[..., tuple[int, str, str]]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Toy(Result):
    """Order on held-out pairs, and the scale of the scores."""

    name: ClassVar[str] = "toy"
    question: ClassVar[str] = "Is a toy found?"

    order: Metric
    scale: float

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return {"toy_order": self.order, "toy_scale": Metric(value=self.scale, estimator="exact")}

    @property
    def primary(self) -> str:
        return "toy_order"

    @property
    def finding(self) -> str:
        return f"The toy orders {self.order.phrase}."

    @property
    def caveats(self) -> tuple[str, ...]:
        return ("It is a toy.",)

    @property
    def checks(self) -> tuple[Check, ...]:
        return (Check(key="toy", what="The toy computed twice", value=0.0, bound=1.0),)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([{"what": key, **m.plain()} for key, m in self.metrics.items()])

    def figures(self) -> tuple[Figure, ...]:
        plot = bars(self.frame()[["what", "value"]], x="value", y="what")
        words = {"title": "Toy numbers", "how_to_read": "A bar is a number."}
        return (Figure(key="numbers", plot=plot, table=self.frame(), **words),)


def toy(recording: Run) -> Toy:
    order = recording.of("unseen_pair").accuracy()
    return Toy(order=order, scale=float(recording.model.log_scale.detach()))


@pytest.fixture(autouse=True)
def one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANALYSES, "toy", Analysis(toy, Toy))


def recorded(folder: Path) -> Run:
    loaded = load_checkpoint(folder)
    return record(loaded.model, loaded.scenes().examples(["unseen_pair"]), progress=False)


def test_document_and_page_have_it():
    results = analyze(recorded(FOLDERS[0]), ["toy", "accuracy"], progress=False)
    assert list(results) == ["accuracy", "toy"]
    entry = document(results, Provenance(checkpoint="x"))["results"]["toy"]
    order = results["toy"].metrics["toy_order"]
    assert entry["summary"]["toy_order"] == order.entry()
    assert entry["summary"]["toy_scale"]["estimator"] == "exact"
    assert [row["what"] for row in entry["table"]] == ["toy_order", "toy_scale"]
    assert entry["checks"][0]["key"] == "toy"
    html = page(results, Provenance(checkpoint="x"))
    for words in ('<section id="toy"', "Is a toy found?", "It is a toy.", "The toy computed twice"):
        assert words in html
    assert order.phrase in html


def test_the_command_prints_it_and_keeps_its_samples(run: Command, tmp_path: Path):
    found = tmp_path / "found.json"
    out = ("--out", tmp_path / "page.html", "--json", found)
    code, shown, errors = run("analyze", FOLDERS[0], "--only", "toy", *out)
    assert code == 0, errors
    for words in ("toy_order", "toy_scale"):
        assert words in shown
    entry = json.loads(found.read_text())["results"]["toy"]["summary"]["toy_order"]
    assert samples_path(found) == tmp_path / "found.samples.npz"
    kept = load_samples(tmp_path / "found.samples.npz")
    assert list(kept) == ["toy.toy_order"]
    assert kept["toy.toy_order"].entry() == entry


def test_the_samples_of_two_files_pair_as_the_models_do(run: Command, tmp_path: Path):
    kept = []
    for folder in FOLDERS:
        found = tmp_path / f"{folder.name}.json"
        out = ("--out", tmp_path / "page.html", "--json", found)
        assert run("analyze", folder, "--only", "toy", *out)[0] == 0
        kept.append(load_samples(samples_path(found))["toy.toy_order"])
    gap = kept[1] - kept[0]
    loaded = [load_checkpoint(folder) for folder in FOLDERS]
    orders = [toy(record(c.model, c.scenes().examples(), progress=False)).order for c in loaded]
    assert gap == orders[1] - orders[0]
    assert gap.paired


def test_a_comparison_pairs_it_and_tests_its_primary_number():
    pairs = [(folder.name, recorded(folder)) for folder in FOLDERS]
    results = compare_recordings(pairs, ["toy", "accuracy"], progress=False)
    assert list(results) == ["differences", "accuracy", "toy"]
    differences = results["differences"]
    assert isinstance(differences, Differences)
    rows = differences.table.set_index(["checkpoint", "key"]).loc["no-gradient"]
    order, scale = rows.loc["toy_order"], rows.loc["toy_scale"]
    assert bool(order["primary"]) is True
    assert (order["analysis"], order["paired"], order["verdict"]) == ("toy", "yes", "differs")
    assert (scale["paired"], scale["verdict"]) == ("", "exact")
    gap = toy(pairs[1][1]).order - toy(pairs[0][1]).order
    assert (order["difference"], order["p"]) == (gap.value, gap.p)


def test_its_numbers_are_followed_by_name():
    check_scalars(["toy.toy_order"])
    recording = recorded(FOLDERS[0])
    found = named_scalars(recording, ["toy.toy_order", "toy.toy_scale"])
    assert found == {f"toy.{key}": m.value for key, m in toy(recording).metrics.items()}
