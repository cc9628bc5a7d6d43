"""One pass for each model and inputs, whatever is asked, and the numbers of a plain run."""

from typing import Any

import pytest
import torch

from lrinterp.run import Places, TowerRun
from lrinterp.store import InputError

TOWERS = ("image", "text")
ALL_SETS = ("single", "seen_pair", "unseen_pair")
ENDS = ("ln_final", "unembed")
"""What stands behind the stream that embeddings are read from; nothing keeps it."""


@pytest.mark.parametrize("first", ["embeddings", "residual", "site", "streams"])
def test_one_pass_gives_everything(made, passes, first):
    """Whatever is asked first; narrowed runs share it."""
    run = made(2, "full")
    image = run.towers["image"]
    asked = {
        "embeddings": lambda one: one.embeddings,
        "residual": lambda one: one.residual(2),
        "site": lambda one: one.cache["pattern", 1],
        "streams": lambda one: one.streams.positions(1),
        "pooled": lambda one: one.residual(0) is not None and one.pooled(1),
    }
    asked[first](image)
    assert passes == [len(image)]
    for one in (image, image.at(slice(2, 9)), image.of(torch.tensor([3, 1]))):
        for ask in asked.values():
            ask(one)
    assert run.scores.shape == (len(image), len(run.towers["text"]))
    assert passes == [len(image), len(run.towers["text"])]


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize(
    ("layers", "name"), [(1, "minimal"), (2, "minimal"), (1, "full"), (2, "full")]
)
def test_every_site_is_that_of_a_plain_run(made, layers, name, tower):
    run = made(layers, name, sets=ALL_SETS).towers[tower]
    _, cache = run.tower.run_with_cache(run.inputs.values)
    found = [key for key in run.sites if not key.startswith(ENDS)]
    assert {key for key in cache if not key.startswith(ENDS)} <= set(found)
    for key in found:
        if key in cache:
            torch.testing.assert_close(run.sites[key], cache[key], atol=1e-5, rtol=1e-5)
        else:
            with pytest.raises(InputError, match=f"hook '{key}' of the {tower} tower"):
                run.sites[key]


@pytest.mark.parametrize("tower", TOWERS)
def test_pooled_rows_are_those_of_the_streams(made, passes, monkeypatch, tower):
    """Captions of several lengths, a batch of each; from a pass that keeps no stream."""
    run = made(2, "full", sets=ALL_SETS).towers[tower]
    monkeypatch.setattr(TowerRun, "batch_size", len(run) // 2 + 1)
    pooled = [run.pooled(layer) for layer in range(3)]
    assert len(passes) == 2
    assert run.kept == {}
    assert len(run.inputs.pool.unique()) == (1 if tower == "image" else 2)
    rows = torch.arange(len(run))
    for layer, found in enumerate(pooled):
        expected = run.residual(layer)[rows, run.inputs.pool]
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        assert torch.equal(run.pooled(layer), expected)


def test_batches_give_the_same(made, monkeypatch):
    whole, parts = made(2, "full").towers["image"], made(2, "full").towers["image"]
    monkeypatch.setattr(TowerRun, "batch_size", 5)
    assert len(list(parts.parts())) == 8
    names = ["blocks.0.attn.hook_z", "blocks.1.mlp.hook_post"]
    for one, other in zip(whole.values(names).values(), parts.values(names).values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(whole.embeddings, parts.embeddings, atol=1e-6, rtol=1e-5)


def test_no_inputs_give_no_numbers(made):
    none = made(2).towers["image"].of(torch.zeros(0, dtype=torch.long))
    alone = TowerRun(none.model, "image", none.inputs)
    for one in (none, alone):
        assert one.embeddings.shape == (0, 6)
        assert one.residual(1).shape == (0, 5, 8)


INDEX = torch.tensor([7, 2, 30])


@pytest.mark.parametrize("index", [slice(4, 12), INDEX], ids=["slice", "index"])
def test_a_narrowed_run_holds_rows_of_the_whole(made, index):
    whole = made(2, "full").towers["image"]
    part = whole.at(index)
    assert torch.equal(part.embeddings, whole.embeddings[index])
    assert torch.equal(part.residual(1), whole.residual(1)[index])
    own = part.sites["blocks.1.attn.hook_pattern"]
    torch.testing.assert_close(own, whole.sites["blocks.1.attn.hook_pattern"][index])
    again = whole.at(index).sites["blocks.1.attn.hook_pattern"]
    assert torch.equal(again, whole.sites["blocks.1.attn.hook_pattern"][index])
    assert len(part.places.roles["left"]) == len(part)


def test_position_stays_unless_some_inputs_stand_alone(made):
    """`at` reads position from all inputs, `of` from its own: there another mean."""
    whole = made(2).towers["image"]
    expected = whole.streams.split(1, "means").position[INDEX]
    kept = whole.at(INDEX).streams.split(1, "means").position
    torch.testing.assert_close(kept, expected)
    twice = whole.at(slice(1, None)).at(INDEX - 1).streams.split(1, "means").position
    torch.testing.assert_close(twice, expected)
    own = whole.of(INDEX).streams.split(1, "means").position
    assert (own - expected).abs().max() > 0.01
    rows = TowerRun(whole.model, "image", whole.inputs.at(INDEX), whole.places.at(INDEX))
    torch.testing.assert_close(own, rows.streams.split(1, "means").position)


def test_streams_need_to_know_which_positions_belong_together(made):
    whole = made().towers["text"]
    bare = TowerRun(whole.model, "text", whole.inputs)
    with pytest.raises(InputError, match="the text run does not know which positions tokens occ"):
        assert bare.streams
    known = TowerRun(whole.model, "text", whole.inputs, Places(occurs=whole.places.occurs))
    assert known.streams.clusters is None


def test_a_bar_shows_for_what_takes_long(made, monkeypatch, capsys):
    monkeypatch.setattr("lrinterp.run.passes.PATIENCE", 0)
    for progress, shown in ((True, True), (False, False)):
        run = made()
        towers: Any = run.towers["image"]
        towers.progress = progress
        assert towers.embeddings.shape == (36, 6)
        assert ("batch/s" in capsys.readouterr().err) is shown
