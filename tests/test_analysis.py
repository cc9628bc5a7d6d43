"""What every analysis promises, and what both shipped checkpoints must show."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from lrinterp.analysis import ANALYSES, analyze, in_order
from lrinterp.charts import Chart
from lrinterp.charts.draw import drawn
from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import DualEncoder
from lrinterp.report import page
from lrinterp.result import Provenance, Result
from lrinterp.run import Run, record
from lrinterp.scenes.natural import FromSuite
from lrinterp.store import InputError

ROOT = Path(__file__).parents[1]
CHANCE = (0.45, 0.55)
OF_PHOTOGRAPHS = ("over_picture", "relation_geometry")


def recorded(name: str) -> Run:
    checkpoint = load_checkpoint(ROOT / "checkpoints" / name)
    examples = checkpoint.scenes().examples(["unseen_pair"])
    return record(checkpoint.model, examples, progress=False)


@pytest.fixture(scope="module")
def recording() -> Run:
    return recorded("left-right")


@pytest.fixture(scope="module")
def results(recording: Run) -> Mapping[str, Result]:
    return analyze(recording, progress=False)


@pytest.fixture(scope="module")
def twin() -> Mapping[str, Result]:
    return analyze(recorded("no-gradient"), progress=False)


def number(results: Mapping[str, Result], name: str, key: str) -> float:
    return float(results[name].metrics[key].value or 0)


@pytest.fixture(scope="module")
def on_photographs(clip_folder: Path, data_root: Path) -> Mapping[str, Result]:
    clip = load_checkpoint(clip_folder)
    pictures = FromSuite(suite="nlvr", folder=data_root / "nlvr", pictures=16)
    return analyze(record(clip.model, clip.examples(pictures), progress=False), progress=False)


@pytest.mark.realdata
def test_a_clip_is_analysed_on_photographs(on_photographs: Mapping[str, Result]):
    """All that needs neither training nor a margin far from 0; the others say why not."""
    skipped = {name for name, result in on_photographs.items() if result.reason}
    assert skipped == {"mechanism", "activation_patching", "procrustes"}
    for name in set(on_photographs) - skipped:
        check_protocol(name, on_photographs[name])


@pytest.mark.parametrize("name", [n for n in ANALYSES if n not in OF_PHOTOGRAPHS])
def test_a_result_has_numbers_figures_and_passes_its_checks(results, name):
    check_protocol(name, results[name])


def check_protocol(name: str, result: Result) -> None:
    assert isinstance(result, ANALYSES[name].result)
    assert result.name == name
    assert len(result.frame())
    assert all(check.passes for check in result.checks), list(map(str, result.checks))
    figures = result.figures()
    assert len({figure.key for figure in figures}) == len(figures)
    assert all(len(figure.table) for figure in figures)
    for plot in (figure.plot for figure in figures):
        assert drawn(plot)["data"] if isinstance(plot, Chart) else plot.props


def test_left_right_knows_by_key_position(results: Mapping[str, Result]):
    assert number(results, "answer", "unseen_pair_order") >= 0.9
    assert CHANCE[0] <= number(results, "term_ablation", "order_without_key_position") <= CHANCE[1]
    assert number(results, "term_ablation", "label_set_closed_without_key_position") >= 0.95
    gap = results["term_ablation"].metrics["order_placebo_minus_without"]
    assert float(gap.value or 0) >= 0.15
    assert gap.low is not None
    assert gap.low > 0
    assert abs(number(results, "positional_gradient", "headline_spearman")) >= 0.95
    span = number(results, "positional_gradient", "headline_span")
    assert span >= max(1.0, 10 * number(results, "positional_gradient", "null_span"))


def test_the_twin_knows_nothing_and_has_no_gradient(results, twin):
    assert CHANCE[0] <= number(twin, "answer", "unseen_pair_order") <= CHANCE[1]
    rows = twin["positional_gradient"].frame()
    rows = rows[(rows["gauge"] == "canonical") & (rows["term"] == "EP+PP+bP")]
    largest = rows[["span", "range"]].to_numpy(float).max()
    assert largest < 0.1
    assert largest < 0.02 * number(results, "positional_gradient", "headline_span")
    assert "does not tell a picture from its swap" in twin["activation_patching"].reason


def test_terms_add_up_and_full_patches_are_one(results: Mapping[str, Result]):
    assert number(results, "attention_terms", "reconstruction_error") < 1e-5
    shares = results["attention_terms"].frame()
    nine = shares[~shares["term"].str.contains("\\+")]
    sums = nine.groupby(["encoder", "gauge", "head"], dropna=False)["share"].sum()
    np.testing.assert_allclose(sums, 1.0, atol=1e-9)
    patched = results["activation_patching"].frame()
    full = patched[(patched["role"] == "all") & (patched["site"] == "resid_pre")]
    assert set(full["encoder"]) == {"image", "text"}
    assert set(full["direction"]) == {"denoising", "noising"}
    np.testing.assert_allclose(full["effect"], 1.0, atol=1e-5)
    assert (patched.loc[patched["identical"], "effect"] == 0).all()


def test_a_gauge_move_changes_raw_terms_only(recording: Run):
    """In double precision, so that what is left is not rounding."""
    model = load_checkpoint(ROOT / "checkpoints" / "left-right").model.double()
    tower, examples = model.image, recording.examples.at(np.arange(0, len(recording.examples), 6))
    names = ["attention_terms", "positional_gradient", "term_ablation"]
    before = record(model, examples, progress=False)
    scores, results = before.scores, analyze(before, names, progress=False)
    move = torch.randn(tower.cfg.d_model, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.no_grad():  # the component of the patches: all positions but CLS, all tokens but CLS
        tower.embed.W_E[:-1] += move
        tower.pos_embed.W_pos[1:] -= move
    moved = record(model, examples, progress=False)
    torch.testing.assert_close(moved.scores, scores, atol=1e-5, rtol=0)
    again = analyze(moved, names, progress=False)
    for name in names:
        for key, scalar in results[name].metrics.items():
            if isinstance(scalar.value, str) or scalar.value is None:
                assert again[name].metrics[key].value == scalar.value, key
            else:
                assert again[name].metrics[key].value == pytest.approx(scalar.value, abs=1e-5), key
    old, new = (r["positional_gradient"].frame() for r in (results, again))
    canonical, raw = old["gauge"] == "canonical", (old["gauge"] == "raw") & (old["term"] == "bP")
    np.testing.assert_allclose(new["slope"][canonical], old["slope"][canonical], atol=1e-5)
    shares, shifted = (r["attention_terms"].frame() for r in (results, again))
    kept = (shares["gauge"] == "canonical") & (shares["encoder"] == "image")
    np.testing.assert_allclose(shifted["share"][kept], shares["share"][kept], atol=1e-5)
    changed = (shares["gauge"] == "raw") & (shares["encoder"] == "image")
    assert (shifted["share"][changed] - shares["share"][changed]).abs().max() > 1e-3
    assert raw.any()


def test_a_users_own_pair_gets_the_permuted_null(recording: Run):
    towers = recording.model.towers
    own = DualEncoder.from_hooked(towers["image"], towers["text"])
    again = analyze(
        record(own, recording.examples, progress=False), ["positional_gradient"], progress=False
    )
    assert set(again["positional_gradient"].frame()["null"]) == {"permuted"}


def test_needs_come_first_and_unknown_names_are_refused(recording: Run):
    assert in_order("answer")[-1] == "answer"
    assert set(in_order("answer")) == {*ANALYSES["answer"].needs, "answer"}
    with pytest.raises(InputError, match="'acuracy': expected one of answer"):
        analyze(recording, ["acuracy"])


def test_nothing_needs_to_be_asked_for_beforehand(recording: Run, results: Mapping[str, Result]):
    """An analysis finds what it reads in any run, and gives the same numbers."""
    bare = record(recording.model, recording.examples, progress=False)
    again = analyze(bare, ["attention_terms"], progress=False)["attention_terms"]
    assert again.metrics == results["attention_terms"].metrics
    with pytest.raises(InputError, match="matches nothing"):
        record(recording.model, recording.examples, ["hook_of_nowhere"])


@pytest.mark.usefixtures("results")
def test_analyses_leave_the_model_as_it_was(recording: Run):
    fresh = load_checkpoint(ROOT / "checkpoints" / "left-right").model
    for name, weight in recording.model.trainable().items():
        assert torch.equal(weight, fresh.trainable()[name])
    hooks = [p for t in recording.model.towers.values() for p in t.hook_dict.values()]
    assert not any(point.fwd_hooks for point in hooks)


@pytest.mark.parametrize(
    ("world", "split", "encoder"),
    [
        ({"n_objects": 3}, {"n_val": 3}, {}),
        ({"template": "both"}, {"n_val": 2}, {"text_layers": 2}),
        ({}, {"n_val": 0}, {}),
        ({}, {}, {"normalization": "LN", "mlp_ratio": 2, "image_layers": 2}),
    ],
)
def test_other_worlds_and_models_are_analysed_to_the_end(world, split, encoder):
    from lrinterp.training import Plan

    plan = Plan.from_plain(
        {
            "world": {"n_pixels": 5, "n_labels": 6, **world},
            "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, **SMALL, **split},
            "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8, **encoder},
        },
        "test",
    )
    model = DualEncoder.build(plan.encoder, plan.scenes.sizes, 0)
    found = analyze(record(model, plan.scenes.examples(), progress=False), progress=False)
    assert list(found) == list(ANALYSES)
    page(found, Provenance(checkpoint="x"))
    chance = 1 / math.factorial(plan.scenes.world.n_objects)
    assert found["accuracy"].chance == chance  # type: ignore[attr-defined]
    words = [text for r in found.values() for text in (r.finding, *r.caveats)]
    odd = re.compile(r"  |(?<![\d.,])1 (label|picture|object|caption|pair|draw|model)s\b")
    assert not [text for text in words if odd.search(text)]
    if plan.scenes.split.n_val == 0:
        assert found["term_ablation"].metrics["order_without_key_position"].value is None


SMALL = {"layouts_per_pair": 4}
