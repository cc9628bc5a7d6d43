"""Which towers are taken apart how far, up to CLIPs that read pictures, and what is left out."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrinterp import DualEncoder, Examples, Run, Scenes, Split, World, preset, record
from lrinterp.analysis.similarity_attribution_rows import all_apart
from lrinterp.analysis.similarity_attribution import similarity_attribution
from lrinterp.analysis.contrast import over_templates
from lrinterp.axes import Pixels, Tokens
from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import ClipSpec, TowerSpec, build_clip

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ("apple", "bird", "cat", "dog")
TEMPLATES = ("left", "right")
WORDS = (*LABELS, *TEMPLATES, "SOT", "EOT")


def small_clip() -> DualEncoder:
    """Every weight of a CLIP at random; b_U stays 0, which a CLIP does not have."""
    shape: dict[str, Any] = {"layers": 2, "heads": 2, "activation": "quick_gelu", "eps": 1e-5}
    spec = ClipSpec(
        image=TowerSpec(width=16, mlp=32, **shape),
        text=TowerSpec(width=12, mlp=24, **shape),
        embed=8,
        picture=(3, 6, 8),
        patch=(2, 2),
        context=7,
        vocabulary=len(WORDS),
        end=None,
    )
    model = build_clip(spec)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.trainable().items():
        if weight.ndim and not name.endswith("b_U"):
            width = weight.shape[-2] if weight.ndim > 1 else 25
            noise = torch.randn(weight.shape, generator=generator) / width**0.5
            weight.data = noise + name.endswith(".w")
    return model


def tokens_of(captions: Sequence[str]) -> Tokens:
    """SOT, three words, EOT, and EOT once more as padding."""
    ids = torch.tensor([[WORDS.index(word) for word in caption.split()] for caption in captions])
    start, end = torch.full((len(ids), 1), 6), torch.full((len(ids), 2), 7)
    return Tokens(torch.cat([start, ids, end], 1), torch.full((len(ids),), 4))


def mirrored(
    model: Any, tokens: Callable[[list[str]], Tokens] = tokens_of, scenes: int = 5
) -> Examples:
    """Random pictures, each followed by its mirror image, and captions "A left B", "B right A".

    The left-hand object covers one column of patches more than the left half of a picture, so
    that this column belongs to both objects.
    """
    tower, rng = model.image, np.random.default_rng(0)
    photos = torch.from_numpy(rng.normal(size=(scenes, *tower.picture))).float()
    photos = torch.stack([photos, photos.flip(-1)], 1).flatten(0, 1)
    pairs = [rng.permutation(len(LABELS))[:2] for _ in range(scenes)]
    labels = np.concatenate([np.stack([pair, pair[::-1]]) for pair in pairs])
    stated = [(t, *pair) for t in TEMPLATES for pair in permutations(range(len(LABELS)), 2)]
    order = {"left": lambda a, b: (a, b), "right": lambda a, b: (b, a)}
    named = [(t, *order[t](a, b)) for t, a, b in stated]
    captions = [f"{LABELS[first]} {t} {second}" for t, first, k in named for second in [LABELS[k]]]
    text = tokens(captions)
    rows, columns = tower.grid
    column = torch.arange(columns).repeat(rows)
    boxes = {"left": column <= columns // 2, "right": column >= columns // 2}
    image = {"CLS": torch.arange(rows * columns + 1) == 0}
    image |= {name: torch.cat([torch.tensor([False]), box]) for name, box in boxes.items()}
    place = torch.arange(text.ids.shape[1])
    end = text.pool[:, None]
    return Examples(
        image=Pixels(photos, torch.zeros(len(photos), dtype=torch.long)),
        text=text,
        words={"image": ("picture",), "text": WORDS},
        occurs={
            "image": torch.ones(1, rows * columns + 1, dtype=torch.bool),
            "text": torch.ones(8, text.ids.shape[1], dtype=torch.bool),
        },
        roles={
            "image": {name: mask.expand(len(photos), -1) for name, mask in image.items()},
            "text": {
                "SOT": (place == 0).expand(len(text), -1),
                "words": (place > 0) & (place < end),
                "EOT": place == end,
            },
        },
        image_labels=labels,
        image_pixels=np.full(labels.shape, -1),
        image_scene=np.repeat(np.arange(scenes), 2),
        image_set=("unseen_pair",) * len(photos),
        grid=tower.grid,
        caption_labels=np.array([pair for _, *pair in stated]),
        caption_set=("unseen_pair",) * len(stated),
        caption_template=tuple(template for template, *_ in stated),
        caption_text=tuple(captions),
        caption_swap="word",
        label_words=LABELS,
        empty={},
    )


def toy(**encoder: Any) -> Run:
    """An untrained model of a small world."""
    split = Split(n_pair=3, n_val=2, positions_per_label=3, layouts_per_pair=4)
    scenes = Scenes(World(n_pixels=5, n_labels=6), split)
    sizes = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_embed": 8}
    model = DualEncoder.build(preset("minimal", **sizes | encoder), scenes.sizes, 0)
    return record(model, scenes.examples(["unseen_pair"]))


def test_each_tower_is_taken_as_far_as_it_goes():
    found, notes = all_apart(over_templates(toy(text_layers=2), 20, 0))
    assert found["image"].path is not None
    assert found["text"].path is None
    assert [one.errors["encoder"] for one in found.values()] == ["image", "text"]
    assert [one.errors["nodes"] is None for one in found.values()] == [False, True]
    [note] = notes
    assert note.startswith("The text tower is taken apart directly alone")
    assert "it has 2 layers" in note


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("normalization_type", "RMS", "normalization RMS is not linear"),
        ("positional_embedding_type", "rotary", "positions enter by rotary"),
    ],
)
def test_towers_that_are_no_such_sum_are_left_out(setting: str, value: str, reason: str):
    """The configuration says so, and nothing of the tower is run."""
    pairs = over_templates(toy(), 20, 0)
    setattr(pairs[0].recording.model.image.cfg, setting, value)
    found, notes = all_apart(pairs)
    assert set(found) == {"text"}
    assert notes[0].startswith(f"The image tower is left out: {reason}")


def test_a_deep_tower_that_computes_something_else_is_left_out():
    recording = toy(image_layers=2)

    def doubled(tensor: Tensor, hook: object) -> Tensor:
        return 2 * tensor

    recording.model.image.add_perma_hook("blocks.0.hook_attn_out", doubled)
    pairs = over_templates(recording, 20, 0)
    wide = torch.ones_like(pairs[0].direction)
    pairs[0].direction[:] = wide  # along which untrained pictures differ enough to miss
    found, notes = all_apart(pairs)
    assert set(found) == {"text"}
    assert notes[0].startswith("The image tower is left out: what it is made of misses its margin")


def worst_error(model: Any, examples: Examples) -> float:
    """Relative, of both towers, whose parts are held against margins by plain products."""
    recording = record(model, examples)
    result = similarity_attribution(recording)
    assert set(result.table["encoder"]) == {"image", "text"}
    assert "through attention" not in set(result.table["kind"])
    v = {name: e.double().numpy() for name, e in recording.embeddings.items()}
    stated = list(zip(examples.caption_template, map(tuple, examples.caption_labels), strict=True))
    margins = []
    for picture, (a, b) in zip(v["image"], examples.image_labels.tolist(), strict=True):
        for template, other in (TEMPLATES, TEMPLATES[::-1]):
            true, swap = stated.index((template, (a, b))), stated.index((other, (b, a)))
            margins.append(picture @ (v["text"][true] - v["text"][swap]))
    for tower in ("image", "text"):
        for kind in ("margin", "direct", "direct by part", "direct by group"):
            total = sum(row["value"] for row in result.rows(encoder=tower, kind=kind))
            assert total == pytest.approx(np.mean(margins), abs=1e-6), kind
    assert {row["part"] for row in result.rows(kind="direct by part")} >= {"ln_pre.b", "L1 mlp"}
    read = [row for row in result.rows(encoder="image", kind="direct") if row["head"][0] == "L"]
    assert {row["role"] for row in read} == {"CLS", "left", "right", "several roles"}
    assert {row["part"] for row in read} == {"E", "P", "b"}
    heads = sum(row["value"] for row in read)
    patches = result.rows(kind="direct by patch", head="all", role="-")
    assert len(patches) == examples.grid[0] * examples.grid[1]
    from_cls = sum(row["value"] for row in read if row["role"] == "CLS")
    assert sum(row["value"] for row in patches) == pytest.approx(heads - from_cls, abs=1e-9)
    assert "mirror image" in " ".join(result.caveats)
    assert all(figure.how_to_read.count(". ") == 0 for figure in result.figures())
    return float(result.errors["relative_error"].max())


def test_a_random_clip_is_taken_apart():
    model = small_clip()
    assert worst_error(model, mirrored(model)) < 1e-4


@pytest.mark.realdata
def test_an_imported_clip_is_taken_apart(clip_folder):
    model = load_checkpoint(clip_folder).model
    assert model.processor is not None
    examples = mirrored(model, model.processor.tokens)
    assert worst_error(model, examples) < 1e-4
