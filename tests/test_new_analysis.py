"""A new analysis is one file, one test file and one line in ANALYSES: all else finds it."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, final

import pandas as pd
import pytest

from lrinterp import Run, load_checkpoint, record
from lrinterp.analysis import ANALYSES, Analysis, analyze, check_numbers
from lrinterp.charts import bars
from lrinterp.experiment import (
    Differences,
    Study,
    SweepPlan,
    compare_recordings,
    load_sweep,
    study_results,
    sweep,
)
from lrinterp.experiment.checkpoints.trajectory import followed
from lrinterp.metric import load_samples
from lrinterp.report import page
from lrinterp.reproduction.claim_statistics import Claim, ClaimPart, found_of
from lrinterp.reproduction.claims import hold_against
from lrinterp.reproduction.measured_models import gather, measure_model
from lrinterp.result import Check, Figure, Metric, Provenance, Result, document

FOLDERS = [Path(__file__).parents[1] / "checkpoints" / n for n in ("left-right", "no-gradient")]
TINY = {
    "world": {"n_pixels": 5, "n_labels": 9},
    "split": {"n_val": 3, "positions_per_label": 3, "layouts_per_pair": 6},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
}


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


def test_the_command_prints_it_and_keeps_samples_that_pair_as_the_models_do(run, tmp_path):
    kept = []
    for folder in FOLDERS:
        found = tmp_path / f"{folder.name}.json"
        out = ("--out", tmp_path / "page.html", "--json", found)
        code, shown, errors = run("analyze", folder, "--only", "toy", *out)
        assert code == 0, errors
        assert "toy_order" in shown
        assert "toy_scale" in shown
        samples = load_samples(found.with_suffix(".samples.npz"))
        assert list(samples) == ["toy.toy_order"]
        entry = json.loads(found.read_text())["results"]["toy"]["summary"]["toy_order"]
        assert samples["toy.toy_order"].entry() == entry
        kept.append(samples["toy.toy_order"])
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


def test_it_is_followed_along_training():
    assert check_numbers(["toy.toy_order"]) == ["toy.toy_order"]
    recording = recorded(FOLDERS[0])
    found = followed(recording, ["toy.toy_order", "toy.toy_scale"])
    assert found == {f"toy.{key}": m.value for key, m in toy(recording).metrics.items()}


def test_a_study_asks_for_it_and_judges_it(tmp_path: Path):
    verdict = {"id": "v", "claim": "c", "column": "toy.toy_order", "statistic": "contrast"}
    verdict |= {"of": "split.n_pair", "between": [3, 5], "at_least": -2.0}
    design = Study.from_plain(
        {
            "title": "Toys",
            "seeds": 2,
            "base": {**TINY, "fit": {"steps": 3}},
            "grid": {"split": {"n_pair": [3, 5]}},
            "measure": ["toy.toy_order"],
            "verdicts": [verdict],
        },
        "study",
    )
    plan = SweepPlan.of(design, device="cpu", checkpoints=False)
    assert sweep(plan, tmp_path / "sweep", partial(ThreadPoolExecutor, 1)) == {}
    loaded = load_sweep(tmp_path / "sweep")
    numbers = loaded.numbers[loaded.numbers["key"] == "toy.toy_order"]
    assert len(numbers) == 4
    assert (numbers["n"] > 0).all()
    assert loaded.table["toy.toy_order"].between(0, 1).all()
    [row] = study_results(design, loaded.table)["verdicts"].frame().to_dict("records")
    assert row["verdict"] == "holds"


def test_a_claim_asks_for_it():
    payload = {"checkpoint": str(FOLDERS[0]), "plan": None, "threads": 1}
    found = measure_model({**payload, "numbers": ["toy.toy_order"]})
    assert found["numbers"]["toy.toy_order"] == toy(recorded(FOLDERS[0])).order.plain()
    part = ClaimPart(statistic="s", words="w", number="toy.toy_order", at_least=0.5)
    statistic = found_of(part, gather([("standard", seed, found) for seed in range(6)]))
    claim = Claim(id="t", sentence="Toys know order.", paper="ours", parts=(part,))
    assert hold_against({"s": statistic}, [claim]).verdicts == {"t": "holds"}
    assert statistic.n_examples == found["numbers"]["toy.toy_order"]["n"]
