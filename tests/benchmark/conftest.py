"""A model whose choices are written down, and rows to put before it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

from lrinterp.axes import Pixels, Tokens
from lrinterp.benchmark.scores import score_table
from lrinterp.encoders import DualEncoder
from lrinterp.scenes.natural import Relation
from lrinterp.store import InputError

CONTEXT = 12
"""Words of the longest caption that the fake reads."""

REDS = 16
"""Reds that pictures may have."""

Score = Callable[[int, str], float]


class FakeProcessor:
    """Captions become the numbers under which they are noted, a picture the red of a pixel."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def tokens(self, captions: Sequence[str]) -> Tokens:
        for caption in captions:
            if len(caption.split()) > CONTEXT:
                raise InputError(f"caption {caption!r}: too long for this model; shorten it")
        ids = len(self.texts) + torch.arange(len(captions))[:, None]
        self.texts += captions
        return Tokens(ids, torch.zeros(len(captions), dtype=torch.long))

    def pixels(self, pictures: Sequence[Image.Image], *, fit: str = "crop") -> Pixels:
        assert fit in ("crop", "pad")
        reds: list[Any] = [picture.getpixel((0, 0)) for picture in pictures]
        values = torch.tensor([float(red[0]) for red in reds]).reshape(-1, 1, 1, 1)
        return Pixels(values, torch.zeros(len(pictures), dtype=torch.long))


class FakeModel(DualEncoder):
    """Scores a caption of a picture by a function of the picture's red and the caption."""

    def __init__(self, score: Score) -> None:
        torch.nn.Module.__init__(self)
        self.score_of = score
        self.log_scale = torch.nn.Parameter(torch.zeros(()))
        self.fake = FakeProcessor()
        self.processor: Any = self.fake
        self.calls: list[tuple[str, int]] = []

    def embed_all(self, tower: str, inputs: Any, batch_size: int | None = None) -> Tensor:
        del batch_size
        self.calls.append((tower, len(inputs)))
        if tower == "image":
            return torch.eye(REDS)[inputs.values.flatten().long()]
        texts = [self.fake.texts[i] for i in inputs.ids.flatten().tolist()]
        return torch.tensor([[self.score_of(red, text) for red in range(REDS)] for text in texts])


def row(**fields: Any) -> Relation:
    """A row about left and right, with some fields of one's own."""
    plain: dict[str, Any] = {
        "suite": "jsonl", "where": "relations.jsonl, row 1", "picture": None,
        "captions": ("a cat left of a dog", "a cat right of a dog"), "right": 0,
        "relation": "left of", "axis": "horizontal", "group": "cat, dog", "foil": "word swap",
    }  # fmt: skip
    return Relation(**{**plain, **fields})


@pytest.fixture
def fake() -> Callable[[Score], FakeModel]:
    return FakeModel


@pytest.fixture
def make_row() -> Callable[..., Relation]:
    return row


@pytest.fixture
def table_of() -> Callable[..., pd.DataFrame]:
    """The table of rows with scores that are given."""

    def make(*scored: tuple[Relation, Sequence[float]]) -> pd.DataFrame:
        return score_table([(one, torch.tensor(scores)) for one, scores in scored], "crop")

    return make


@pytest.fixture
def equal() -> FakeModel:
    """A model to which all captions are the same."""
    return FakeModel(lambda _red, _text: 0.5)


@pytest.fixture
def paint(tmp_path: Path) -> Callable[[str, int], Path]:
    """Write a picture of one red under a path, folders included; PNG keeps the colour exact."""

    def write(name: str, red: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (red, 0, 0)).save(path, format="PNG")
        return path

    return write
