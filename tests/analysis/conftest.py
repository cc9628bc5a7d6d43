"""Random CLIPs on mirrored pictures, the micro-model's run, and a made-up ablation."""

from collections.abc import Callable, Mapping
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import DualEncoder, Examples, Run, Scenes, Split, World, record
from lrinterp.axes import Pixels, Tokens
from lrinterp.encoders import ClipSpec, TowerSpec, build_clip
from lrinterp.result import Metric, Result


@pytest.fixture(scope="session")
def losing() -> Callable[[Mapping[tuple[int, int], Metric]], Result]:
    """Makes what others read of `term_ablation`: the order that each head's removal costs."""

    def make(lost: Mapping[tuple[int, int], Metric]) -> Result:
        rows = [{"layer": k, "head": h, **metric.plain()} for (k, h), metric in lost.items()]
        return Mock(spec=Result, tables={"order_lost": pd.DataFrame(rows)})

    return make


@pytest.fixture
def micro_recording(micro: DualEncoder, micro_examples: Examples) -> Run:
    """The micro-model on all its pictures."""
    return record(micro, micro_examples)


@pytest.fixture
def all_trained(micro: DualEncoder) -> Run:
    """The micro-model on a split that holds no pair out."""
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    return record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples())


@pytest.fixture(scope="session")
def photographs() -> tuple[DualEncoder, Examples]:
    """A random CLIP of two layers, and pictures of noise, each beside its mirror image."""
    return tiny_clip(), mirrored_pictures()


def tiny_clip() -> DualEncoder:
    """Pictures of 12 x 16 numbers in patches of 4, every weight at work."""
    tower = TowerSpec(layers=2, width=8, heads=2, mlp=16, activation="quick_gelu", eps=1e-5)
    model = build_clip(
        ClipSpec(
            image=tower,
            text=tower,
            embed=6,
            picture=(3, 12, 16),
            patch=(4, 4),
            context=8,
            vocabulary=7,
            end=6,
        )
    )
    generator = torch.Generator().manual_seed(0)
    for weight in model.trainable().values():
        weight.data = 0.4 * torch.randn(weight.shape, generator=generator)
    return model


def mirrored_pictures(n: int = 12) -> Examples:
    """Twelve scenes twice, the objects in the first column of patches and in the last two."""
    pixels = torch.randn(n, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    labels = np.array([[i % 3, (i + 1) % 3] for i in range(n)])
    column = torch.cat([torch.tensor([-1]), torch.arange(12) % 4])
    sides = {"CLS": column < 0, "left": column == 0, "background": column == 1}
    sides["right"] = column >= 2
    ids = torch.tensor([[0, 1 + a, word, 1 + b, 6] for a, b, word in CAPTIONS])
    order = {"SOT": 0, "first": 1, "words": 2, "second": 3, "EOT": 4}
    place = torch.arange(5)
    return Examples(
        image=Pixels(torch.cat([pixels, pixels.flip(-1)]), torch.zeros(2 * n, dtype=torch.int64)),
        text=Tokens(ids, torch.full((len(ids),), 4)),
        words={"image": ("CLS", "patch"), "text": WORDS},
        occurs={
            "image": torch.stack([column < 0, column >= 0]),
            "text": torch.stack([(ids == word).any(0) for word in range(len(WORDS))]),
        },
        roles={
            "image": {name: mask.expand(2 * n, -1) for name, mask in sides.items()},
            "text": {name: (place == i).expand(len(ids), -1) for name, i in order.items()},
        },
        image_labels=np.concatenate([labels, labels[:, ::-1]]),
        image_pixels=np.tile([0, 3], (2 * n, 1)),
        image_scene=np.tile(np.arange(n), 2),
        image_set=("pictures",) * (2 * n),
        grid=(3, 4),
        caption_labels=np.array([(a, b) if word == 4 else (b, a) for a, b, word in CAPTIONS]),
        caption_set=("pictures",) * len(ids),
        caption_template=tuple(WORDS[word] for *_, word in CAPTIONS),
        caption_text=tuple(" ".join(WORDS[i] for i in row[1:4]) for row in ids.tolist()),
        caption_swap="word",
        label_words=WORDS[1:4],
        empty={},
    )


WORDS = ("[SOT]", "ant", "bee", "cow", "left", "right", "[EOT]")
CAPTIONS = [(a, b, word) for a in range(3) for b in range(3) if a != b for word in (4, 5)]
"""Two labels in the order of mention, and the word between them."""
