"""The bench of ablations: every accuracy of the micro-model by hand, forward passes by loops."""

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Scenes, Split, World, preset
from lrinterp.analysis.ablation import bench as ablation_bench
from lrinterp.analysis.ablation.bench import Bench, objects
from lrinterp.analysis.ablation.rows import KEEP_OBJECTS, Row, standard_rows
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION
from lrinterp.scoring import METRICS, credits
from lrinterp.stats import Units, mean_interval

pytestmark = pytest.mark.usefixtures("one_thread")

# On cat and dog, at right angles. Both EP and bP of head 0 draw one logit a pixel to the right;
# what is left decides the order, and where nothing is left both captions tie.
ORDER = [
    (Row(), 1.0),
    (Row(terms=KEY_POSITION, kind="flatten"), 0.5),
    (Row(terms=KEY_POSITION, kind="flatten", heads=(0,)), 0.5),
    (Row(terms=KEY_POSITION, kind="flatten", heads=(1,)), 1.0),
    (Row(terms=KEY_POSITION, kind="keep"), 1.0),
    (Row(terms=("EP",), kind="flatten"), 1.0),
    (Row(terms=("EP", "bP"), kind="flatten"), 0.5),
    (Row(terms=("PP",), kind="zero", gauge="raw"), 1.0),
    (Row(terms=("EP",), kind="zero", gauge="raw"), 1.0),
    (Row(terms=("EP", "bP"), kind="zero", gauge="raw"), 0.5),
    (Row(terms=KEY_CONTENT, kind="flatten"), 1.0),
    (Row(terms=KEY_CONTENT, kind="keep"), 0.5),
    (Row(terms=KEY_POSITION, kind=KEEP_OBJECTS), 1.0),
    (Row(terms=KEY_POSITION, kind=KEEP_OBJECTS, encoder="text"), 1.0),
    (Row(terms=("VP",), kind="zero"), 1.0),
    (Row(terms=(*KEY_POSITION, "VP"), kind="flatten"), 0.5),
    (Row(terms=KEY_POSITION, kind="flatten", encoder="text"), 0.5),
    (Row(terms=KEY_POSITION, kind="keep", encoder="text"), 1.0),
]


@pytest.fixture
def bench(micro, micro_examples) -> Bench:
    return Bench(micro, micro_examples.of("unseen_pair"))


def random_scenes() -> Scenes:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    return Scenes(World(n_pixels=4, n_labels=4), split)


@pytest.fixture
def random_bench() -> Bench:
    """A random model, biases and all, on pictures of four pixels."""
    scenes = random_scenes()
    sizes = {
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_embed": 6,
        "std_W_E": 1.0,
        "std_W_pos": 1.0,
    }
    model = DualEncoder.build(preset("minimal", **sizes, std_weights=0.5), scenes.sizes, 0)
    generator = torch.Generator().manual_seed(4)
    for name, weight in model.trainable().items():
        if ".b_" in name:
            weight.data += torch.randn(weight.shape, generator=generator)
    return Bench(model, scenes.examples(["unseen_pair"]))


@pytest.mark.parametrize(("row", "expected"), ORDER, ids=[str(i) for i in range(len(ORDER))])
def test_order_of_the_micro_model_under_each_ablation(bench: Bench, row: Row, expected: float):
    credit = bench.measure(row)["order", "pair"]
    assert credit.tolist() == [[expected] * 6]


@pytest.mark.parametrize("seed", range(4))
def test_order_of_the_micro_model_under_a_placebo(bench: Bench, seed: int):
    """The placebo is +-(1, -2, 1) sqrt(4/3): it spares the two ends, and with a sign of its own
    turns one of the two neighbouring layouts round (2 logits against 3.5).
    """
    scores = bench.scores(Row(terms=KEY_POSITION, kind="placebo"), seed)
    credit = credits(scores, bench.examples, "order", "pair")
    right = {tuple(p): c for p, c in zip(bench.examples.image_pixels, credit, strict=True)}
    assert right[0, 2] == 1
    assert sorted((right[0, 1], right[1, 2])) == [0, 1]
    assert credit.mean() == pytest.approx(2 / 3)


def test_labels_survive_without_key_position(bench: Bench):
    """Cat and dog then get alike: no order, but no other caption points between them."""
    measured = bench.measure(Row(terms=KEY_POSITION, kind="flatten"))
    assert measured["label_set", "closed"].tolist() == [[1] * 6]
    assert measured["label_set", "open"].tolist() == [[1] * 6]
    assert measured["retrieval", "closed"].tolist() == [[0.5] * 6]


def test_attention_of_the_micro_model_by_hand(bench: Bench):
    """Scores 12, 10, 10, 14 on cat, background, dog; 12, 12, 10, 12 without key-position."""
    labels, pixels = bench.examples.image_labels.tolist(), bench.examples.image_pixels.tolist()
    first = [*zip(labels, pixels, strict=True)].index(([2, 3], [0, 2]))
    level = (6 + 4 + 6) / 3  # of content on the three pixels
    for row, scores in (
        (Row(), [12, 10, 10, 14]),
        (Row(terms=KEY_POSITION, kind="flatten"), [12, 12, 10, 12]),
        (Row(terms=KEY_POSITION, kind="keep"), [12, 4 + level, 6 + level, 8 + level]),
    ):
        for head, factor in enumerate((1, -0.5)):
            weights = np.exp(factor * np.array(scores))
            np.testing.assert_allclose(
                bench.attention(row)[first, head], weights / weights.sum(), rtol=1e-5
            )


@pytest.mark.parametrize(
    "row",
    [
        Row(terms=KEY_POSITION, kind="flatten"),
        Row(terms=("EP",), kind="zero", gauge="raw", heads=(1,)),
        Row(terms=KEY_POSITION, kind="flatten", encoder="text"),
    ],
    ids=["flatten", "zero one head", "text"],
)
def test_an_ablation_is_a_plain_run_with_a_hook(random_bench: Bench, row: Row):
    """Attention and embeddings of the bench against TransformerLens's own hooks."""
    tower, tokens = random_bench.model.towers[row.encoder], random_bench.inputs[row.encoder]
    delta = random_bench.delta(row, 0)
    assert delta is not None
    patterns = []

    def add(scores, hook):
        for i, pool in enumerate(tokens.pool.tolist()):
            scores[i, :, pool] += delta[i, :, 0]
        return scores

    def keep(pattern, hook):
        patterns.append(pattern.detach())

    hooks = [("blocks.0.attn.hook_attn_scores", add), ("blocks.0.attn.hook_pattern", keep)]
    logits = tower.run_with_hooks(tokens.ids, fwd_hooks=hooks)
    attention, embeddings = random_bench.attention(row), random_bench.embed(row, 0)
    for i, pool in enumerate(tokens.pool.tolist()):
        np.testing.assert_allclose(attention[i], patterns[0][i, :, pool], atol=1e-6)
        expected = torch.nn.functional.normalize(logits[i, pool], dim=0)
        torch.testing.assert_close(embeddings[i], expected)


def test_intact_attention_is_what_was_recorded(random_bench: Bench):
    _, cache = random_bench.model.image.run_with_cache(random_bench.inputs["image"].ids)
    pattern = cache["pattern", 0][:, :, 0]
    np.testing.assert_allclose(random_bench.attention(Row()), pattern.detach(), atol=1e-6)


def test_values_without_their_position_part(random_bench: Bench):
    """In the canonical gauge P is centred: what VP takes away sums to nothing over the patches."""
    model, tokens = random_bench.model, random_bench.inputs["image"]
    row = Row(terms=("VP",), kind="zero", heads=(1,))
    removed = random_bench.values(row)
    assert not removed[:, :, 0].any()
    assert not removed[:, 0].any()  # CLS stands alone: it has no position part
    assert removed[:, 1:].sum(1).abs().max() < 1e-5
    P = model.image.W_pos[1:] - model.image.W_pos[1:].mean(0)
    expected = -(P @ model.image.blocks[0].attn.W_V[1])
    torch.testing.assert_close(removed[0, 1:, 1], expected)

    def take(values, hook):
        return values + removed

    logits = model.image.run_with_hooks(tokens.ids, fwd_hooks=[("blocks.0.attn.hook_v", take)])
    expected = torch.nn.functional.normalize(logits[:, 0], dim=-1)
    torch.testing.assert_close(random_bench.embed(row, 0), expected)


def test_a_resampled_row_takes_its_donors_from_other_pictures(random_bench: Bench):
    row = Row(terms=KEY_CONTENT, kind="resample")
    delta = random_bench.delta(row, seed=0)
    assert delta is not None
    content = random_bench.terms("image", "canonical")[[0, 3, 6]].sum(0)
    taken = content + delta
    donors = [int((content - row).abs().flatten(1).amax(1).argmin()) for row in taken]
    for picture, donor in enumerate(donors):
        torch.testing.assert_close(taken[picture], content[donor])
    assert sorted(donors) == list(range(len(donors)))
    assert any(picture != donor for picture, donor in enumerate(donors))


def test_a_measure_keeps_every_seeded_draw(random_bench: Bench):
    row = Row(terms=KEY_POSITION, kind="placebo")
    single = [random_bench.scores(row, seed) for seed in range(3)]
    assert (single[0] - single[1]).abs().max() > 1e-4
    assert torch.equal(single[0], random_bench.scores(row, 0))
    together, alone = random_bench.measure(row, draws=3), random_bench.measure(row, draws=1)
    assert together.keys() == alone.keys() == set(METRICS)
    one_by_one = [ablation_bench.credits(s, random_bench.examples, "order", "pair") for s in single]
    np.testing.assert_array_equal(together["order", "pair"], one_by_one)


def test_small_chunks_give_the_same(random_bench: Bench, monkeypatch: pytest.MonkeyPatch):
    row = Row(terms=(*KEY_POSITION, "VP"), kind="flatten")
    whole = random_bench.embed(row, 0)
    monkeypatch.setattr(ablation_bench, "batch_that_fits", lambda *_: 5)
    torch.testing.assert_close(random_bench.embed(row, 0), whole)


def test_rows_of_the_table_carry_intervals_over_labels(random_bench: Bench):
    bench = Bench(random_bench.model, random_scenes().examples(["mixed_pair"]))
    row = Row(terms=("EP", "bP"), kind="flatten", heads=(0, 1))
    measured = bench.measure(row)
    rows = list(bench.table(row, measured))
    assert len(rows) == len(METRICS)
    for cells in rows:
        values = measured[cells["metric"], cells["candidates"]][0]
        interval = mean_interval(values, Units.of_labels(bench.examples.image_labels))
        assert cells | vars(interval) == cells
        assert cells["low"] <= cells["value"] <= cells["high"]
        assert cells["low"] < cells["high"]
        assert cells["n_units"] == 4
        assert cells["terms"] == "EP+bP"
        assert (cells["heads"], cells["kind"], cells["set"]) == ("0,1", "flatten", "mixed_pair")


def test_order_is_not_measured_on_single_objects(micro, micro_examples):
    measured = Bench(micro, micro_examples.of("single")).measure(Row())
    assert ("order", "pair") not in measured
    assert measured["label_set", "closed"].tolist() == [[1] * 4]


def test_objects_told_from_empty_pixels_by_hand(bench: Bench):
    """Content 6 on both objects and 4 between; keep_objects leaves that and the position."""
    scores = [12, 4 + 6, 6 + 4, 8 + 6]
    labels, pixels = bench.examples.image_labels.tolist(), bench.examples.image_pixels.tolist()
    first = [*zip(labels, pixels, strict=True)].index(([2, 3], [0, 2]))
    expected = torch.tensor(scores, dtype=torch.float32).softmax(0)
    attention = bench.attention(Row(terms=KEY_POSITION, kind=KEEP_OBJECTS))[first, 0]
    np.testing.assert_allclose(attention, expected.numpy(), rtol=1e-5)
    there = objects(bench.examples.roles["text"])[
        bench.examples.caption_text.index("cat is on the left of dog")
    ]
    assert there.nonzero().flatten().tolist() == [1, 7]


def test_the_model_is_left_as_it_was(bench: Bench):
    before = {k: v.clone() for k, v in bench.model.state_dict().items()}
    intact = bench.model.score(bench.inputs)
    for row in standard_rows(2):
        bench.measure(row)
    assert all(torch.equal(before[k], v) for k, v in bench.model.state_dict().items())
    assert torch.equal(bench.model.score(bench.inputs), intact)
    assert torch.equal(bench.scores(Row()), intact)
