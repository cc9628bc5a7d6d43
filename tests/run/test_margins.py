"""Many edits together give what each gives alone; slopes against finite differences."""

import itertools
import sys

import pytest
import torch

from lrinterp.run import Edit, TowerRun, gradient, margins, under
from lrinterp.run.margins import reaches
from lrinterp.store import InputError

MODULE = sys.modules["lrinterp.run.margins"]
"""The function has the name of its module."""

pytestmark = pytest.mark.usefixtures("one_thread")


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
        expected = (under(image, edit).embeddings.double() * direction.double()).sum(-1)
        torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-4)
    moved = (found - run.margin).abs().amax(1)
    assert (moved > 1e-4).sum() > len(edits) / 2

    run = made(2, "full")
    source = other(run.towers["image"])
    edit = Edit(what="resid_pre", how="patch", layers=(1,), source=source)
    expected = (source.embeddings.double() * run.direction.double()).sum(-1)
    torch.testing.assert_close(run.margins([edit])[0], expected, atol=1e-6, rtol=1e-5)
    assert (expected - run.margin).abs().max() > 1e-3


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
        expected = run.under(first, edit).margin
        along = run.under(first, edit).towers["image"].embeddings.double() * run.direction.double()
        torch.testing.assert_close(row, along.sum(-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(expected, along.sum(-1), atol=1e-5, rtol=1e-4)
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


def test_no_edits_give_no_rows(made):
    run = made()
    assert run.margins([]).shape == (0, 36)


@pytest.mark.parametrize("how", [{"layers": (0,)}, {}])
def test_a_hook_that_never_fires_is_named(made, how):
    """A tower without an MLP keeps no mlp_out."""
    run = made(1, "minimal")
    with pytest.raises(InputError, match=r"hook 'blocks.0.hook_mlp_out' of the image tower never"):
        assert run.margins([Edit(what="mlp_out", how="zero", **how)]).any()


# Slopes


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


def test_a_slope_of_what_never_fires_is_refused(made):
    run = made()
    with pytest.raises(
        InputError, match=r"hook 'blocks.0.attn.hook_result' of the image tower nev"
    ):
        run.gradient(["blocks.0.attn.hook_result"])


def test_the_other_direction_turns_margins_round(made):
    run = made()
    edits = [Edit(), Edit(what="z", how="zero", layers=(0,))]
    image = run.towers["image"]
    torch.testing.assert_close(
        margins(image, edits, -run.direction), -margins(image, edits, run.direction)
    )


def test_edits_and_sources_of_another_tower_are_refused(made):
    run = made(1)
    image, text = run.towers["image"], run.towers["text"]
    with pytest.raises(ValueError, match="tower: expected image, got text"):
        run.margins([Edit(tower="text", what="z", how="zero", layers=(0,))])
    other = text.at(torch.arange(len(image)) % len(text))
    patch = Edit(what="z", how="patch", layers=(0,), source=other)
    with pytest.raises(InputError, match="source: expected a run of the image tower, got text"):
        run.under(patch)
