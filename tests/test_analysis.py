"""What every analysis promises, and what both shipped checkpoints must show."""

import math
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
from lrinterp.run import record
from lrinterp.scenes.natural import FromSuite
from lrinterp.store import InputError

ROOT = Path(__file__).parents[1]
CHANCE = (0.45, 0.55)
OF_PHOTOGRAPHS = ("over_picture", "relation_geometry")


def number(results: Mapping[str, Result], name: str, key: str) -> float:
    return float(results[name].metrics[key].value or 0)


@pytest.mark.realdata
def test_a_clip_is_analysed_on_photographs(clip_folder, data_root):
    """All that needs neither training nor a margin far from 0; the others say why not."""
    clip = load_checkpoint(clip_folder)
    pictures = FromSuite(suite="nlvr", folder=data_root / "nlvr", pictures=16)
    found = analyze(record(clip.model, clip.examples(pictures), progress=False), progress=False)
    skipped = {name for name, result in found.items() if result.reason}
    assert skipped == {"mechanism", "activation_patching", "procrustes"}
    for name in set(found) - skipped:
        check_protocol(name, found[name])


@pytest.mark.parametrize("name", [n for n in ANALYSES if n not in OF_PHOTOGRAPHS])
def test_a_result_has_numbers_figures_and_passes_its_checks(left_right_results, name):
    check_protocol(name, left_right_results[name])


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


def test_left_right_knows_by_key_position(left_right_results):
    ablation = left_right_results["term_ablation"].metrics
    gradient = left_right_results["positional_gradient"].metrics
    assert number(left_right_results, "answer", "unseen_pair_order") >= 0.9
    assert CHANCE[0] <= ablation["order_without_key_position"].value <= CHANCE[1]
    assert ablation["label_set_closed_without_key_position"].value >= 0.95
    assert ablation["order_placebo_minus_without"].value >= 0.15
    assert ablation["order_placebo_minus_without"].low > 0
    assert abs(gradient["headline_spearman"].value) >= 0.95
    assert gradient["headline_span"].value >= max(1.0, 10 * gradient["null_span"].value)


def test_the_twin_knows_nothing_and_has_no_gradient(left_right_results, no_gradient_results):
    assert CHANCE[0] <= number(no_gradient_results, "answer", "unseen_pair_order") <= CHANCE[1]
    rows = no_gradient_results["positional_gradient"].frame()
    rows = rows[(rows["gauge"] == "canonical") & (rows["term"] == "EP+PP+bP")]
    largest = rows[["span", "range"]].to_numpy(float).max()
    assert largest < 0.1
    assert largest < 0.02 * number(left_right_results, "positional_gradient", "headline_span")
    reason = no_gradient_results["activation_patching"].reason
    assert "does not tell a picture from its swap" in reason


def test_a_gauge_move_changes_raw_terms_only(left_right):
    """In double precision, so that what is left is not rounding."""
    model = load_checkpoint(ROOT / "checkpoints" / "left-right").model.double()
    unseen = left_right.of("unseen_pair").examples
    tower, examples = model.image, unseen.at(np.arange(0, len(unseen), 3))
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


def test_needs_come_first_and_unknown_names_are_refused(left_right):
    assert in_order("answer")[-1] == "answer"
    assert set(in_order("answer")) == {*ANALYSES["answer"].needs, "answer"}
    with pytest.raises(InputError, match="'acuracy': expected one of answer"):
        analyze(left_right, ["acuracy"])


@pytest.mark.usefixtures("left_right_results")
def test_analyses_leave_the_model_as_it_was(left_right):
    fresh = load_checkpoint(ROOT / "checkpoints" / "left-right").model
    for name, weight in left_right.model.trainable().items():
        assert torch.equal(weight, fresh.trainable()[name])
    hooks = [p for t in left_right.model.towers.values() for p in t.hook_dict.values()]
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

    few = {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4}
    plan = Plan.from_plain(
        {
            "world": {"n_pixels": 5, "n_labels": 6, **world},
            "split": {**few, **split},
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
    if plan.scenes.split.n_val == 0:
        assert found["term_ablation"].metrics["order_without_key_position"].value is None
