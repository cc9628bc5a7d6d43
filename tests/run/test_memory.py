"""Large streams lie in files, and what lies inside layers is forgotten oldest first."""

import tempfile

import pytest
import torch

from lrinterp import preset
from lrinterp.encoders import DualEncoder
from lrinterp.run import memory
from lrinterp.run.memory import part_size, place_of, room

WRITTEN = ("attn.hook_z", "hook_mlp_out", "hook_attn_out")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list:
    """The temporary files that are made."""
    made, make = [], tempfile.NamedTemporaryFile

    def noted(**options):
        made.append(make(**options))
        return made[-1]

    monkeypatch.setattr(memory.tempfile, "NamedTemporaryFile", noted)
    return made


def test_streams_above_the_budget_are_mapped_and_equal(made, monkeypatch, files):
    names = ("image", "text")
    expected = {name: made(2, "full").towers[name] for name in names}
    before = {name: [run.residual(layer) for layer in range(3)] for name, run in expected.items()}
    assert files == []
    monkeypatch.setattr(memory, "BUDGET", 1000)
    for name, run in made(2, "full").towers.items():
        for layer, stream in enumerate(before[name]):
            assert torch.equal(run.residual(layer), stream)
        assert torch.equal(run.embeddings, expected[name].embeddings)
    assert len(files) == 2 * (3 + 1)


def test_a_file_is_as_large_as_its_tensor_and_goes_with_it(monkeypatch, files):
    like = torch.zeros(1, dtype=torch.float64)
    monkeypatch.setattr(memory, "BUDGET", 8 * 12 * 2)
    assert room((3, 4), like, 2).dtype == torch.float64
    assert files == []
    mapped = room((3, 4), like, 3)
    mapped[:] = 2
    (file,) = files
    assert (mapped.sum(), mapped.dtype) == (24, torch.float64)
    assert file.file.seek(0, 2) == 8 * 12
    del mapped
    assert file.closed


def test_attention_maps_are_forgotten_first(made, monkeypatch):
    """Above the budget maps go, then everything does, the oldest first; all come again."""
    image = made(3, "full").towers["image"]
    image.sites.load(f"blocks.{layer}.{site}" for layer in range(3) for site in WRITTEN)
    written = sum(tensor.nbytes for tensor in image.sites.inside.values())
    image.sites.inside.clear()
    monkeypatch.setattr(memory, "BUDGET", written)  # without a map
    expected = {}
    for layer in range(3):
        for site in ("attn.hook_pattern", "attn.hook_z"):
            name = f"blocks.{layer}.{site}"
            expected[name] = image.sites[name].clone()
    kept = {place_of(name) for name in image.sites.inside}
    assert {layer for layer, site in kept if site == "attn.hook_z"} == {0, 1, 2}
    assert not {layer for layer, site in kept if site == "attn.hook_pattern"}
    for name, value in expected.items():
        assert torch.equal(image.sites[name], value)
    monkeypatch.setattr(memory, "BUDGET", 0)
    assert torch.equal(image.sites["blocks.0.attn.hook_q"], image.cache["q", 0])
    assert {place_of(name)[1] for name in image.sites.inside} == {
        "attn.hook_q",
        "attn.hook_k",
        "attn.hook_v",
    }


def test_sites_of_a_layer_are_made_together(made, monkeypatch):
    """One layer's work gives scores and pattern, another queries, keys and values."""
    image, work = made(2).towers["image"], []
    made_of = memory.Sites.made
    monkeypatch.setattr(
        memory.Sites, "made", lambda self, *asked: work.append(asked) or made_of(self, *asked)
    )
    for site in ("pattern", "attn_scores", "q", "k", "v", "pattern"):
        assert image.cache[site, 1].isfinite().all()
    assert [number for _, number in work] == [1, 1]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("blocks.3.attn.hook_z", (3, "attn.hook_z")),
        ("blocks.12.hook_resid_pre", (12, "hook_resid_pre")),
        ("hook_embed", (None, "hook_embed")),
        ("ln_final.hook_scale", (None, "ln_final.hook_scale")),
    ],
)
def test_a_hook_has_a_layer_and_a_site(name, place):
    assert place_of(name) == place


def test_memory_bounds_the_examples_of_a_part():
    b32 = {"d_model": 768, "d_mlp": 3072, "n_heads": 12, "n_layers": 12, "attn_only": False}
    l14 = {"d_model": 1024, "d_mlp": 4096, "n_heads": 16, "n_layers": 24, "attn_only": False}
    config = preset("minimal", d_model=4, n_heads=2, d_head=2, d_embed=4)
    tower = DualEncoder.build(config, {"image": (4, 6), "text": (9, 14)}, 0).image
    assert part_size(tower, 5) > 1000
    for shape, n_positions, examples in ((b32, 50, 10), (l14, 257, 1)):
        for name, value in shape.items():
            setattr(tower.cfg, name, value)
        assert part_size(tower, n_positions) == examples
