"""Captions and pictures as a tower reads them, with a tokenizer of a dozen words."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from lrinterp.encoders import ClipSpec, Preprocessing, Processor, TowerSpec
from lrinterp.store import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = ["a</w>", "cat</w>", "gi", "raffe</w>", "left</w>", "<|start|>", "<|end|>", "late</w>"]
TOWER = TowerSpec(layers=1, width=4, heads=1, mlp=4, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=4, picture=(3, 16, 16), patch=(8, 8), context=6, vocabulary=9,
    end=6,
)  # fmt: skip
PICTURES = Preprocessing(
    shortest=16, height=16, width=16, mean=(0.5, 0.25, 0.75), std=(0.5, 0.5, 0.5)
)


def tokenizer() -> "Tokenizer":
    """Whole words by a look-up; `<|start|>` and `<|end|>` around each caption."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {word: n for n, word in enumerate(WORDS)}
    own = Tokenizer(models.WordLevel(ids, unk_token="gi"))
    own.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace("|", "</w>|")]
    )
    own.pre_tokenizer = pre_tokenizers.Split("|", "removed")
    own.post_processor = processors.BertProcessing(("<|end|>", 6), ("<|start|>", 5))
    return own


@pytest.fixture
def processor() -> Processor:
    return Processor(tokenizer=tokenizer(), preprocessing=PICTURES, spec=SPEC)


def test_captions_are_padded_to_the_longest_of_the_batch(processor: Processor):
    tokens = processor.tokens(["A|cat|", "left|", "a|cat|left|"])
    assert tokens.ids.tolist() == [[5, 0, 1, 6, 6], [5, 4, 6, 6, 6], [5, 0, 1, 4, 6]]
    assert tokens.pool.tolist() == [3, 2, 4]


def test_without_an_end_token_the_highest_id_is_pooled(processor: Processor):
    legacy = replace(processor, spec=replace(SPEC, end=None))
    for own, pool in ((processor, [4, 2]), (legacy, [2, 2])):
        assert own.tokens(["a|late|cat|", "left|"]).pool.tolist() == pool


def test_a_caption_longer_than_the_context_is_named(processor: Processor):
    assert processor.tokens(["a|" * 4]).ids.shape == (1, 6)
    assert len(processor.tokens([])) == 0
    with pytest.raises(InputError, match=r"caption 'a\|a\|a\|a\|a\|': 7 tokens, this model reads"):
        processor.tokens(["cat|", "a|" * 5])


def test_the_vocabulary_is_readable(processor: Processor):
    assert processor.vocabulary == (
        "a", "cat", "gi-", "raffe", "left", "<|start|>", "<|end|>", "late", "-",
    )  # fmt: skip


def wide() -> Image.Image:
    """48 x 16: a red, a green and a blue square."""
    values = np.zeros((16, 48, 3), dtype=np.uint8)
    for place in range(3):
        values[:, 16 * place : 16 * place + 16, place] = 255
    return Image.fromarray(values)


def test_cropping_keeps_the_middle(processor: Processor):
    assert processor.pixels([]).values.shape == (0, 3, 16, 16)
    pixels = processor.pixels([wide()])
    assert (pixels.pool.tolist(), pixels.values.dtype) == ([0], torch.float32)
    green = torch.tensor([-1, 1.5, -1.5]).view(3, 1, 1).expand(3, 16, 16)
    assert (pixels.values[0] - green).abs().max() < 1e-6


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_padding_keeps_the_sides_and_adds_the_mean(processor: Processor, mode: str):
    values = processor.pixels([wide().convert(mode)], fit="pad").values[0]
    for place, column in enumerate((2, 8, 13)):
        colour = values[:, 8, column]
        assert colour.argmax() == place
        assert colour.max() > 0.4
    assert values[:, :4].abs().max() < 0.1
    assert values[:, 12:].abs().max() < 0.1


@pytest.mark.parametrize("size", [(48, 16), (16, 48), (20, 20)])
def test_a_mirrored_picture_makes_mirrored_pixels(processor: Processor, size: tuple[int, int]):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pictures = [Image.fromarray(noise), Image.fromarray(noise[:, ::-1].copy())]
    one, other = processor.pixels(pictures, fit="pad").values
    assert (one.flip(-1) - other).abs().max() < 0.05


def test_preprocessing_of_another_size_is_named(processor: Processor):
    larger = replace(processor, preprocessing=replace(PICTURES, height=32, width=32))
    with pytest.raises(
        InputError, match=r"makes \[3, 32, 32\], the image tower reads \[3, 16, 16\]"
    ):
        larger.pixels([wide()])


def test_each_setting_changes_the_pixels(processor: Processor):
    """Resizing without a crop squashes; without normalising the range is 0 to 1."""

    def made(picture: Image.Image, **changes: Any) -> torch.Tensor:
        own = replace(processor, preprocessing=replace(PICTURES, **changes))
        return own.pixels([picture]).values

    squashed = made(wide(), shortest=None, crop=False)[0]
    assert [squashed[:, 8, column].argmax().item() for column in (2, 8, 13)] == [0, 1, 2]
    bare = made(wide(), normalize=False)
    assert (bare.min().item(), bare.max().item()) == (0, 1)
    assert made(wide().resize((20, 18)), resize=False).shape == (1, 3, 16, 16)
    assert made(wide(), normalize=False, rescale=2 / 255).max() == 2


def test_a_picture_that_outgrows_the_memory_is_refused_before_it_does(processor: Processor):
    thin = Image.new("1", (600_000, 1))
    for fit in ("crop", "pad"):
        with pytest.raises(InputError, match="600000 by 1 pixels is too long and narrow"):
            processor.pixels([thin], fit=fit)
    assert processor.pixels([thin.crop((0, 0, 2000, 1))], fit="pad").values.shape[0] == 1


def test_the_mean_colour_is_that_of_the_scale(processor: Processor):
    """With pictures left at 0..255, the mean is a colour by itself."""
    bytes_ = replace(PICTURES, rescale=1.0, mean=(20.0, 130.0, 400.0))
    square = replace(processor, preprocessing=bytes_).squared(wide())
    assert square.getpixel((0, 0)) == (20, 130, 255)
