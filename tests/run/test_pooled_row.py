"""The pooled row alone against the hooked pass of the whole tower, for every kind of edit."""

from dataclasses import replace

import pytest
import torch

from lrinterp.run import Edit, under
from lrinterp.run.edit import ON_ATTENTION, ON_TERMS, POOLED
from lrinterp.run.passes import EMBEDDING
from lrinterp.run.pooled_row import is_enough, row_embeddings

pytestmark = pytest.mark.usefixtures("one_thread")

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
def test_an_edit_embeds_as_in_the_hooked_pass(made, monkeypatch, tower, name, size):
    run = made().towers[tower]
    if size:
        monkeypatch.setattr(type(run), "batch_size", size)
    edits = tuple(replace(edit, tower=tower) for edit in EDITS[name])
    assert is_enough(run, edits)
    found, expected = row_embeddings(run, edits), under(run, *edits).run_pass()[EMBEDDING]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    moved = (found - run.embeddings).abs().max()
    assert moved < 1e-6 if name == "of rows that nobody reads" else moved > 1e-3
    assert torch.equal(under(run, *edits).embeddings, found)


def test_some_inputs_embed_as_among_all(made):
    image, index = made().towers["image"], torch.tensor([4, 20, 9])
    edits = EDITS["flatten"]
    found = under(image.at(index), *edits).embeddings
    torch.testing.assert_close(found, row_embeddings(image, edits)[index], rtol=0, atol=1e-6)


def test_other_towers_and_edits_run(made):
    assert not is_enough(made(2).towers["image"], EDITS["flatten"])
    assert not is_enough(made(1, "full").towers["image"], EDITS["flatten"])
    assert not is_enough(made().towers["image"], (Edit(what="z", how="zero"),))
    hooked = made().towers["image"]
    hooked.tower.add_hook("blocks.0.attn.hook_z", lambda tensor, hook: 2 * tensor)
    assert not is_enough(hooked, EDITS["flatten"])
