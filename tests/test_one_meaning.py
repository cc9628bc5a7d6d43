"""A number has one meaning: the same in analyze, compare, a sweep, dynamics and a claim."""

from pathlib import Path
from typing import Any

import pytest

import lrinterp as lr
from lrinterp.analysis import analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.experiment import compare, measure_run, stack
from lrinterp.experiment.numbers import NUMBERS
from lrinterp.reproduction.measured_models import measure_model
from lrinterp.reproduction.running import asked_numbers
from lrinterp.result import Metric, Result
from lrinterp.run import record

ANALYSED = (
    "accuracy", "attention_terms", "positional_gradient", "term_ablation", "order_bias",
    "procrustes", "similarity_attribution",
)  # fmt: skip
NAMES = list(dict.fromkeys([*NUMBERS, *asked_numbers()]))


@pytest.fixture(scope="module", params=[1, 2, 3], ids="{} layers".format)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that knows some order, with LayerNorm and MLP where it has several layers."""
    layers = request.param
    tree = {
        "world": {"n_pixels": 5, "n_labels": 9},
        "split": {"n_pair": 5, "n_val": 3, "positions_per_label": 3, "layouts_per_pair": 6},
        "encoder": {
            "d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8, "image_layers": layers,
            "preset": "minimal" if layers == 1 else "full",
        },
        "fit": {"steps": 60, "learning_rate": 1e-2, "keep_every": 30},
    }  # fmt: skip
    out = tmp_path_factory.mktemp("runs") / f"layers-{layers}"
    lr.train(lr.Plan.from_plain(tree, "test"), out)
    return out


@pytest.fixture(scope="module")
def analysed(trained: Path) -> dict[str, Metric]:
    loaded = load_checkpoint(trained)
    run = record(loaded.model, loaded.scenes().examples(), progress=False)
    results: dict[str, Result] = analyze(run, ANALYSED, progress=False)
    return {f"{n}.{k}": m for n, r in results.items() for k, m in {**r.metrics, **r.more}.items()}


def check_equal(found: dict[str, Any], analysed: dict[str, Metric], at_least: int) -> None:
    """Every number found is that of analyze; most have a value."""
    assert sum(value is not None for value in found.values()) >= at_least
    for name, value in found.items():
        expected = analysed[name].value if name in analysed else None
        if isinstance(expected, str) or expected is None:
            assert value == expected, name
        else:
            assert value == pytest.approx(expected, abs=1e-6), name


def test_in_a_sweep(trained: Path, analysed: dict[str, Metric]):
    loaded = load_checkpoint(trained)
    found = stack.measured_numbers(loaded.model, loaded.scenes(), NAMES)
    known = {name: one["value"] for name, one in found.items()}
    assert set(known) == set(NAMES)
    check_equal(known, analysed, len(NAMES) - 10)


def test_along_training(trained: Path, analysed: dict[str, Metric]):
    names = [name for name in NUMBERS if not name.endswith("headline_head")]
    row = measure_run({"run": trained, "scalars": names})[-1]
    check_equal({name: row[name] for name in names}, analysed, len(names) - 4)
    short = {
        "accuracy.unseen_pair_order": "unseen_pair_order",
        "positional_gradient.headline_slope": "slope",
        "positional_gradient.headline_span": "span",
        "positional_gradient.largest_slope": "largest_slope",
        "positional_gradient.headline_head": "head",
    }
    check_equal({name: row[key] for name, key in short.items()}, analysed, len(short))


def test_in_a_claim(trained: Path, analysed: dict[str, Metric]):
    payload = {"checkpoint": str(trained), "plan": None, "numbers": asked_numbers(), "threads": 1}
    found = measure_model(payload)["numbers"]
    check_equal(
        {name: one["value"] for name, one in found.items()}, analysed, len(asked_numbers()) - 10
    )


def test_in_a_comparison(trained: Path, analysed: dict[str, Metric]):
    loaded = load_checkpoint(trained)
    table = compare([loaded, loaded], ANALYSED, progress=False)["differences"].table  # type: ignore[attr-defined]
    rows = table[table["value"].notna()]
    found = {
        f"{a}.{k}": v for a, k, v in zip(rows["analysis"], rows["key"], rows["value"], strict=True)
    }
    check_equal(found, analysed, 40)
