"""A tower under edits: where it starts, several edits at once, and that it is left as it was."""

import pytest
import torch

from lrinterp import DualEncoder
from lrinterp.run import Edit, under

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_no_edit_is_the_run_itself(made):
    run = made(2)
    assert under(run.towers["image"]) is run.towers["image"]
    assert run.under().towers == run.towers


def test_what_lies_below_the_first_edit_is_the_intact_run(made, passes):
    image = made(3).towers["image"]
    edited = under(image, Edit(layers=(2,)), Edit(layers=(1,), heads=(0,)))
    assert edited.residual(0) is image.residual(0)
    assert torch.equal(edited.residual(1), image.residual(1))
    assert (edited.residual(2) - image.residual(2)).abs().max() > 0.01
    assert (edited.cache["z", 1] - image.cache["z", 1]).abs().max() > 0.01
    torch.testing.assert_close(edited.cache["z", 0], image.cache["z", 0])
    assert passes == [len(image)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_edits_are_made_together_in_either_way(made, first, second):
    image = made(3, "full").towers["image"]
    both = under(image, first, second)
    assert_close(under(under(image, first), second).embeddings, both.embeddings)
    for one in (first, second):
        assert (under(image, one).embeddings - both.embeddings).abs().max() > 1e-3
    assert both.edits == (first, second)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_some_inputs_of_an_edited_run_stay_edited(made, first, second):
    image, index = made(3, "full").towers["image"], torch.tensor([4, 20, 9])
    both = under(image, first, second)
    assert_close(under(image, first).at(index).embeddings, under(image, first).embeddings[index])
    for layer in range(3):
        part = under(image, first).at(index)
        assert_close(part.cache["z", layer], under(image, first).cache["z", layer][index])
    sites = Edit(what="z", how="zero", layers=(2,), heads=(0,))
    again = under(under(image, first).at(index), sites)
    assert_close(again.embeddings, under(image, first, sites).embeddings[index])
    for layer in range(4):
        assert_close(again.residual(layer), under(image, first, sites).residual(layer)[index])
    assert (both.embeddings[index] - again.embeddings).abs().max() > 1e-3


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
        for layer in range(2):
            split = edited.streams.residual(layer)
            assert torch.equal(split, edited.residual(layer))
        assert_close(
            edited.residual(2),
            edited.residual(1) + edited.cache["attn_out", 1] + edited.cache["mlp_out", 1],
        )
        assert_close(edited.cache["resid_pre", 1], edited.residual(1))
    moved = under(image, adding(0)).residual(0) - image.residual(0)
    place = image.places.roles["left"]
    assert_close(moved[place], torch.linspace(-0.5, 0.5, 8).expand(36, 8))
    assert not moved[~place].any()


def test_batches_give_the_same(made, monkeypatch):
    whole, parts = (made(2, "full").towers["image"] for _ in range(2))
    for edit in (Edit(), Edit(how="keep_objects"), Edit(what="z", how="zero", role="right")):
        expected = under(whole, edit).embeddings
        with monkeypatch.context() as patch:
            patch.setattr(type(parts), "batch_size", 5)
            assert_close(under(parts, edit).embeddings, expected)


def test_the_tower_is_left_as_it_was_also_after_an_error(made, monkeypatch):
    """Beside hooks that are the user's own."""
    run = made(2)
    image, calls = run.towers["image"], []
    image.tower.add_hook("blocks.0.attn.hook_v", lambda *_, hook: calls.append("own"))
    before = run.model.embed("image", run.inputs["image"])
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


def test_nothing_of_the_intact_run_or_the_model_changes(made):
    run = made(2, "full")
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    streams = [run.towers["image"].residual(layer).clone() for layer in range(3)]
    for first, second in PAIRS[:1] + PAIRS[2:5]:
        edits = [e for e in (first, second) if e.layers is None or max(e.layers) < 2]
        assert run.under(*edits).scores.isfinite().all()
    for layer, stream in enumerate(streams):
        assert torch.equal(run.towers["image"].residual(layer), stream)
    assert all(torch.equal(weights[k], v) for k, v in run.model.state_dict().items())
