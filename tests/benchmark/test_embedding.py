from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lrinterp.benchmark.embedding import Embedder
from lrinterp.store import InputError

Paint = Callable[[str, int], Path]


def test_scores_are_those_of_the_picture_with_each_caption(fake, make_row, paint: Paint):
    model = fake(lambda red, text: red / 16 + len(text) / 1000)
    rows = [
        make_row(picture=paint("a.png", 4), captions=("a", "bb", "ccc")),
        make_row(picture=paint("b.png", 8), captions=("a", "bb")),
    ]
    embedder = Embedder(model)
    found = embedder.score(rows)
    torch.testing.assert_close(found[0][1], torch.tensor([0.251, 0.252, 0.253]))
    torch.testing.assert_close(found[1][1], torch.tensor([0.501, 0.502]))


def test_a_picture_and_a_caption_are_embedded_once(fake, make_row, paint: Paint):
    model = fake(lambda _red, _text: 0.0)
    embedder = Embedder(model)
    rows = [make_row(picture=paint("a.png", 1)) for _ in range(5)]
    embedder.score(rows)
    assert sorted(model.calls) == [("image", 1), ("text", 2)]
    embedder.score(rows[:1])
    assert sorted(model.calls) == [("image", 1), ("image", 1), ("text", 2)]


def test_another_crop_is_another_picture(fake, make_row, paint: Paint):
    embedder = Embedder(fake(lambda _red, _text: 0.0))
    rows = [make_row(picture=paint("a.png", 1), crop=(k, 0, k + 2, 2)) for k in range(3)]
    embedder.score(rows)
    assert ("image", 3) in embedder.model.calls  # type: ignore[attr-defined]


def test_a_caption_longer_than_the_context_names_the_row(fake, make_row, paint: Paint):
    long = make_row(picture=paint("a.png", 1), captions=("a", "b " * 13), where="x.jsonl, row 7")
    with pytest.raises(InputError, match=r"x.jsonl, row 7: caption .* too long"):
        Embedder(fake(lambda _red, _text: 0.0)).score([long])


def test_a_row_without_a_picture_names_the_row(equal, make_row):
    with pytest.raises(InputError, match=r"relations.jsonl, row 1: the row has no picture"):
        Embedder(equal).score([make_row()])


def test_scores_that_are_no_numbers_are_refused(fake, make_row, paint: Paint):
    embedder = Embedder(fake(lambda _red, _text: float("nan")))
    row = make_row(picture=paint("a.png", 1))
    with pytest.raises(InputError, match="row 1: the model gives scores that are no numbers"):
        embedder.score([row])


def test_a_model_of_the_toy_world_is_refused(micro):
    with pytest.raises(InputError, match=r"reads no pictures.*lrinterp evaluate"):
        Embedder(micro)


@pytest.mark.realdata
def test_scores_of_a_clip_are_those_of_transformers(clip_folder: Path, make_row, tmp_path: Path):
    """From picture files and captions, next to the model that wrote the checkpoint."""
    import numpy as np
    from PIL import Image
    from transformers import CLIPModel, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from lrinterp.checkpoint import load_checkpoint

    captions = ("a cat left of a dog", "a cat to the right of a very large dog")
    pictures = []
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{k}.png")
        pictures.append(Image.fromarray(noise).crop((5, 5, 65, 45)))
    embedder = Embedder(load_checkpoint(clip_folder).model)
    rows = [
        make_row(picture=tmp_path / f"{k}.png", crop=(5, 5, 65, 45), captions=captions)
        for k in range(3)
    ]
    found = torch.stack([scores for _, scores in embedder.score(rows)])
    model = CLIPModel.from_pretrained(clip_folder).eval()
    words = PreTrainedTokenizerFast.from_pretrained(clip_folder)
    pixels = CLIPImageProcessorPil.from_pretrained(clip_folder)(pictures, return_tensors="pt")
    with torch.no_grad():
        for k, caption in enumerate(captions):
            out = model(**words([caption], return_tensors="pt"), **pixels)
            cosine = (out.image_embeds @ out.text_embeds.T)[:, 0]
            torch.testing.assert_close(found[:, k], cosine, atol=1e-5, rtol=0)
