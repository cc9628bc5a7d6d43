"""Large streams lie in files, sites are forgotten oldest first, and saved runs come back whole."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp import preset
from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, fingerprint, load_recording, memory, record
from lrinterp.run.memory import match_hooks, part_size, place_of, room
from lrinterp.store import InputError

WRITTEN = ("attn.hook_z", "hook_mlp_out", "hook_attn_out")
PATTERN, RESID = "blocks.0.attn.hook_pattern", "blocks.1.hook_resid_post"
NAMES = ["blocks.*.attn.hook_pattern", "image.hook_embed", RESID, "text.blocks.0.mlp.hook_post"]


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
    expected = made(2, "full").towers
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
    names = [f"blocks.{k}.{site}" for k in range(3) for site in ("attn.hook_pattern", WRITTEN[0])]
    expected = {name: image.sites[name].clone() for name in names}
    kept = {place_of(name) for name in image.sites.inside}
    assert {layer for layer, site in kept if site == "attn.hook_z"} == {0, 1, 2}
    assert not {layer for layer, site in kept if site == "attn.hook_pattern"}
    for name, value in expected.items():
        assert torch.equal(image.sites[name], value)
    monkeypatch.setattr(memory, "BUDGET", 0)
    assert torch.equal(image.sites["blocks.0.attn.hook_q"], image.cache["q", 0])
    queries = {f"attn.hook_{site}" for site in "qkv"}
    assert {place_of(name)[1] for name in image.sites.inside} == queries


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


@pytest.fixture(scope="module")
def run(made) -> Run:
    return made(2, "full", sets=("single", "unseen_pair"))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def recorded(run: Run, folder: Path, names: Any = NAMES) -> Run:
    return record(run.model, run.examples, names, folder=folder, progress=False)


def assert_equal(one: Run, other: Run) -> None:
    for tower, names in match_hooks(one.towers, NAMES).items():
        assert torch.equal(one.embeddings[tower], other.embeddings[tower])
        for name in names:
            torch.testing.assert_close(one.site(tower, name), other.site(tower, name))


@pytest.mark.parametrize(
    ("names", "image", "text"),
    [
        (["blocks.*.attn.hook_pattern"], [0, 1], [0, 1]),
        (["image.blocks.*.attn.hook_pattern"], [0, 1], []),
        (["blocks.1.attn.hook_pattern"], [1], [1]),
        (["image.blocks.1.attn.hook_pattern", "blocks.[01].attn.hook_pattern"], [1, 0], [0, 1]),
        (["blocks.?.attn.hook_patter?", "blocks.0.attn.hook_pattern"], [0, 1], [0, 1]),
        ([], [], []),
    ],
)
def test_wildcards_and_towers(run, names, image, text):
    layers = {"image": image, "text": text}
    expected = {t: [f"blocks.{k}.attn.hook_pattern" for k in own] for t, own in layers.items()}
    assert match_hooks(run.towers, names) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("blocks.0.attn.hook_patern", "did you mean blocks.0.attn.hook_pattern?"),
        ("image.blocks.0.attn.hook_patern", "did you mean image.blocks.0.attn.hook_pattern?"),
        ("text.blocks.2.attn.hook_pattern", "did"),
        ("audio.hook_embed", ""),
        ("?", "names are TransformerLens's"),
    ],
)
def test_an_unknown_hook_is_named(run, name, hint):
    with pytest.raises(InputError) as caught:
        record(run.model, run.examples, [PATTERN, name])
    assert str(caught.value).startswith(f"hook {name!r} matches nothing; {hint}")


def test_saved_and_streamed_runs_come_back(run, tmp_path, monkeypatch):
    run.save(tmp_path / "saved", NAMES)
    monkeypatch.setattr("lrinterp.run.tower.TowerRun.batch_size", 16)
    streamed = recorded(run, tmp_path / "deep" / "streamed")
    assert_equal(streamed, run)
    for folder in (tmp_path / "saved", tmp_path / "deep" / "streamed"):
        assert_equal(load_recording(folder, run.model, run.examples), run)
        found = names_in(folder)
        assert {"image.hook_embed.npy", "text.blocks.0.mlp.hook_post.npy"} <= set(found)
        assert "text.hook_embed.npy" not in found
    assert names_in(tmp_path) == ["deep", "saved"]


def test_a_loaded_run_reads_its_files_and_computes_the_rest(run, tmp_path, passes):
    """Mapped, not read; a pass runs when something else is asked for; files never change."""
    recorded(run, tmp_path / "a")
    passes.clear()
    loaded = load_recording(tmp_path / "a", run.model, run.examples)
    torch.testing.assert_close(loaded.scores, run.scores)
    before = loaded.site("image", PATTERN).clone()
    part = loaded.of("unseen_pair").site("image", PATTERN)
    assert torch.equal(part, before[run.examples.where("unseen_pair")])
    assert passes == []
    z = loaded.site("image", "blocks.1.attn.hook_z")
    torch.testing.assert_close(z, run.cache["image"]["z", 1])
    assert passes == [len(run.examples)]
    loaded.site("image", PATTERN).zero_()
    again = load_recording(tmp_path / "a", run.model, run.examples)
    assert again.site("image", PATTERN).equal(before)


def test_a_folder_that_exists_is_left_alone(run, tmp_path):
    recorded(run, tmp_path / "a", [PATTERN])
    before = names_in(tmp_path / "a")
    with pytest.raises(InputError, match="a: already exists; choose another folder"):
        run.save(tmp_path / "a")
    assert names_in(tmp_path / "a") == before


def test_a_run_that_cannot_be_saved_leaves_no_folder(run, tmp_path, monkeypatch):
    """Neither a hook that never fires nor an interruption; a rest of before does not stay."""
    with pytest.raises(InputError, match="hook_result' of the text tower never fires in this mod"):
        recorded(run, tmp_path / "a", ["text.blocks.0.attn.hook_result"])
    assert names_in(tmp_path) == []
    with monkeypatch.context() as patch:
        patch.setattr(memory, "save_sites", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.save(tmp_path / "a")
    assert names_in(tmp_path) == []
    (tmp_path / ".tmp-a").mkdir()
    (tmp_path / ".tmp-a" / "left.npy").touch()
    run.save(tmp_path / "a")
    assert "left.npy" not in names_in(tmp_path / "a")
    assert names_in(tmp_path) == ["a"]


def test_what_is_no_recording_or_damaged_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"not a recording \(no recording.json\)"):
        load_recording(tmp_path, run.model, run.examples)
    recorded(run, tmp_path / "a")
    (tmp_path / "a" / f"image.{PATTERN}.npy").write_bytes(b"short")
    message = rf"image.{PATTERN}.npy: missing or damaged .*record again"
    with pytest.raises(InputError, match=message):
        load_recording(tmp_path / "a", run.model, run.examples)


def test_another_model_and_other_examples_are_refused(run, tmp_path):
    recorded(run, tmp_path / "a", [])
    assert run.model.config is not None
    other = DualEncoder.build(run.model.config, run.model.sizes, 1)
    assert fingerprint(other) != fingerprint(run.model)
    with pytest.raises(InputError, match="recorded from another model than the one given"):
        load_recording(tmp_path / "a", other, run.examples)
    turned = run.examples.at(np.arange(len(run.examples))[::-1].copy())
    with pytest.raises(InputError, match="recorded from other image examples than those given"):
        load_recording(tmp_path / "a", run.model, turned)
