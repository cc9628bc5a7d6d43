"""Each kind of ablation against a plain loop, and edits of scores that leave a model as it was."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from lrinterp import Scenes, Split, World
from lrinterp.decomposition import (
    KEY_POSITION,
    TERMS,
    Ablation,
    Groups,
    edited,
    embedding_in,
    groups_of,
    score_delta,
    score_terms,
    total,
)
from lrinterp.encoders import DualEncoder, preset

pytestmark = pytest.mark.usefixtures("one_thread")

CONTENT = ("EE", "PE", "bE")
# Keys 0 and 5 stand alone, 1 to 3 belong together, so do 4, 6 and 7; example 1 ends at key 6.
OF_KEY = torch.tensor([9, 2, 2, 2, 4, 0, 4, 4])


@pytest.fixture
def terms() -> torch.Tensor:
    """[term, batch, head, query, key]: random numbers."""
    return torch.randn(
        9, 2, 3, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


@pytest.fixture
def groups() -> Groups:
    seen = torch.ones(2, 1, 8, dtype=torch.bool)
    seen[1, 0, 7] = False
    return Groups(OF_KEY[None], seen)


def by_row(function: Callable[[np.ndarray, list[list[int]]], np.ndarray], rows, groups: Groups):
    """Apply a plain function to every row, with the seen keys of each group as lists."""
    out = np.zeros(rows.shape)
    for batch, head, query in np.ndindex(*rows.shape[:3]):
        seen = groups.seen[batch, query].tolist()
        of_key = groups.of_key.expand(len(rows), -1)[batch].tolist()
        members = [
            [key for key, of in enumerate(of_key) if of == group and seen[key]]
            for group in set(of_key)
        ]
        out[batch, head, query] = function(rows[batch, head, query].numpy(), members)
    return out


def flattened(row: np.ndarray, members: list[list[int]]) -> np.ndarray:
    """What flattening adds to a row: on each key the mean of its group minus its own value."""
    change = np.zeros(len(row))
    for keys in members:
        for key in keys:
            change[key] = sum(row[k] for k in keys) / len(keys) - row[key]
    return change


def test_groups_taken_apart_are_averaged_apart(terms, groups):
    mask = torch.tensor([[0, 1, 0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1, 1, 1]], dtype=torch.bool)
    delta = score_delta(terms, Ablation(terms=("EP",)), groups.apart(mask))
    expected = by_row(flattened, terms[TERMS.index("EP")], groups.apart(mask))
    np.testing.assert_allclose(delta.numpy(), expected, atol=1e-12)
    assert not delta[0, :, :, 2].any()  # alone among the keys outside the mask
    assert delta[0, :, :, 1].all()


def test_flatten_against_a_loop(terms, groups):
    delta = score_delta(terms, Ablation(terms=("EP", "bP")), groups)
    expected = by_row(flattened, terms[TERMS.index("EP")] + terms[TERMS.index("bP")], groups)
    np.testing.assert_allclose(delta.numpy(), expected, atol=1e-12)
    assert not delta[..., [0, 5]].any()  # a key alone keeps its own
    assert not delta[1, :, :, 7].any()  # an unseen one is not touched
    assert delta[0, :, :, 7].all()


def test_flatten_leaves_cls_alone(micro, micro_examples):
    tokens = micro_examples.of("unseen_pair").image
    for gauge in ("canonical", "raw"):
        space = embedding_in(micro.image, micro_examples.occurs["image"], gauge)
        groups = groups_of(micro.image, tokens, micro_examples.occurs["image"])
        terms = score_terms(micro.image, tokens, space)
        delta = score_delta(terms, Ablation(terms=KEY_POSITION), groups)
        # EP + bP is 2 p a pixel for head 0: flattening adds 2, 0, -2; head 1 minus half of it.
        expected = torch.tensor([[0, 2, 0, -2], [0, -1, 0, 1.0]])
        assert torch.equal(delta[:, :, 0], expected.expand(len(tokens), 2, 4))


def test_keep_flattens_all_others(terms, groups):
    delta = score_delta(terms, Ablation(terms=KEY_POSITION, kind="keep"), groups)
    others = sum(terms[i] for i, name in enumerate(TERMS) if name not in KEY_POSITION)
    np.testing.assert_allclose(delta.numpy(), by_row(flattened, others, groups), atol=1e-12)


def test_flatten_and_keep_together_flatten_everything(terms, groups):
    flatten, keep = (
        score_delta(terms, Ablation(terms=KEY_POSITION, kind=kind), groups)
        for kind in ("flatten", "keep")
    )
    whole = groups.centred(terms.sum(0))
    torch.testing.assert_close(flatten + keep, -whole)


def test_zero_and_the_row_mean_are_one_in_a_softmax(terms, groups):
    scores, term = terms.sum(0), terms[TERMS.index("EP")]
    zeroed = scores + score_delta(terms, Ablation(terms=("EP",), kind="zero"), groups)
    levelled = scores - term + term.mean(-1, keepdim=True)
    torch.testing.assert_close(zeroed, scores - term)
    torch.testing.assert_close(zeroed.softmax(-1), levelled.softmax(-1))
    assert (zeroed.softmax(-1) - scores.softmax(-1)).abs().max() > 0.01


def test_permute_moves_every_value_inside_its_group(terms, groups):
    term = terms[TERMS.index("EE")]
    for seed in range(5):
        ablation = Ablation(terms=("EE",), kind="permute", seed=seed)
        moved = term + score_delta(terms, ablation, groups)
        for old, new in zip(term.reshape(-1, 8), moved.reshape(-1, 8), strict=True):
            came_from = [int((old - value).abs().argmin()) for value in new]
            assert sorted(came_from) == list(range(8))
            assert all(OF_KEY[key] == OF_KEY[origin] for key, origin in enumerate(came_from))
            stayed = [key for key, origin in enumerate(came_from) if key == origin]
            assert stayed == [0, 5]


def test_permutations_of_different_seeds_differ(terms, groups):
    deltas = [
        score_delta(terms, Ablation(terms=("EE",), kind="permute", seed=seed), groups)
        for seed in (0, 0, 1, 2, 3)
    ]
    assert torch.equal(deltas[0], deltas[1])
    assert any(not torch.equal(deltas[0], other) for other in deltas[2:])


def test_resample_takes_the_terms_of_the_donor(terms, groups):
    donors = terms.flip(1)
    delta = score_delta(terms, Ablation(terms=CONTENT, kind="resample"), groups, donors)
    own, other = (sum(x[TERMS.index(name)] for name in CONTENT) for x in (terms, donors))
    torch.testing.assert_close(terms.sum(0) + delta, terms.sum(0) - own + other)


def test_resampling_a_term_that_no_input_changes_is_refused_by_name(micro, micro_examples):
    tokens = micro_examples.image
    space = embedding_in(micro.image, micro_examples.occurs["image"], "canonical")
    groups = groups_of(micro.image, tokens, micro_examples.occurs["image"])
    terms = score_terms(micro.image, tokens, space)
    donors = terms[:, torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))]
    expected = r"resample: EP\+PP\+bP does not depend on the input, nothing to resample"
    with pytest.raises(ValueError, match=expected):
        score_delta(terms, Ablation(terms=KEY_POSITION, kind="resample"), groups, donors)
    delta = score_delta(terms, Ablation(terms=CONTENT, kind="resample"), groups, donors)
    assert delta.abs().max() == 2  # an object (3 + 3) in the place of the background (2 + 2)
    with pytest.raises(ValueError, match="expected the terms of other inputs as donors, got none"):
        score_delta(terms, Ablation(terms=CONTENT, kind="resample"), groups)


@pytest.mark.parametrize("seed", range(3))
def test_a_placebo_is_orthogonal_and_of_the_same_size(terms, groups, seed: int):
    delta = score_delta(terms, Ablation(terms=KEY_POSITION, kind="placebo", seed=seed), groups)
    term = total(terms, KEY_POSITION)
    centred = -by_row(flattened, term, groups)
    np.testing.assert_allclose((delta.numpy() * centred).sum(-1), 0, atol=1e-12)
    sizes = [np.linalg.norm(x, axis=-1) for x in (delta.numpy(), centred)]
    np.testing.assert_allclose(sizes[0], sizes[1])
    # It lives where the term lives: it sums to nothing inside each group and spares lone keys.
    torch.testing.assert_close(groups.means(delta), torch.zeros_like(delta))
    assert not delta[..., [0, 5]].any()
    assert not delta[1, :, :, 7].any()


def test_a_placebo_on_three_pixels_by_hand(micro, micro_examples):
    """Orthogonal to (-2, 0, 2) and to constants is only +-(1, -2, 1), here of length sqrt(8)."""
    tokens = micro_examples.of("unseen_pair").image
    space = embedding_in(micro.image, micro_examples.occurs["image"], "canonical")
    groups = groups_of(micro.image, tokens, micro_examples.occurs["image"])
    ablation = Ablation(terms=KEY_POSITION, kind="placebo")
    delta = score_delta(score_terms(micro.image, tokens, space), ablation, groups)[0, 0, 0]
    row = torch.tensor([0, 1, -2, 1]) * np.sqrt(8 / 6)
    torch.testing.assert_close(delta * delta[1].sign(), row.float())


def test_placebos_are_reproducible_by_seed(terms, groups):
    rows = [
        score_delta(terms, Ablation(terms=("EP",), kind="placebo", seed=seed), groups)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(rows[0], rows[1])
    assert (rows[0] - rows[2]).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["flatten", "zero", "permute", "resample", "keep", "placebo"])
def test_heads_select_and_nothing_is_modified(terms, groups, kind):
    donors, before = terms.flip(1), terms.clone()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    whole = score_delta(terms, Ablation(terms=("EE",), kind=kind), groups, donors)
    some = score_delta(terms, Ablation(terms=("EE",), kind=kind, heads=(0, 2)), groups, donors)
    assert torch.equal(some[:, [0, 2]], whole[:, [0, 2]])
    assert not some[:, 1].any()
    assert whole[:, 1].any()
    assert torch.equal(terms, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_bad_ablations_are_named(terms, groups):
    with pytest.raises((ValueError, TypeCheckError), match="'mean'"):
        Ablation(terms=("EP",), kind="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"term: expected some of EE, EP, .* got 'VP'"):
        Ablation(terms=("EP", "VP"))
    with pytest.raises(ValueError, match="head: expected 0 to 2, got 3"):
        score_delta(terms, Ablation(terms=("EP",), heads=(1, 3)), groups)
    with pytest.raises(ValueError, match="head: expected 0 to 2, got -1"):
        score_delta(terms, Ablation(terms=("EP",), heads=(-1,)), groups)


# A random model on a small world, for edits of real forward passes.


@pytest.fixture
def scenes() -> Scenes:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    return Scenes(World(n_pixels=4, n_labels=4), split)


@pytest.fixture
def model(scenes: Scenes) -> DualEncoder:
    sizes = {
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_embed": 6,
        "std_W_E": 1.0,
        "std_W_pos": 1.0,
    }
    model = DualEncoder.build(preset("minimal", **sizes, std_weights=0.5), scenes.sizes, 0)
    for tower in model.towers.values():
        tower.blocks[0].attn.b_Q.data += 0.5
    return model


def test_key_position_flattens_alike_in_every_gauge(model, scenes, regauge):
    """Any split of one and the same model: flattened scores agree up to a constant a row."""
    examples = scenes.examples(["unseen_pair"])
    attentions, alone = [], []
    for moved in (False, True):
        if moved:
            regauge(model, examples)
        for gauge in ("canonical", "raw"):
            for tower, tokens in model.prepare(examples).items():
                groups = groups_of(model.towers[tower], tokens, examples.occurs[tower])
                space = embedding_in(model.towers[tower], examples.occurs[tower], gauge)
                terms = score_terms(model.towers[tower], tokens, space)
                hidden = ~groups.seen[:, None]
                for names, into in ((KEY_POSITION, attentions), (("EP",), alone)):
                    scores = terms.sum(0) + score_delta(terms, Ablation(terms=names), groups)
                    into.append(scores.masked_fill(hidden, -torch.inf).softmax(-1))
    for image, text in zip(attentions[::2], attentions[1::2], strict=True):
        torch.testing.assert_close(image, attentions[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(text, attentions[1], atol=1e-5, rtol=0)
    assert max(float((row - alone[0]).abs().max()) for row in alone[::2]) > 0.01


def plain_embedding(tower, ids: list[int], query: int, rows, values) -> np.ndarray:
    """A one-layer tower in float64 loops; `rows` [head, key] is added to the query's scores,
    `values` [key, head, d_head] to its values.
    """
    w = {k: v.detach().double().numpy() for k, v in tower.state_dict().items()}
    x = [w["embed.W_E"][token] + w["pos_embed.W_pos"][i] for i, token in enumerate(ids)]
    attn = "blocks.0.attn."
    out = x[query] + w[attn + "b_O"]
    visible = len(ids) if tower.cfg.attention_dir == "bidirectional" else query + 1
    for head in range(tower.cfg.n_heads):
        q = x[query] @ w[attn + "W_Q"][head] + w[attn + "b_Q"][head]
        weights, moved = [], []
        for key in range(visible):
            k = x[key] @ w[attn + "W_K"][head] + w[attn + "b_K"][head]
            v = x[key] @ w[attn + "W_V"][head] + w[attn + "b_V"][head]
            weights.append(np.exp(q @ k / np.sqrt(tower.cfg.d_head) + rows[head, key]))
            moved.append(v + values[key, head])
        z = sum(a * v for a, v in zip(weights, moved, strict=True)) / sum(weights)
        out = out + z @ w[attn + "W_O"][head]
    logits = out @ w["unembed.W_U"] + w["unembed.b_U"]
    return logits / np.linalg.norm(logits)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_an_edited_forward_pass_against_plain_loops(model, scenes, tower: str):
    examples = scenes.examples(["unseen_pair"])
    tokens = model.prepare(examples)[tower].at(torch.tensor([0, 2, 9]))
    n, length = tokens.ids.shape
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(n, 2, 1, length, generator=generator)
    values = torch.randn(n, length, 2, 4, generator=generator)
    with edited(model.towers[tower], scores=scores, values=values, pool=tokens.pool):
        actual = model.embed_all(tower, tokens).double().numpy()
    for row, (ids, query) in enumerate(zip(tokens.ids.tolist(), tokens.pool.tolist(), strict=True)):
        added, moved = scores[row, :, 0].double().numpy(), values[row].double().numpy()
        expected = plain_embedding(model.towers[tower], ids, query, added, moved)
        np.testing.assert_allclose(actual[row], expected, atol=1e-5)
        intact = plain_embedding(model.towers[tower], ids, query, 0 * added, 0 * moved)
        assert np.abs(intact - expected).max() > 0.01


def test_one_row_goes_to_the_pooled_query_and_a_square_to_all(model, scenes):
    """And keys behind the causal mask, or behind the end of a caption, stay hidden."""
    examples = scenes.examples(["single"])
    tokens = model.prepare(examples)["text"].at(torch.tensor([1, 9]))  # one short, one long
    n, length = tokens.ids.shape
    _, intact = model.text.run_with_cache(tokens.ids)
    generator = torch.Generator().manual_seed(0)
    for n_queries in (1, length):
        scores = 5 + torch.randn(n, 2, n_queries, length, generator=generator)
        with edited(model.text, scores=scores, pool=tokens.pool):
            _, cache = model.text.run_with_cache(tokens.ids)
        change = (cache["attn_scores", 0] - intact["attn_scores", 0]).nan_to_num()
        for row, pool in enumerate(tokens.pool.tolist()):
            touched = change[row].abs().amax((0, 2)) > 0
            pooled_only = [position == pool for position in range(length)]
            assert touched.tolist() == (pooled_only if n_queries == 1 else [True] * length)
        assert not cache["pattern", 0].triu(1).any()
        assert torch.isfinite(cache["pattern", 0]).all()


def test_padding_is_seen_by_no_pooled_row(micro, micro_examples):
    groups = groups_of(micro.text, micro_examples.text, micro_examples.occurs["text"])
    for seen, pool in zip(groups.seen[:, 0], micro_examples.text.pool.tolist(), strict=True):
        assert seen.tolist() == [key <= pool for key in range(9)]
    square = groups_of(micro.text, micro_examples.text, micro_examples.occurs["text"], pooled=False)
    for seen, pool in zip(square.seen, micro_examples.text.pool.tolist(), strict=True):
        rows = [[key <= min(query, pool) for key in range(9)] for query in range(9)]
        assert seen.tolist() == rows
    pictures = groups_of(micro.image, micro_examples.image, micro_examples.occurs["image"])
    assert pictures.seen.all()


def test_an_edit_leaves_the_tower_as_it_was(model, scenes):
    """Also when the body raises, and beside hooks that are the user's own."""
    tokens = model.prepare(scenes.examples(["single"]))["image"]
    before = model.embed_all("image", tokens)
    calls = []

    def permanent(_activation, hook):
        calls.append("permanent")

    def temporary(_activation, hook):
        calls.append("temporary")

    scores = torch.full((len(tokens), 2, 1, 5), 3.0)
    scores[..., 0] = 0
    model.image.add_perma_hook("blocks.0.attn.hook_attn_scores", permanent)
    model.image.add_hook("blocks.0.attn.hook_v", temporary)
    body = RuntimeError("the body")

    def run():
        with edited(
            model.image, scores=scores, values=torch.ones(len(tokens), 5, 2, 4), pool=tokens.pool
        ):
            assert (model.embed_all("image", tokens) - before).abs().max() > 0.01
            raise body

    with pytest.raises(RuntimeError, match="the body"):
        run()
    calls.clear()
    assert torch.equal(model.embed_all("image", tokens), before)
    assert calls == ["temporary", "permanent"]
