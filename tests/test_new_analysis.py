"""A new analysis is one file, one test, one line: its number is found everywhere, unasked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

import pandas as pd
import pytest
import torch

from lrinterp import Plan, Recording, train
from lrinterp.analysis import ANALYSES, Analysis
from lrinterp.analysis.subject import focus, over_pictures
from lrinterp.comparison.following import measure_run
from lrinterp.metric import load_samples
from lrinterp.result import Figure, Metric, Result
from lrinterp.stats import LINEAR, Sample

KEY, WORDS = "true_minus_mean", "true minus mean"
TINY = {
    "world": {"n_pixels": 4, "n_labels": 6},
    "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    "fit": {"steps": 6, "keep_every": 3},
}

Run = Callable[..., tuple[int, str, str]]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Toy(Result):
    """One number."""

    name: ClassVar[str] = "toy"
    question: ClassVar[str] = "How far does the best caption lead?"

    lead: Metric

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return {KEY: self.lead}

    @property
    def primary(self) -> str:
        return KEY

    @property
    def finding(self) -> str:
        return f"It leads by {self.lead.phrase}."

    @property
    def caveats(self) -> tuple[str, ...]:
        return ()

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([self.lead.plain()])

    def figures(self) -> tuple[Figure, ...]:
        return ()


def toy(recording: Recording) -> Toy:
    """The best score of each picture minus its mean score."""
    part = recording.examples.of(focus(recording.examples))
    scores = recording.scores[torch.from_numpy(recording.examples.where(part.image_set[0]))]
    lead = (scores.max(1).values - scores.mean(1)).double().numpy()
    return Toy(lead=over_pictures(part, Sample.mean(lead[None], part.image_units, LINEAR)))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANALYSES, "toy", Analysis(toy, Toy))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(Plan.from_plain(TINY, "tiny"), folder, progress=False)
    return folder


@pytest.mark.usefixtures("registered", "one_thread")
def test_analyze_shows_it_in_page_terminal_json_and_samples(
    run: Run, trained: Path, tmp_path: Path
):
    report, numbers = tmp_path / "r.html", tmp_path / "r.json"
    code, shown, err = run("analyze", "--only", "toy", trained, "--out", report, "--json", numbers)
    assert code == 0, err
    entry = json.loads(numbers.read_text())["results"]["toy"]["summary"][KEY]
    assert (entry["estimator"], entry["unit"]) == ("mean", "label")
    again = load_samples(tmp_path / "r.samples.npz")[f"toy.{KEY}"]
    assert again.plain() == {key: entry[key] for key in again.plain()}
    assert again.sample is not None
    assert again.sample.value == pytest.approx(entry["value"])
    html = report.read_text()
    for text in (str(again), again.interval):
        assert text in shown
        assert text in html
    assert KEY in shown
    assert WORDS in html


@pytest.mark.usefixtures("registered", "one_thread")
def test_compare_pairs_it(run: Run, trained: Path, tmp_path: Path):
    early = trained / "steps" / "000003"
    report, numbers = tmp_path / "c.html", tmp_path / "c.json"
    code, shown, err = run(
        "compare", trained, early, "--only", "toy", "--out", report, "--json", numbers
    )
    assert code == 0, err
    rows = json.loads(numbers.read_text())["results"]["differences"]["table"]
    [row] = [row for row in rows if row["quantity"] == WORDS and row["difference"] is not None]
    assert row["paired"] == "yes"
    assert row["q"] == row["p"]  # the only number that is tested
    assert row["difference_n"] == row["n"]
    assert WORDS in shown
    assert WORDS in report.read_text()


@pytest.mark.usefixtures("registered", "one_thread")
def test_dynamics_follows_it(run: Run, trained: Path, tmp_path: Path):
    report, numbers = tmp_path / "d.html", tmp_path / "d.json"
    scalars = ("--scalar", "accuracy.seen_pair_order", f"toy.{KEY}")
    code, _, err = run("dynamics", trained, *scalars, "--out", report, "--json", numbers)
    assert code == 0, err
    rows = json.loads(numbers.read_text())["results"]["dynamics"]["table"]
    assert all(row[f"toy.{KEY}"] > 0 for row in rows)
    assert f"toy.{KEY}" in report.read_text()
    last = measure_run({"run": trained, "scalars": [f"toy.{KEY}"]})[-1]
    assert last[f"toy.{KEY}"] == pytest.approx(rows[-1][f"toy.{KEY}"])


@pytest.mark.usefixtures("one_thread")
def test_what_nobody_registered_is_found_nowhere(run: Run, trained: Path, tmp_path: Path):
    code, _, err = run("analyze", trained, "--only", "toy", "--out", tmp_path / "r.html")
    assert code == 2
    assert "'toy': expected one of answer" in err
