"""A tower under edits, many edits together, and slopes against finite differences."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder
from lrinterp.run import Edit, TowerRun, gradient, under
from lrinterp.run.edit import ON_ATTENTION, ON_TERMS, POOLED
from lrinterp.run.hooks import term_change
from lrinterp.run.margins import is_enough, reaches, row_embeddings
from lrinterp.run.memory import EMBEDDING
from lrinterp.store import InputError

MODULE = sys.modules["lrinterp.run.margins"]
"""The function has the name of its module."""


def assert_close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def adding(layer: int, size: float = 0.5) -> Edit:
    vector = torch.linspace(-size, size, 8)
    return Edit(what="resid_pre", how="add", layers=(layer,), role="left", vector=vector)


PAIRS = [
    (Edit(layers=(0,)), Edit(layers=(2,), heads=(1,))),
    (Edit(layers=(2,)), Edit(what="z", how="zero", layers=(0,), heads=(0,))),
    (Edit(what="attention", how="exchange"), Edit(what="VP", how="zero")),
    (adding(0), Edit()),
    (adding(1), Edit(layers=(1,))),
    (adding(1), adding(1, 1.0)),
]
"""Two edits, below, above and in the same layer."""


def test_what_lies_below_the_first_edit_is_the_intact_run(made, passes):
    image = made(3).towers["image"]
    assert under(image) is image
    edited = under(image, Edit(layers=(2,)), Edit(layers=(1,), heads=(0,)))
    assert edited.residual(0) is image.residual(0)
    assert torch.equal(edited.residual(1), image.residual(1))
    assert (edited.residual(2) - image.residual(2)).abs().max() > 0.01
    assert (edited.cache["z", 1] - image.cache["z", 1]).abs().max() > 0.01
    torch.testing.assert_close(edited.cache["z", 0], image.cache["z", 0])
    assert passes == [len(image)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_edits_are_made_together_in_either_way(made, first, second):
    """Also of some inputs, which stay edited."""
    image, index = made(3, "full").towers["image"], torch.tensor([4, 20, 9])
    both, alone = under(image, first, second), under(image, first)
    assert both.edits == (first, second)
    assert_close(under(alone, second).embeddings, both.embeddings)
    for one in (first, second):
        assert (under(image, one).embeddings - both.embeddings).abs().max() > 1e-3
    part = alone.at(index)
    assert_close(part.embeddings, alone.embeddings[index])
    for layer in range(3):
        assert_close(part.cache["z", layer], alone.cache["z", layer][index])
    sites = Edit(what="z", how="zero", layers=(2,), heads=(0,))
    again = under(alone.at(index), sites)
    assert_close(again.embeddings, under(image, first, sites).embeddings[index])
    for layer in range(4):
        assert_close(again.residual(layer), under(image, first, sites).residual(layer)[index])


@pytest.mark.parametrize("tower", ["image", "text"])
def test_pooled_rows_are_those_of_the_edited_run(made, tower):
    run = made(2, "full", sets=("single", "unseen_pair")).towers[tower]
    edit, rows = Edit(tower=tower), torch.arange(len(run))
    for edited in (under(run, edit), under(run, edit).at(slice(None))):
        found = edited.pooled(2)
        assert torch.equal(found, under(run, edit).residual(2)[rows, run.inputs.pool])
        assert (found - run.pooled(2)).abs().max() > 1e-3


def test_sites_of_an_edited_run_are_those_of_its_own_streams(made):
    """The stream that a layer reads there, made anew from it; edits of its input made once."""
    image = made(2, "full").towers["image"]
    for edit in (Edit(), adding(1), adding(0)):
        edited = under(image, edit)
        written = edited.cache["attn_out", 1] + edited.cache["mlp_out", 1]
        assert_close(edited.residual(2), edited.residual(1) + written)
        for layer in range(2):
            assert torch.equal(edited.streams.residual(layer), edited.residual(layer))
            assert_close(edited.cache["resid_pre", layer], edited.residual(layer))
    moved = under(image, adding(0)).residual(0) - image.residual(0)
    place = image.places.roles["left"]
    assert_close(moved[place], torch.linspace(-0.5, 0.5, 8).expand(36, 8))
    assert not moved[~place].any()


def test_batches_of_an_edited_run_give_the_same(made, monkeypatch):
    whole, parts = (made(2, "full").towers["image"] for _ in range(2))
    for edit in (Edit(), Edit(how="keep_objects"), Edit(what="z", how="zero", role="right")):
        expected = under(whole, edit).embeddings
        with monkeypatch.context() as patch:
            patch.setattr(type(parts), "batch_size", 5)
            assert_close(under(parts, edit).embeddings, expected)


def test_the_tower_is_left_as_it_was_also_after_an_error(made, monkeypatch):
    """Weights, streams of the intact run, and hooks that are the user's own."""
    run = made(2)
    image, calls = run.towers["image"], []
    image.tower.add_hook("blocks.0.attn.hook_v", lambda *_, hook: calls.append("own"))
    before = run.model.embed("image", run.inputs["image"])
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    streams = [image.residual(layer).clone() for layer in range(3)]
    edited, fresh = under(image, Edit()), under(image, Edit(how="zero"))
    assert (edited.embeddings - before).abs().max() > 0.01
    with monkeypatch.context() as patch:
        patch.setattr(DualEncoder, "project", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            assert fresh.embeddings.any()
    calls.clear()
    assert torch.equal(run.model.embed("image", run.inputs["image"]), before)
    assert calls == ["own"]
    assert (fresh.embeddings - before).abs().max() > 0.01
    assert all(torch.equal(image.residual(k), stream) for k, stream in enumerate(streams))
    assert all(torch.equal(weights[k], v) for k, v in run.model.state_dict().items())


def test_path_patching_is_two_edits(made):
    """Sender L0H0 to the queries of receiver L1H1, against the same by plain hooks."""
    image = made(2, "full").towers["image"]
    swap = torch.arange(len(image)).flip(0)
    sent = Edit(what="z", how="patch", layers=(0,), heads=(0,), source=image.at(swap))
    received = under(image, sent)
    path = under(image, Edit(what="q", how="patch", layers=(1,), heads=(1,), source=received))

    tower, z = image.tower, image.cache["z", 0]
    written = (z.flip(0) - z)[:, :, 0] @ tower.blocks[0].attn.W_O[0]
    mlp = tower.blocks[0].mlp(tower.blocks[0].ln2(image.cache["resid_mid", 0] + written))
    read = image.cache["resid_mid", 0] + written + mlp
    attn = tower.blocks[1].attn
    q = tower.blocks[1].ln1(read) @ attn.W_Q[1] + attn.b_Q[1]

    def take(activation, hook):
        return torch.cat([activation[:, :, :1], q[:, :, None]], dim=2)

    last = tower.run_with_hooks(
        image.inputs.values, stop_at_layer=2, fwd_hooks=[("blocks.1.attn.hook_q", take)]
    )
    assert_close(path.embeddings, image.model.project("image", last, image.inputs.pool))
    apart = [(path.embeddings - one.embeddings).abs().max() for one in (image, received)]
    assert min(apart) > 1e-3


EDITS = {
    **{how: (Edit(how=how),) for how in ON_TERMS if how != "resample"},
    **{how: (Edit(what="attention", how=how),) for how in ON_ATTENTION},
    "resample": (Edit(what="key_content", how="resample", queries=POOLED),),
    "values": (Edit(what="VP", how="zero"),),
    "raw, some heads": (Edit(what="EP+VP", how="zero", gauge="raw", layers=(0,), heads=(1,)),),
    "half": (Edit().scaled(0.5),),
    "of rows that nobody reads": (Edit(what="attention", how="exchange", queries="left"),),
    "several": (Edit(what="attention", how="equalise"), Edit(what="VP"), Edit(how="reverse")),
}
FOR_WORDS = ("flatten", "keep", "permute", "placebo", "resample", "values", "half")


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize(
    ("tower", "name"), [*(("image", n) for n in EDITS), *(("text", n) for n in FOR_WORDS)]
)
def test_the_pooled_row_alone_embeds_as_the_hooked_pass(made, monkeypatch, tower, name, size):
    run, index = made().towers[tower], torch.tensor([4, 20, 9])
    if size:
        monkeypatch.setattr(type(run), "batch_size", size)
    edits = tuple(replace(edit, tower=tower) for edit in EDITS[name])
    assert is_enough(run, edits)
    found, expected = row_embeddings(run, edits), under(run, *edits).run_pass()[EMBEDDING]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    moved = (found - run.embeddings).abs().max()
    assert moved < 1e-6 if name == "of rows that nobody reads" else moved > 1e-3
    assert torch.equal(under(run, *edits).embeddings, found)
    if name == "flatten" and tower == "image":
        some = under(run.at(index), *edits).embeddings
        torch.testing.assert_close(some, found[index], rtol=0, atol=1e-6)


def test_other_towers_and_edits_run(made):
    assert not is_enough(made(2).towers["image"], EDITS["flatten"])
    assert not is_enough(made(1, "full").towers["image"], EDITS["flatten"])
    assert not is_enough(made().towers["image"], (Edit(what="z", how="zero"),))
    hooked = made().towers["image"]
    hooked.tower.add_hook("blocks.0.attn.hook_z", lambda tensor, hook: 2 * tensor)
    assert not is_enough(hooked, EDITS["flatten"])


def other(run: TowerRun) -> TowerRun:
    """The same inputs in another order, as a run to patch from."""
    order = torch.arange(len(run)).roll(7)
    return TowerRun(run.model, run.name, run.inputs.at(order), run.places.at(order))


def site_edits(run: TowerRun) -> list[Edit]:
    """Every site, layer and some roles: zero, add, and patches from one run and from two."""
    sources = (other(run), other(run))
    found = []
    for layer, what in itertools.product(range(2), ("resid_pre", "attn_out", "mlp_out", "v", "z")):
        for role in ("left", "right", "pooled", "all"):
            place = {"what": what, "layers": (layer,), "role": role}
            found += [Edit(how="patch", source=source, **place) for source in sources]
            found.append(Edit(how="zero", **place))
    for layer, heads in itertools.product(range(2), ((0,), (1,), None)):
        place = {"layers": (layer,), "heads": heads}
        found.append(Edit(what="z", how="zero", **place).scaled(0.5))
        for queries in ("pooled", "left"):
            found.append(Edit(what="pattern", how="zero", queries=queries, role="right", **place))
    vector = torch.linspace(0, 1, 8)
    found += [Edit(what="resid_pre", how="add", layers=(1,), vector=scale * vector)
              for scale in (1, 2)]  # fmt: skip
    return found


OTHERS = [
    Edit(),
    Edit(how="placebo", seed=3),
    Edit(what="attention", how="exchange", layers=(1,)),
    Edit(what="z", how="zero"),
    Edit(what="mlp_out", how="zero", layers=(0, 1)),
]
"""Edits that run alone."""


@pytest.mark.parametrize("cells", [1, 256, 10**6])
def test_many_edits_together_are_each_alone(made, monkeypatch, cells):
    run = made(2, "full")
    image, direction = run.towers["image"], run.direction
    edits = [*site_edits(image), *OTHERS]
    monkeypatch.setattr(MODULE, "CELL_EXAMPLES", cells)
    found = run.margins(edits)
    assert found.shape == (len(edits), len(image))
    for edit, row in zip(edits, found, strict=True):
        assert_close(row, (under(image, edit).embeddings.double() * direction.double()).sum(-1))
    moved = (found - run.margin).abs().amax(1)
    assert (moved > 1e-4).sum() > len(edits) / 2

    assert run.margins([]).shape == (0, 36)


def test_edits_of_an_edited_run_come_on_top(made):
    """Of its own later layers too."""
    run, first = made(2, "full"), Edit(layers=(1,), heads=(0,))
    edits = [
        Edit(what="z", how="zero", layers=(0,)),
        Edit(what="resid_pre", how="zero", layers=(1,), role="left"),
        Edit(layers=(0,)),
    ]
    found = run.under(first).margins(edits)
    for edit, row in zip(edits, found, strict=True):
        assert_close(row, run.under(first, edit).margin)
        assert (row - run.margins([edit])[0]).abs().max() > 1e-4


def test_many_cells_take_few_passes_and_none_from_the_inputs(made, monkeypatch, passes):
    run, works = made(2), []
    image = run.towers["image"]
    edits = [
        Edit(what="z", how="zero", layers=(1,), role="pooled", heads=(h,)) for h in (0, 1) * 10
    ]
    assert image.embeddings.shape == (36, 6)
    forward = type(image.tower).forward
    monkeypatch.setattr(
        type(image.tower),
        "forward",
        lambda self, values, *a, **o: works.append(len(values)) or forward(self, values, *a, **o),
    )
    assert run.embeddings["text"] is not None
    works.clear()
    before = list(passes)
    assert run.margins(edits).shape == (20, 36)
    assert passes == before
    assert works == [7 * 36, 7 * 36, 6 * 36]


@pytest.mark.parametrize(
    ("edit", "alive"),
    [
        (Edit(what="z", how="zero", layers=(1,), role="left"), False),
        (Edit(what="q", how="zero", layers=(1,), role="left"), False),
        (Edit(what="pattern", how="zero", layers=(1,), queries="left"), False),
        (Edit(what="z", how="zero", layers=(1,), role="CLS"), True),
        (Edit(what="z", how="zero", layers=(1,)), True),
        (Edit(what="z", how="zero", layers=(0,), role="left"), True),
        (Edit(what="k", how="zero", layers=(1,), role="left"), True),
        (Edit(what="pattern", how="zero", layers=(1,), role="left"), True),
        (Edit(layers=(1,)), True),
    ],
)
def test_what_cannot_reach_the_embedding_is_not_run(made, edit, alive):
    run = made(2)
    image = run.towers["image"]
    assert reaches(image, edit) is alive
    assert torch.equal(run.margins([edit])[0], run.margin) is not alive
    if not alive:
        torch.testing.assert_close(under(image, edit).embeddings, image.embeddings)


@pytest.mark.parametrize("how", [{"layers": (0,)}, {}])
def test_a_hook_that_never_fires_is_named(made, how):
    """A tower without an MLP keeps no mlp_out."""
    run = made(1, "minimal")
    with pytest.raises(InputError, match=r"hook 'blocks.0.hook_mlp_out' of the image tower never"):
        assert run.margins([Edit(what="mlp_out", how="zero", **how)]).any()


SITES = ("blocks.0.hook_resid_pre", "blocks.0.attn.hook_attn_scores", "blocks.1.attn.hook_z",
         "blocks.1.attn.hook_pattern", "blocks.1.hook_resid_pre")  # fmt: skip


@pytest.mark.parametrize(
    "edits",
    [
        (),
        (Edit(layers=(0,)),),
        (Edit(what="attention", how="exchange", layers=(0,)),),
        (Edit(what="resid_pre", how="add", layers=(0,), vector=torch.linspace(0, 1, 8)),),
    ],
    ids=["intact", "flattened", "exchanged", "moved"],
)
@pytest.mark.parametrize("name", SITES)
def test_slopes_are_those_of_finite_differences(made, name, edits):
    """A small random push of an activation, in double precision; also at an edited run."""
    run = made(2, "full", double=True)
    image, direction = under(run.towers["image"], *edits), run.direction
    slopes = gradient(image, direction, [name])[name]
    push = torch.randn(slopes.shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    push = torch.where(slopes.isfinite() & (image.sites[name].abs() < 1e4), push, 0)

    def pushed(size: float) -> torch.Tensor:
        def change(value, hook):
            return value + size * push

        start = image.residual(0)
        with image.hooked([(name, change)], inside=0):
            last = image.tower(start, start_at_layer=0, stop_at_layer=2)
        return image.along(last, direction)

    with torch.no_grad():
        torch.testing.assert_close(pushed(0.0), image.along(image.residual(2), direction))
        found = (pushed(1e-5) - pushed(-1e-5)) / 2e-5
    expected = (slopes * push).flatten(1).sum(1)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-4)
    assert expected.abs().max() > 1e-3


def test_slopes_in_batches_and_no_gradient_of_weights(made, monkeypatch):
    run = made(2, "full")
    whole = run.gradient(SITES)
    monkeypatch.setattr(TowerRun, "batch_size", 5)
    for name, slopes in run.gradient(SITES).items():
        torch.testing.assert_close(slopes, whole[name], atol=1e-6, rtol=1e-4)
    assert list(whole) == list(SITES)
    assert all(weight.grad is None for weight in run.model.parameters())


def test_edits_and_sources_of_another_tower_are_refused(made):
    run = made(1)
    image, text = run.towers["image"], run.towers["text"]
    with pytest.raises(ValueError, match="tower: expected image, got text"):
        run.margins([Edit(tower="text", what="z", how="zero", layers=(0,))])
    other = text.at(torch.arange(len(image)) % len(text))
    patch = Edit(what="z", how="patch", layers=(0,), source=other)
    with pytest.raises(InputError, match="source: expected a run of the image tower, got text"):
        run.under(patch)
    few = Edit(what="z", how="patch", source=image.at(slice(0, 5)))
    with pytest.raises(InputError, match="source: expected a run of 36 inputs, got 5"):
        run.under(few)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_along_a_dose_add_up_to_what_removal_does(made, layers):
    """Integral over the dose of slope . change of the scores, in one layer and all heads."""
    run = made(layers, double=True)
    image, layer = run.towers["image"], layers - 1
    edit, name = Edit(layers=(layer,)), f"blocks.{layer}.attn.hook_attn_scores"
    split = image.streams.split(layer, "canonical" if layer == 0 else "means")
    change = term_change(edit, image.at(slice(None)), layer, split)
    places, weights = np.polynomial.legendre.leggauss(16)
    total = torch.zeros(len(image), dtype=torch.float64)
    for place, weight in zip(places, weights, strict=True):
        there = under(image, edit.scaled((place + 1) / 2))
        total += weight / 2 * (gradient(there, run.direction, [name])[name] * change).sum((1, 2, 3))
    moved = run.under(edit).margin - run.margin
    torch.testing.assert_close(total, moved, atol=1e-9, rtol=1e-6)
    assert moved.abs().max() > 1e-3
