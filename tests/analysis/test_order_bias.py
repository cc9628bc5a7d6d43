"""Attention to mentions by hand, planted preferences and their nulls, and what templates tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Run, record
from lrinterp.analysis.order_bias import OrderBias, order_bias
from lrinterp.analysis.order_bias_mentions import FIRST_SEED, Mentions, mention_attention, sets_of
from lrinterp.result import Metric, NotApplicable, records

FIRST, SECOND = 1, 7
"""Positions of the objects in "X is on the left of Y", behind [SOT]."""

Pull = Callable[[str, str], tuple[float, float]]
"""Attention to the first and to the last mention, from template and set."""


def untrained(small, **changes) -> Run:
    """Of seven labels: three in pairs, three held out."""
    sizes = {"d_model": 16, "d_head": 8, "d_embed": 8}
    return small(n_labels=7, n_pair=3, **{**sizes, **changes})


def biased(run: Run) -> OrderBias:
    return order_bias(record(run.model, run.examples))


def plant(run: Run, logits: float) -> None:
    """Positions that raise what head 1 of the text tower gives the first mention."""
    text, attn = run.model.text, run.model.text.blocks[0].attn
    end = text.W_E[run.examples.words["text"].index("[EOT]")] + text.W_pos[SECOND + 1]
    key = attn.W_K[1] @ (end @ attn.W_Q[1] + attn.b_Q[1]) / text.cfg.attn_scale
    text.pos_embed.W_pos.data[FIRST] += logits * (key / (key @ key)).detach()


def with_attention(small, pulls: Sequence[Pull], **world) -> Run:
    """A recording in which each head of the text tower gives mentions what a rule says."""
    recording = untrained(small, n_heads=len(pulls), **world)
    examples, mentions = recording.examples, Mentions.of(recording.examples)
    name = "blocks.0.attn.hook_pattern"
    pattern = torch.zeros_like(recording.site("text", name))
    for caption, position in zip(mentions.index, mentions.position, strict=True):
        where = examples.caption_template[caption], examples.caption_set[caption]
        rows = pattern[caption, :, examples.text.pool[caption]]
        rows[:, position] = torch.tensor([pull(*where) for pull in pulls])
    recording.towers["text"].sites.inside[name] = pattern
    return recording


def mention(first: float, last: float) -> Pull:
    return lambda _template, _set: (first, last)


def turned_by_template(template: str, _set: str) -> tuple[float, float]:
    """A head of the side: the left object gets more, wherever it is named."""
    return (0.6, 0.2) if template == "left" else (0.2, 0.6)


def by_set(trained: tuple[float, float], held_out: tuple[float, float]) -> Pull:
    return lambda _template, name: held_out if name == "unseen_pair" else trained


def number(scalar: Metric) -> float:
    assert isinstance(scalar.value, float)
    return scalar.value


def rows_of(result: OrderBias, template: str = "all", captions: str = "all") -> list[dict]:
    table = result.frame()
    return records(table[(table["template"] == template) & (table["set"] == captions)])


def test_the_micro_model_by_hand(micro_recording):
    """Scores of head 0 are 8 and 12 for the labels, 12 for [EOT], 6 for six other words; those of
    head 1 are minus half of them.
    """
    result = order_bias(micro_recording)
    for row, factor in zip(rows_of(result, captions="unseen_pair"), (1, -0.5), strict=True):
        first, second, words = np.exp(factor * np.array([8, 12, 6]))
        total = first + 2 * second + 6 * words
        assert row["first"] == pytest.approx(first / total, rel=1e-5)
        assert row["second"] == pytest.approx(second / total, rel=1e-5)
        assert row["difference"] == pytest.approx((first - second) / total, rel=1e-5)
        assert row["consistency"] == (factor < 0)
        assert (row["n"], row["n_units"], row["low"]) == (2, 2, None)
    assert result.bias_head == "L0H0"
    assert result.first_head == "L0H1"
    assert result.metrics["bias_head_consistency"].value == 1
    assert result.metrics["bias_head_second_attention"].value == pytest.approx(0.4918, abs=1e-4)
    assert result.metrics["first_head_difference"].value == pytest.approx(0.0492, abs=1e-4)
    assert not result.prefers("L0H0")  # two labels give no interval


def test_a_planted_preference_is_found(small):
    run = untrained(small)
    plant(run, 5.0)
    result = biased(run)
    summary = result.metrics
    assert (result.bias_head, result.first_head, result.prefers("L0H1")) == ("L0H1", "L0H1", True)
    assert summary["bias_head_consistency"].value == 1
    assert summary["first_head_difference"] == summary["bias_head_difference"]
    gap, null = number(summary["bias_head_difference"]), number(summary["null_difference"])
    assert gap > 0.5 > 0.005 > null > 0
    assert (result.labels.query("named == 'first'")["attention"] > 0.5).all()
    plant(run, -10.0)
    repelled = biased(run)
    assert repelled.bias_head == "L0H1"
    assert repelled.first_head != "L0H1"
    assert number(repelled.metrics["bias_head_difference"]) < -0.1
    assert repelled.metrics["bias_head_consistency"].value == 1


def test_swapped_positions_of_the_mentions_swap_the_sign(small):
    run = untrained(small, std_W_E=0.5, std_W_pos=0.5, std_weights=0.5)
    before = biased(run)
    text = run.model.text.pos_embed.W_pos.data
    text[[FIRST, SECOND]] = text[[SECOND, FIRST]]
    after = biased(run)
    for captions in ("all", "seen_pair", "unseen_pair"):
        pairs = zip(
            rows_of(before, captions=captions), rows_of(after, captions=captions), strict=True
        )
        for old, new in pairs:
            assert new["difference"] == pytest.approx(-old["difference"], abs=1e-6)
            assert new["first"] == pytest.approx(old["second"], abs=1e-6)
            assert new["consistency"] == pytest.approx(1 - old["consistency"])
    assert abs(number(before.metrics["bias_head_difference"])) > 0.01
    assert before.bias_head == after.bias_head


def test_heads_are_chosen_on_trained_labels_and_measured_on_others(small):
    early, late = by_set((0.9, 0.0), (0.3, 0.2)), by_set((0.4, 0.3), (0.0, 0.9))
    result = order_bias(with_attention(small, [late, early]))
    assert (result.chosen_on, result.measured_on) == ("seen_pair", "unseen_pair")
    assert (result.bias_head, result.first_head) == ("L0H1", "L0H1")
    assert result.metrics["bias_head_difference"].value == pytest.approx(0.1)
    assert result.metrics["bias_head_difference"].n == 6


def test_consistency_is_the_sign_it_had_where_it_was_chosen(small):
    turned = by_set((0.1, 0.5), (0.5, 0.1))
    result = order_bias(with_attention(small, [turned, mention(0.2, 0.2)]))
    assert result.bias_head == "L0H0"
    assert result.first_head is None
    assert result.metrics["bias_head_difference"].value == pytest.approx(0.4)
    assert result.metrics["bias_head_consistency"].value == 0
    assert result.metrics["first_head_difference"] == Metric(value=None)
    tied = rows_of(result, captions="unseen_pair")[1]
    assert tied["consistency"] == 0.5


def test_two_templates_tell_mention_from_side(small):
    result = order_bias(
        with_attention(small, [mention(0.7, 0.1), turned_by_template], template="both")
    )
    of_mention, of_side = rows_of(result, captions="unseen_pair")
    assert of_mention["difference"] == pytest.approx(0.6)
    assert of_mention["side_difference"] == pytest.approx(0, abs=1e-7)
    assert of_side["difference"] == pytest.approx(0, abs=1e-7)
    assert of_side["side_difference"] == pytest.approx(0.4)
    for template, sign in (("left", 1), ("right", -1)):
        row = rows_of(result, template, "unseen_pair")[1]
        assert row["difference"] == pytest.approx(sign * 0.4)
        assert row["side_difference"] == pytest.approx(0.4)
        assert result.metrics[f"bias_head_consistency_{template}"].value == 1
    assert result.metrics["bias_head_side_difference"].value == pytest.approx(0, abs=1e-7)
    pulls = [turned_by_template, mention(0.2, 0.2)]
    turned = order_bias(with_attention(small, pulls, template="both")).metrics
    shares = [number(turned[f"bias_head_consistency_{t}"]) for t in ("left", "right")]
    assert sorted(shares) == [0, 1]  # a head of the side turns with the template


@pytest.mark.parametrize(
    ("n_val", "expected"), [(2, "unseen_pair"), (1, "mixed_pair"), (0, "seen_pair")]
)
def test_the_captions_that_heads_are_measured_on(small, n_val, expected):
    run = small(sets=None, n_pair=3, n_val=n_val)
    assert sets_of(run.examples) == ("seen_pair", expected)
    result = order_bias(run)
    empty = rows_of(result, captions="unseen_pair")
    assert [row["n"] for row in empty] == [2 if n_val == 2 else 0] * 2
    assert all((row["difference"] is None) == (n_val < 2) for row in empty)


def largest_gap(model: DualEncoder, recording: Run) -> float:
    """The largest |mean difference| of held-out captions over the heads of another text tower."""
    mentions = Mentions.of(recording.examples).of_set("unseen_pair")
    other = record(model, recording.examples)
    attention = mention_attention(other.towers["text"], mentions)
    return float(np.abs((attention[..., 0] - attention[..., 1]).mean(-1)).max())


def test_the_null_is_that_of_fresh_models_or_of_weights_in_random_order(small, micro_recording):
    recording = untrained(small)
    model = recording.model
    fresh = (
        DualEncoder.build(model.config, model.sizes, FIRST_SEED + k)  # type: ignore[arg-type]
        for k in range(20)
    )
    found = order_bias(recording)
    assert found.null == pytest.approx(max(largest_gap(one, recording) for one in fresh))
    assert found.metrics["null_difference"].value == found.null
    own = order_bias(micro_recording)
    twins = (micro_recording.model.scrambled("text", FIRST_SEED + k) for k in range(20))
    assert own.null == pytest.approx(max(largest_gap(one, micro_recording) for one in twins))


def test_captions_without_relations_are_not_applicable(micro, micro_examples):
    singles = ("single",) * len(micro_examples.caption_template)
    bare = replace(
        record(micro, micro_examples), examples=replace(micro_examples, caption_template=singles)
    )
    with pytest.raises(NotApplicable, match="no caption states a relation"):
        order_bias(bare)
