"""One picture taken apart: what is shown is what the model does on it."""

from unittest.mock import Mock

import numpy as np
import pytest

from lrinterp import record
from lrinterp.analysis import analyze
from lrinterp.analysis.mechanism import Mechanism, mechanism
from lrinterp.decomposition import TERMS
from lrinterp.result import Check, Metric, NotApplicable, Result


@pytest.fixture
def micro_mechanism(micro_recording) -> Mechanism:
    result = analyze(micro_recording, ["mechanism"])["mechanism"]
    assert isinstance(result, Mechanism)
    return result


def test_the_micro_model_by_hand(micro_mechanism: Mechanism):
    """Cat, background, dog: scores 12, 10, 10, 14; without key-position 12, 12, 10, 12."""
    assert micro_mechanism.words == ("CLS", "cat", "background", "dog")
    assert micro_mechanism.caption == "cat is on the left of dog"
    assert micro_mechanism.heads == ("L0H0", "L0H1")  # head 0 costs order, head 1 none
    for run, scores in enumerate(([12, 10, 10, 14], [12, 12, 10, 12])):
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(micro_mechanism.pattern[run, 0], weights, rtol=1e-5)
    terms = dict(zip(TERMS, micro_mechanism.terms.tolist(), strict=True))
    assert terms["EP"] == terms["bP"] == [0, -1, 0, 1]
    assert terms["EE"] == [1.75, -0.25, -1.25, -0.25]
    assert terms["PP"] == terms["bb"] == [0] * 4
    # Caption and picture both weigh the right label e^4 times; without key-position both orders
    # are alike.
    other = 2 * np.exp(4) / (1 + np.exp(8))
    np.testing.assert_allclose(micro_mechanism.margins, [1 - other, 0], atol=1e-6)


def test_the_ablated_row_is_the_softmax_of_the_flattened_scores(left_right_results):
    """Key-position is what the canonical EP, PP and bP rows add; its mean on CLS is its own."""
    result = left_right_results["mechanism"]
    position = result.terms[[TERMS.index(t) for t in ("EP", "PP", "bP")]].sum(0)
    flat = position.copy()
    flat[1:] = position[1:].mean()
    scores = result.terms.sum(0) - position + flat
    np.testing.assert_allclose(
        result.pattern[1, 0], np.exp(scores) / np.exp(scores).sum(), atol=1e-5
    )
    assert np.abs(result.pattern[1, 0] - result.pattern[0, 0]).max() > 0.1
    np.testing.assert_allclose(result.pattern.sum(-1), 1, atol=1e-5)


def test_heads_come_by_the_order_they_cost(left_right_results):
    lost = left_right_results["term_ablation"].order_lost
    order = [int(name[-1]) for name in left_right_results["mechanism"].heads]
    values = [lost[0, head].value for head in order]
    assert sorted(order) == list(range(4))
    assert values == sorted(values, reverse=True)


def test_what_the_text_tower_does_with_the_two_objects_by_hand(micro_recording):
    """Head 0 of the micro-model draws 4 logits more to the label named second."""
    results = analyze(micro_recording, ["attention_terms", "term_ablation"])
    result = mechanism(micro_recording, **results)  # type: ignore[arg-type]
    first, second = result.mentions[0]
    assert second / first == pytest.approx(np.exp(4), rel=1e-4)


def test_a_deep_tower_is_shown_in_its_first_layer(small, losing):
    """Rows, terms and removal are those of layer 0, whatever the layers above do."""
    of = {"n_pixels": 5, "n_labels": 4, "n_val": 2, "layouts_per_pair": 3}
    recording = small("full", **of, image_layers=2)
    lost = {(0, 0): 0.1, (0, 1): 0.3, (1, 0): 0.9, (1, 1): 0.0}
    ablation = losing({place: Metric(value=v) for place, v in lost.items()})
    terms = Mock(spec=Result, checks=(Check(key="sum", what="sum", value=0.0, bound=1.0),))
    result = mechanism(recording, attention_terms=terms, term_ablation=ablation)
    assert result.heads == ("L0H1", "L0H0")
    scores = result.terms.sum(0)
    np.testing.assert_allclose(
        np.exp(scores) / np.exp(scores).sum(), result.pattern[0, 0], atol=1e-5
    )


def test_photographs_are_shown_elsewhere(photographs):
    recording = record(*photographs)
    ablation, terms = Mock(spec=Result), Mock(spec=Result)
    with pytest.raises(
        NotApplicable, match="the image tower reads pixels of pictures; see over_picture"
    ):
        mechanism(recording, attention_terms=terms, term_ablation=ablation)
