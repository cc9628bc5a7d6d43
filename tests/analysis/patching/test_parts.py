"""Parts of the examples, and a small CLIP that reads pictures and their mirror images."""

import numpy as np
import pytest
import torch

from lrinterp import Examples, Run, record
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching import attribution_patching as in_parts
from lrinterp.analysis.patching.attribution_patching import DIRECTIONS, estimates
from lrinterp.analysis.patching.cells import cells_of
from lrinterp.analysis.patching.rows import exactly, patch
from lrinterp.axes import Pixels, Tokens
from lrinterp.encoders.clip import ClipSpec, TowerSpec, build_clip
from lrinterp.run import Edit

pytestmark = pytest.mark.usefixtures("one_thread")

N, SIDE, LABELS = 6, 8, 4
WORDS = ("[SOT]", "[EOT]", "left", "right", "of", "a", "b", "c", "d")
GRID = (2, 4)


def masks(rows: int, n: int, **roles: list[int]) -> dict[str, torch.Tensor]:
    """The same positions in every example."""
    place = torch.arange(n)
    return {k: torch.isin(place, torch.tensor(v)).repeat(rows, 1) for k, v in roles.items()}


def natural_examples() -> Examples:
    """Noise and its mirror image, with captions that differ in one word."""
    pictures = torch.randn(N, 3, SIDE, 2 * SIDE, generator=torch.Generator().manual_seed(0))
    both = torch.stack([pictures, pictures.flip(-1)], 1).flatten(0, 1)
    pairs = np.array([(i % LABELS, (i + 1 + i // LABELS) % LABELS) for i in range(N)])
    shown = np.stack([pairs, pairs[:, ::-1]], 1).reshape(-1, 2)
    said = [(a, b, t) for t in (2, 3) for a in range(LABELS) for b in range(LABELS) if a != b]
    rows = [[0, 5 + (a if t == 2 else b), t, 4, 5 + (b if t == 2 else a), 1] for a, b, t in said]
    columns = {"left": [1, 2, 5, 6], "right": [3, 4, 7, 8], "background": [4, 8]}
    text = {"SOT": [0], "first": [1], "second": [4], "words": [3], "relation": [2], "EOT": [5]}
    return Examples(
        image=Pixels(both, torch.zeros(2 * N, dtype=torch.long)),
        text=Tokens(torch.tensor(rows), torch.full((len(rows),), 5)),
        words={"image": ("patch",), "text": WORDS},
        occurs={"image": torch.ones(1, 9).bool(), "text": torch.ones(len(WORDS), 6).bool()},
        roles={
            "image": masks(2 * N, 9, CLS=[0], **columns),
            "text": masks(len(rows), 6, **text),
        },
        image_labels=shown,
        image_pixels=np.full((2 * N, 2), -1),
        image_scene=np.repeat(np.arange(N), 2),
        image_set=("unseen_pair",) * (2 * N),
        grid=GRID,
        caption_labels=np.array([row[:2] for row in said]),
        caption_set=("unseen_pair",) * len(rows),
        caption_template=tuple(WORDS[t] for *_, t in said),
        caption_text=tuple(" ".join(WORDS[k] for k in row) for row in rows),
        caption_swap="word",
        label_words=WORDS[5:],
        empty={},
    )


@pytest.fixture(scope="module")
def natural() -> Run:
    """A random CLIP of two layers."""
    common = {"layers": 2, "heads": 2, "mlp": 16, "eps": 1e-5}
    model = build_clip(
        ClipSpec(
            image=TowerSpec(width=8, activation="quick_gelu", **common),
            text=TowerSpec(width=12, activation="gelu", **common),
            embed=6,
            picture=(3, SIDE, 2 * SIDE),
            patch=(4, 4),
            context=6,
            vocabulary=len(WORDS),
            end=1,
        )
    )
    generator = torch.Generator().manual_seed(2)
    for name, weight in model.trainable().items():
        if name != "log_scale" and weight.requires_grad:
            weight.data.normal_(1.0 if name.endswith(".w") else 0.0, 0.4, generator=generator)
    return record(model, natural_examples(), progress=False)


def head_output(contrast: Contrast) -> Edit:
    place = {"layers": (1,), "heads": (0,), "role": "CLS"}
    return Edit(what="z", how="patch", source=contrast.clean, **place)


@pytest.mark.parametrize("k", [0, 1])
def test_a_picture_and_its_mirror_image_are_patched(natural: Run, k: int):
    """Roles overlap here; full patches reach the target, and one word differs in a caption."""
    contrast = contrasts(natural, 64, 0)[k]
    clean, corrupted = (inputs.values for inputs in contrast.inputs)
    if contrast.tower == "image":
        assert torch.equal(clean.flip(-1), corrupted)
        assert not contrast.roles["CLS"][:, 1:].any()
        assert (contrast.roles["right"] & contrast.roles["background"]).any()
    else:
        assert (clean != corrupted).sum(1).tolist() == [1] * len(clean)
        assert (clean != corrupted)[contrast.roles["relation"]].all()
    rows, _ = patch(contrast)
    full = [r["effect"] for r in rows if r["site"] == "resid_pre" and r["role"] == "all"]
    np.testing.assert_allclose(full, np.ones(4), atol=1e-4)
    assert np.isfinite([row["attribution"] for row in rows]).all()


@pytest.mark.parametrize("k", [0, 1])
def test_parts_do_not_matter(natural: Run, k: int, monkeypatch: pytest.MonkeyPatch):
    contrast = contrasts(natural, 5, 0)[k]
    cells = cells_of(contrast.clean)
    some = {direction: np.arange(len(cells)) % 7 == 0 for direction in DIRECTIONS}
    whole, moved = estimates(contrast, cells), exactly(contrast, cells, some)
    monkeypatch.setattr(in_parts, "part_size", lambda *_: 2)
    sizes = [len(part.pictures) for _, part, way in in_parts.by_part(contrast) if way == "noising"]
    assert sizes == [2, 2, 1]
    again = estimates(contrast, cells)
    for direction, one in whole.items():
        other = again[direction]
        np.testing.assert_allclose(other.whole, one.whole, atol=1e-6)
        np.testing.assert_allclose(other.attribution, one.attribution, atol=1e-5)
        assert (other.same == one.same).all()
        assert (other.reaches == one.reaches).all()
        assert one.same.any()
        assert not one.same.all()
    for direction, values in exactly(contrast, cells, some).items():
        np.testing.assert_allclose(values, moved[direction], atol=1e-6)
        assert np.abs(values[some[direction]]).max() > 1e-3
        assert (values[~some[direction]] == 0).all()


def test_directions_are_each_others_reverse(natural: Run):
    contrast = contrasts(natural, 64, 0)[0]
    found = estimates(contrast, [head_output(contrast)])
    np.testing.assert_allclose(found["denoising"].whole, -found["noising"].whole)
    assert not np.allclose(found["denoising"].share, found["noising"].share)


def test_no_examples_of_one_direction_are_run_without_cells(natural: Run):
    contrast = contrasts(natural, 4, 0)[0]
    runs = {"denoising": np.array([True]), "noising": np.array([False])}
    moved = exactly(contrast, [head_output(contrast)], runs)
    assert {direction: values.shape for direction, values in moved.items()} == {
        "denoising": (1, 4),
        "noising": (1, 4),
    }
    assert (moved["denoising"] != 0).all()
    assert (moved["noising"] == 0).all()
