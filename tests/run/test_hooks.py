"""Every kind of edit against a transformer written out by hand, and the mathematics it keeps."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.decomposition import CHANGES, KEY_CONTENT, KEY_POSITION, TERMS, split_terms, total
from lrinterp.run import Edit, InputIndependent, Places, TowerRun, knows_objects, objects, under
from lrinterp.run.edit import HEAD_SITES, MAP_SITES, RESIDUAL_SITES

SHAPES = [(1, "minimal"), (2, "full")]
PATCHES = np.arange(4) - 1.5
"""Steps along the row of four pixels."""

Change = Callable[[int, str, np.ndarray, dict[str, Any]], np.ndarray]


def unchanged(_: int, __: str, value: np.ndarray, ___: dict[str, Any]) -> np.ndarray:
    return value


@dataclass
class ByHand:
    """The image tower in numpy, in double precision: embeddings, and what every layer reads.

    `change` is given each layer's scores, pattern and values by name, with what led to them.
    """

    run: TowerRun

    def weights(self, layer: int) -> dict[str, np.ndarray]:
        prefix = f"blocks.{layer}."
        state = self.run.tower.state_dict().items()
        whole = {k.removeprefix(prefix): v.double().numpy() for k, v in state}
        return {k.removeprefix("attn."): v for k, v in whole.items()}

    def read(self, layer: int, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """What the attention reads of a part of the stream, at the scale of the whole."""
        if self.run.tower.cfg.normalization_type is None:
            return np.broadcast_to(part, x.shape)
        scale = np.sqrt(x.var(-1, keepdims=True) + self.run.tower.cfg.eps)
        w = self.weights(layer)
        return (part - part.mean(-1, keepdims=True)) / scale * w["ln1.w"]

    def norm(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        scale = np.sqrt(x.var(-1, keepdims=True) + self.run.tower.cfg.eps)
        return (x - x.mean(-1, keepdims=True)) / scale * w + b

    def embed(self, change: Change = unchanged) -> np.ndarray:
        w, cfg = self.weights(0), self.run.tower.cfg
        x = w["embed.W_E"][self.run.inputs.values.numpy()] + w["pos_embed.W_pos"]
        for layer in range(cfg.n_layers):
            w = self.weights(layer)
            normed = self.read(layer, x, x) + w.get("ln1.b", 0)
            q, k, v = (np.einsum("bpm,hmd->bhpd", normed, w[f"W_{s}"]) for s in "QKV")
            q, k, v = q + w["b_Q"][:, None], k + w["b_K"][:, None], v + w["b_V"][:, None]
            about = {"x": x, "q": q, "w": w}
            scores = change(layer, "scores", q @ k.swapaxes(-1, -2) / 2, about)
            pattern = np.exp(scores - scores.max(-1, keepdims=True))
            pattern = change(layer, "pattern", pattern / pattern.sum(-1, keepdims=True), about)
            z = pattern @ change(layer, "values", v, about)
            x = x + np.einsum("bhpd,hdm->bpm", z, w["W_O"]) + w["b_O"]
            if not cfg.attn_only:
                hidden = self.norm(x, w["ln2.w"], w["ln2.b"]) @ w["mlp.W_in"] + w["mlp.b_in"]
                hidden = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
                x = x + hidden @ w["mlp.W_out"] + w["mlp.b_out"]
        x = x[:, 0]
        if cfg.normalization_type is not None:
            x = self.norm(x, w["ln_final.w"], w["ln_final.b"])
        found = x @ w["unembed.W_U"] + w["unembed.b_U"]
        return found / np.linalg.norm(found, axis=-1, keepdims=True)

    def position(self, layer: int) -> np.ndarray:
        """Of each input: weights in the first layer, else the mean over other label sets."""
        if layer == 0:
            return centred(self.weights(0)["pos_embed.W_pos"])[None]
        stream, clusters = self.run.residual(layer).double().numpy(), self.run.places.clusters
        assert clusters is not None
        return np.stack([centred(stream[clusters != own].mean(0)) for own in clusters])

    def keys(self, layer: int, about: dict[str, Any], part: np.ndarray) -> np.ndarray:
        """Scores of the whole query with the key that a part of the stream makes."""
        key = np.einsum("bpm,hmd->bhpd", self.read(layer, about["x"], part), about["w"]["W_K"])
        return about["q"] @ key.swapaxes(-1, -2) / 2

    def key_position(self, layer: int, about: dict[str, Any]) -> np.ndarray:
        return self.keys(layer, about, self.position(layer))


def centred(rows: np.ndarray) -> np.ndarray:
    """Positions around the mean of the patches; 0 at CLS, which stands alone."""
    return np.concatenate([np.zeros_like(rows[:1]), rows[1:] - rows[1:].mean(0)])


def on_patches(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """What a function makes of the last axis without CLS, which becomes what it was."""
    return lambda rows: np.concatenate([rows[..., :1], function(rows[..., 1:])], -1)


def level(rows: np.ndarray) -> np.ndarray:
    return np.broadcast_to(rows.mean(-1, keepdims=True), rows.shape)


def line(rows: np.ndarray) -> np.ndarray:
    """The least-squares line of each row."""
    design = np.stack([np.ones(4), PATCHES], 1)
    return rows @ design @ np.linalg.inv(design.T @ design) @ design.T


def rescaled(rows: np.ndarray) -> np.ndarray:
    rest, own = rows - line(rows), rows - level(rows)
    sizes = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (own, rest)]
    return level(rows) + rest * sizes[0] / sizes[1]


BECOMES = {
    "flatten": on_patches(level),
    "zero": lambda rows: 0 * rows,
    "reverse": on_patches(lambda rows: rows[..., ::-1]),
    "linear": on_patches(line),
    "residual": on_patches(lambda rows: rows - line(rows) + level(rows)),
    "residual_rescaled": on_patches(rescaled),
}
"""What becomes of a term under each kind that draws nothing."""


@pytest.fixture(params=SHAPES, ids=["one layer", "two layers"])
def image(made, request) -> TowerRun:
    layers, name = request.param
    return made(layers, name).towers["image"]


def assert_embeds(run: TowerRun, edit: Edit, expected: np.ndarray) -> None:
    """The edited run embeds as expected, and not as the intact one."""
    found = under(run, edit).embeddings.numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(expected - run.embeddings.numpy()).max() > 1e-3


def test_the_transformer_by_hand_is_the_tower(image):
    np.testing.assert_allclose(ByHand(image).embed(), image.embeddings.numpy(), atol=1e-5)


@pytest.mark.parametrize("how", BECOMES)
def test_what_becomes_of_key_position(image, how):
    """In all layers and rows, of the stream that a layer reads in the edited run."""
    hand = ByHand(image)

    def change(layer, name, value, about):
        if name != "scores":
            return value
        own = hand.key_position(layer, about)
        return value - own + BECOMES[how](own)

    assert set(BECOMES) | {"permute", "placebo"} == set(CHANGES)
    assert_embeds(image, Edit(how=how), hand.embed(change))


def level_apart(rows: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Patches at the mean over those of a mask, or over the others; CLS as it was."""
    out = rows.copy()
    for i, mask in enumerate(there):
        for keys in (np.flatnonzero(mask), np.setdiff1d(np.arange(1, 5), np.flatnonzero(mask))):
            out[i][..., keys] = rows[i][..., keys].mean(-1, keepdims=True)
    return out


@pytest.mark.parametrize("how", ["keep", "keep_objects"])
def test_keep_flattens_all_other_terms(image, how):
    """With objects and empty keys apart where that is asked."""
    hand, others = ByHand(image), "+".join(t for t in TERMS if t not in KEY_POSITION)
    there = (~(image.places.roles["background"] | image.places.roles["CLS"])).numpy()

    def change(layer, name, value, about):
        if name != "scores":
            return value
        own = hand.key_position(layer, about)
        rest = value - own
        return own + (on_patches(level)(rest) if how == "keep" else level_apart(rest, there))

    expected = hand.embed(change)
    assert_embeds(image, Edit(how=how), expected)
    if how == "keep":
        assert_embeds(image, Edit(what=others), expected)
    assert np.array_equal(objects(image).numpy(), there)
    assert knows_objects(image)


@pytest.mark.parametrize("terms", ["EP", "bP+PP", "EE+PE+bE", "EP+Eb"])
def test_terms_of_the_first_layer_are_those_of_the_weights(made, terms):
    image = made().towers["image"]
    split = image.streams.split(0, "canonical")
    nine = split_terms(image.tower, 0, split, image.inputs.pool, pooled=False)
    own = total(nine, terms.split("+")).double().numpy()

    def change(_, name, value, __):
        return value - own + BECOMES["flatten"](own) if name == "scores" else value

    assert_embeds(image, Edit(what=terms), ByHand(image).embed(change))


def test_without_value_position_values_lose_position_alone(image):
    hand = ByHand(image)

    def change(layer, name, value, about):
        if name != "values":
            return value
        part = hand.read(layer, about["x"], hand.position(layer))
        return value - np.einsum("bpm,hmd->bhpd", part, about["w"]["W_V"])

    assert_embeds(image, Edit(what="VP", how="zero"), hand.embed(change))
    assert torch.equal(
        under(image, Edit(what="VP", how="zero")).embeddings,
        under(image, Edit(what="VP")).embeddings,
    )


@pytest.mark.parametrize("how", ["exchange", "equalise"])
def test_attention_moves_between_the_objects(image, how):
    left, right = (image.places.roles[side].long().argmax(1).numpy() for side in ("left", "right"))
    rows = np.arange(len(image))

    def change(_, name, value, __):
        if name != "pattern":
            return value
        out, (a, b) = value.copy(), (value[rows, :, :, side] for side in (left, right))
        out[rows, :, :, left], out[rows, :, :, right] = (
            (b, a) if how == "exchange" else ((a + b) / 2, (a + b) / 2)
        )
        return out

    assert_embeds(image, Edit(what="attention", how=how), ByHand(image).embed(change))


def scores_of(run: TowerRun, layer: int = 0) -> torch.Tensor:
    return run.cache["attn_scores", layer]


def test_layers_draw_placebos_of_their_own(made):
    """The second layer alone draws as it does beside the first: seeds are far apart."""
    image = made(2).towers["image"]
    rows = [
        (scores_of(under(image, Edit(how="placebo", layers=(layer,), seed=seed)), layer)
         - scores_of(image, layer))[0, :, 0, 1:]
        for layer, seed in ((0, 1000), (1, 0))
    ]  # fmt: skip
    cosine = torch.cosine_similarity(rows[0], rows[1], dim=-1)
    assert cosine.abs().max() < 0.9999


@pytest.mark.parametrize("index", [slice(None), torch.tensor([5, 0, 17])])
def test_resampling_takes_the_terms_of_donors_among_all_inputs(made, index):
    """In the pooled row; each input's donor is that of the whole run, also of some inputs."""
    image = made().towers["image"]
    edit = Edit(what="key_content", how="resample", queries="pooled", seed=2)
    part = image.at(index)
    split = image.streams.split(0, "canonical")
    nine = split_terms(image.tower, 0, split, image.inputs.pool)
    content = sum(nine[TERMS.index(name)] for name in KEY_CONTENT)[:, :, 0]  # type: ignore[index]
    taken = content[index] + (scores_of(under(image, edit)) - scores_of(image))[index][:, :, 0]
    donors = [int((content - row).abs().flatten(1).amax(1).argmin()) for row in taken]
    torch.testing.assert_close(taken, content[donors], atol=1e-4, rtol=1e-4)
    assert any(donor != i for donor, i in zip(donors, torch.arange(36)[index], strict=True))
    again = under(image, edit).at(index).embeddings
    torch.testing.assert_close(again, under(image, edit).embeddings[index])
    assert len(part) == len(donors)


def test_what_no_input_changes_cannot_be_resampled(made):
    image = made().towers["image"]
    with pytest.raises(InputIndependent, match=r"resample: bP does not depend on the input"):
        assert under(image, Edit(what="bP", how="resample", queries="pooled")).embeddings
    with pytest.raises(ValueError, match="queries: resample knows the pooled row alone"):
        assert under(image, Edit(what="EE", how="resample")).embeddings


@pytest.mark.parametrize(
    ("edit", "site"),
    [
        *((Edit(how=how), "attn_scores") for how in ("flatten", "reverse", "keep", "placebo")),
        (Edit(what="attention", how="exchange"), "pattern"),
        (Edit(what="z", how="zero"), "z"),
        (Edit(what="resid_pre", how="zero"), "resid_pre"),
    ],
)
def test_scaling_goes_from_nothing_to_the_whole_in_a_line(made, edit, site):
    image = made().towers["image"]
    intact = image.cache[site, 0]
    whole = under(image, edit).cache[site, 0] - intact
    for alpha in (0.0, 0.5, -1.0, 2.0):
        edited = under(image, edit.scaled(alpha))
        change = edited.cache[site, 0] - intact
        torch.testing.assert_close(change, alpha * whole, atol=1e-4, rtol=1e-4)
        if alpha == 0:
            torch.testing.assert_close(edited.embeddings, image.embeddings, atol=1e-6, rtol=0)
    assert whole.abs().max() > 0.1


FLAT = (Edit(what="key_content"), Edit(what="VP", how="zero"))
"""One layer without key-content and without position in the values: there algebra predicts."""


@pytest.mark.parametrize(
    ("edit", "base", "turned"),
    [
        (Edit(what="attention", how="exchange"), FLAT, lambda i, j: [i, j]),
        (Edit(how="reverse"), FLAT[1:], lambda i, j: [3 - j, 3 - i]),
    ],
    ids=["exchanged attention is the swapped picture", "reversed key-position the mirrored one"],
)
def test_what_algebra_predicts_of_a_picture(made, edit, base, turned):
    """Not so with positions in the values."""
    run = made()
    image, labels = run.towers["image"], run.examples.image_labels.tolist()
    told = list(zip(labels, run.examples.image_pixels.tolist(), strict=True))
    other = torch.tensor([told.index((own[::-1], turned(*where))) for own, where in told])
    before = under(image, *base).embeddings
    found = under(image, *base, edit).embeddings
    torch.testing.assert_close(found, before[other], atol=1e-5, rtol=1e-4)
    assert (found - before).abs().max() > 0.01
    assert (under(image, *base[:-1], edit).embeddings - before[other]).abs().max() > 0.01


def test_equalised_attention_is_a_bag_of_objects(made):
    """The two orders of a pair then embed alike: a tie."""
    run = made()
    images = run.under(*FLAT, Edit(what="attention", how="equalise")).embeddings["image"]
    places = np.sort(run.examples.image_labels, 1), run.examples.image_pixels
    bag = np.unique(np.concatenate(places, 1), axis=0, return_inverse=True)[1].ravel()
    for number in np.unique(bag):
        first, second = images[torch.from_numpy(np.flatnonzero(bag == number))]
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
    assert run.under(*FLAT).margin.abs().max() > 0.01


@pytest.mark.parametrize("what", [*RESIDUAL_SITES, *HEAD_SITES, *MAP_SITES])
@pytest.mark.parametrize("how", ["zero", "patch", "add"])
def test_an_edited_site_is_what_was_asked_for(made, what, how):
    """At the positions of a role, in some heads, and nowhere else."""
    image = made(2, "full").towers["image"]
    order = torch.arange(len(image)).roll(5)
    source = TowerRun(image.model, "image", image.inputs.at(order)) if how == "patch" else None
    before = image.cache[what, 1]
    vector = torch.full((before.shape[-1],), 0.5) if how == "add" else None
    heads = None if what in RESIDUAL_SITES else (1,)
    edit = Edit(what=what, how=how, layers=(1,), heads=heads, role="left", queries="pooled",
                source=source, vector=vector)  # fmt: skip
    wanted = {"zero": 0 * before, "patch": before[order], "add": before + 0.5}[how]
    place, where = image.places.roles["left"], torch.zeros_like(before, dtype=torch.bool)
    if what in MAP_SITES:
        where[:, 1, 0] = place
    elif what in HEAD_SITES:
        where[:, :, 1] = place[:, :, None]
    else:
        where[:] = place[:, :, None]
    found = under(image, edit).cache[what, 1]
    torch.testing.assert_close(found[where], wanted[where], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[~where], before[~where], atol=1e-6, rtol=1e-6)
    assert (found[where] - before[where]).abs().max() > 0.01


def test_only_the_heads_and_rows_that_are_named(made):
    """The pooled row, a role's rows, or all of them; one head or both."""
    image = made(2).towers["image"]
    background = image.places.roles["background"]
    place = {
        "pooled": torch.arange(5).expand(36, 5) == 0,
        "background": background,
        "all": torch.ones_like(background),
    }
    for queries, rows in place.items():
        edited = under(image, Edit(layers=(0,), heads=(1,), queries=queries))
        moved = (scores_of(edited) - scores_of(image)).abs().amax(-1)
        assert moved[:, 0].max() == 0
        assert (moved[:, 1] > 1e-4).equal(rows)
    both, one, other = (
        scores_of(under(image, Edit(heads=heads))) - scores_of(image)
        for heads in (None, (0,), (1,))
    )
    torch.testing.assert_close(both, one + other, atol=1e-5, rtol=1e-4)


def test_captions_are_edited_where_they_are_read(made):
    """In the text tower no key is seen before its query, and padding is left alone."""
    text = made(2, "full", sets=("single", "unseen_pair")).towers["text"]
    edited = under(text, Edit(tower="text"))
    pattern = edited.cache["pattern", 1]
    assert not pattern.triu(1).any()
    assert pattern.isfinite().all()
    assert (edited.embeddings - text.embeddings).abs().max() > 0.01
    pooled = under(text, Edit(tower="text", layers=(0,), queries="pooled"))
    moved = (scores_of(pooled) - scores_of(text)).nan_to_num().abs().amax((1, 3)) > 1e-6
    read = torch.arange(text.n_positions) == text.inputs.pool[:, None]
    assert not (moved & ~read).any()
    assert moved[text.inputs.pool == text.n_positions - 1].any(1).all()


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"heads": (0, 2)}, ValueError, "head: expected 0 to 1, got 2"),
        ({"heads": (-1,)}, ValueError, "head: expected 0 to 1, got -1"),
        ({"layers": (1,)}, ValueError, "layer: expected 0 to 0, got 1"),
        ({"queries": "verb"}, ValueError, "role: expected one of all, pooled, CLS, .*got 'verb'"),
        ({"what": "z", "how": "zero", "role": "verb"}, ValueError, "role: expected one of all, po"),
        ({"what": "pattern", "how": "zero", "queries": "verb"}, ValueError, "got 'verb'"),
        ({"what": "attention", "how": "exchange", "queries": "verb"}, ValueError, "got 'verb'"),
        ({"tower": "text"}, ValueError, "tower: expected image, got text"),
    ],
)
def test_what_is_not_there_is_named_at_once(made, fields, error, message):
    with pytest.raises(error, match=message):
        under(made().towers["image"], Edit(**fields))


def test_where_nothing_says_where_objects_are(made):
    image = made().towers["image"]
    names = {"CLS": "CLS", "left": "left half", "right": "right half"}
    roles = {new: image.places.roles[old] for old, new in names.items()}
    places = Places(occurs=image.places.occurs, roles=roles)
    bare = TowerRun(image.model, "image", image.inputs, places)
    assert not knows_objects(bare)
    with pytest.raises(ValueError, match="attention: nothing says where the objects of these"):
        under(bare, Edit(what="attention", how="exchange"))
    with pytest.raises(ValueError, match="how: reverse needs keys that are patches of a picture"):
        assert under(bare, Edit(how="reverse")).embeddings
