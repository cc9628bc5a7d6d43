"""The tokenizer: from either kind of files, the same tokens; one that does not fit is refused."""

import json
import shutil
from pathlib import Path

import pytest

from lrinterp.checkpoint.vocabulary import read_tokenizer
from lrinterp.encoders import ClipSpec, TowerSpec
from lrinterp.store import InputError

pytestmark = pytest.mark.realdata

CAPTIONS = [
    "A photo of a CAT.",
    "it's  left\tof the naïve dog's 42 toys!",
    "Ünïcödé 狗 🐕 <b>&amp;</b>",
    "",
]
TOWER = TowerSpec(layers=1, width=4, heads=1, mlp=4, activation="gelu", eps=1e-5)


def spec(vocabulary: int = 49408, end: int | None = 49407) -> ClipSpec:
    return ClipSpec(
        image=TOWER, text=TOWER, embed=4, picture=(3, 32, 32), patch=(8, 8), context=77,
        vocabulary=vocabulary, end=end,
    )  # fmt: skip


@pytest.fixture
def folder(data_root: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data_root / "clip_tokenizer", tmp_path / "tokenizer")


def refused(folder: Path, given: Path | None = None, of: ClipSpec | None = None) -> str:
    with pytest.raises(InputError) as error:
        read_tokenizer(folder, given, of or spec())
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("removed", [(), ("tokenizer.json",), ("vocab.json", "merges.txt")])
def test_tokens_are_those_of_transformers(folder: Path, removed: tuple[str, ...]):
    from transformers import CLIPTokenizer

    expected = CLIPTokenizer.from_pretrained(folder)(CAPTIONS)["input_ids"]
    for name in removed:
        (folder / name).unlink()
    got = read_tokenizer(folder, None, spec()).encode_batch(CAPTIONS)
    assert [encoded.ids for encoded in got] == expected
    assert got[0].ids == [49406, 320, 1125, 539, 320, 2368, 269, 49407]


def test_captions_are_neither_padded_nor_cut(folder: Path):
    tokenizer = read_tokenizer(folder, None, spec())
    assert len(tokenizer.encode("dog " * 100).ids) == 102
    assert len(tokenizer.encode("dog").ids) == 3


def test_a_folder_without_is_named_with_the_remedy(folder: Path, tmp_path: Path):
    (folder / "tokenizer.json").unlink()
    (folder / "merges.txt").unlink()
    message = refused(folder)
    assert "has no tokenizer (tokenizer.json, or vocab.json and merges.txt)" in message
    assert "pass --tokenizer PATH" in message
    assert "pass --tokenizer" not in refused(folder, tmp_path / "none")


def test_a_damaged_file_is_named(folder: Path):
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer: not a tokenizer" in refused(folder)


def test_one_that_does_not_fit_the_model_is_named(folder: Path):
    assert "49408 tokens, the text tower knows 100" in refused(folder, of=spec(vocabulary=100))
    message = refused(folder, of=spec(end=7))
    assert "captions end with token 49407, the configuration pools token 7" in message


def test_one_that_marks_no_ends_is_named(folder: Path):
    plain = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**plain, "post_processor": None}))
    assert "expected a start and an end around a caption, got ids [320]" in refused(folder)


def test_an_id_beyond_the_model_is_named(folder: Path):
    """Ids may have gaps, so the number of tokens does not say how high they go."""
    plain = json.loads((folder / "tokenizer.json").read_text())
    plain["model"]["vocab"]["square</w>"] = 10**6
    (folder / "tokenizer.json").write_text(json.dumps(plain))
    assert "has token id 1000000, the text tower knows 0 to 49407" in refused(folder)


def test_exchanged_marks_are_named(folder: Path):
    """Where the highest id is pooled, its place shows whether it ends a caption."""
    assert read_tokenizer(folder, None, spec(end=None)).encode("a").ids == [49406, 320, 49407]
    plain = json.loads((folder / "tokenizer.json").read_text())
    marks = plain["post_processor"]
    marks["sep"], marks["cls"] = marks["cls"], marks["sep"]
    (folder / "tokenizer.json").write_text(json.dumps(plain))
    message = refused(folder, of=spec(end=None))
    assert "a caption reads [49407, 320, 49406] and the highest id is pooled" in message
    assert "start and end tokens exchanged?" in message
