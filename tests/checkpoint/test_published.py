"""The files of a published CLIP: where they are found, what is read, and what is refused."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from lrinterp.checkpoint.published import (
    Rules,
    fetch,
    has_weights,
    is_hub_name,
    read_as,
    read_tensors,
    read_tokenizer,
)
from lrinterp.encoders import ClipSpec, TowerSpec
from lrinterp.store import InputError, sha256


def refused(read: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        read(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_names_on_the_hub_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("openai/clip-vit-base-patch32", Path("laion/CLIP-ViT-B-32.b_1"), "runs/b"):
        assert is_hub_name(name)
    for name in ("runs", "/runs/b", "./runs/b", "../a", "a/b/c", "runs/", "~/a", "runs/a"):
        assert not is_hub_name(name)


def test_pickled_weights_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: dict[str, Any] = {}

    def snapshot(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert fetch("openai/clip") == tmp_path
    patterns = ["*.json", "*.txt", "*.safetensors"]
    assert asked == {"name": "openai/clip", "allow_patterns": patterns}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("Offline mode is on.\nRead more"), "(Offline mode is on.)"),
        (RuntimeError(), "(RuntimeError)"),
        (ValueError("x" * 900), f"({'x' * 160})"),
    ],
)
def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str):
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    expected = "runs/left-right: no such folder, and not available from the Hugging Face hub"
    assert refused(fetch, "runs/left-right") == f"{expected} {reason}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    layers: int
    width: int = 4

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers: expected at least 1, got {self.layers}")


RULES = Rules(ignored=frozenset(["dropout"]), only={"decoder": (False, None)})


def test_fields_are_taken_and_the_rest_passes_by():
    plain = {"layers": 2, "dropout": 0.5, "decoder": None}
    assert read_as(Settings, plain, RULES, "a.json") == Settings(layers=2)


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ([], "a.json: expected named settings, got []"),
        ({"layers": 2, "gate": 1}, "a.json: unknown setting 'gate'"),
        ({"layers": 2, "decoder": True}, "a.json: decoder: expected False or None, got True"),
        ({"layers": "2"}, "a.json.layers: expected int, got '2'"),
        ({"layers": 0}, "a.json.layers: expected at least 1"),
    ],
)
def test_everything_else_is_an_error(plain: Any, expected: str):
    assert expected in refused(read_as, Settings, plain, RULES, "a.json")


# Weights.

NAME = "model.safetensors"
WEIGHTS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def write_index(folder: Path, plain: Any) -> None:
    (folder / f"{NAME}.index.json").write_text(json.dumps(plain))


def test_weights_in_one_file_or_several(tmp_path: Path):
    one, several = tmp_path / "one", tmp_path / "several"
    for folder in (one, several):
        folder.mkdir()
        assert not has_weights(folder, NAME)
    save_file(WEIGHTS, one / NAME)
    for name, value in WEIGHTS.items():
        save_file({name: value}, several / f"{name}.safetensors")
    write_index(several, {"weight_map": {name: f"{name}.safetensors" for name in WEIGHTS}})
    hashes = [sha256((several / f"{name}.safetensors").read_bytes()) for name in "ab"]
    expected = sha256((one / NAME).read_bytes()), sha256("\n".join(hashes).encode())
    for folder, known in zip((one, several), expected, strict=True):
        tensors, digest = read_tensors(folder, NAME)
        assert {k: v.tolist() for k, v in tensors.items()} == {
            k: v.tolist() for k, v in WEIGHTS.items()
        }
        assert digest == known
        assert has_weights(folder, NAME)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ([], "expected named settings"),
        ({"weight_map": {}}, "expected a weight_map"),
        ({"weight_map": {"a": "gone.safetensors"}}, "its part 'gone.safetensors' is missing"),
        ({"weight_map": {"a": "../out.safetensors"}}, "its part '../out.safetensors' is missing"),
    ],
)
def test_a_bad_index_is_named(tmp_path: Path, index: Any, expected: str):
    save_file(WEIGHTS, tmp_path.parent / "out.safetensors")
    write_index(tmp_path, index)
    assert expected in refused(read_tensors, tmp_path, NAME)


def test_missing_and_damaged_weights_are_named(tmp_path: Path):
    assert "has no model.safetensors" in refused(read_tensors, tmp_path, NAME)
    (tmp_path / NAME).write_bytes(b"no weights")
    assert "model.safetensors: not a safetensors file" in refused(read_tensors, tmp_path, NAME)


def test_a_pickle_is_refused_unopened_and_the_way_to_convert_it_works(tmp_path: Path):
    """The command of the message, run as it stands on a pickle that another process writes."""
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(b"not even a pickle")
    message = refused(read_tensors, tmp_path, NAME)
    assert "pytorch_model.bin is a pickle, which can run code and is not read" in message
    code = message.split('python -c "')[1].removesuffix('"')
    assert "weights_only=True" in code
    saved = "{'a': torch.arange(3.0), 'b': torch.ones(2, 2)}"
    script = f"import sys, torch\ntorch.save({saved}, sys.argv[1])\n{code}"
    subprocess.run([sys.executable, "-c", script, path], check=True)
    assert set(load_file(tmp_path / NAME)) == {"a", "b"}
    assert read_tensors(tmp_path, NAME)[0]["a"].tolist() == [0, 1, 2]


# The tokenizer.

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


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "tokenizer.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


@pytest.mark.realdata
@pytest.mark.parametrize("removed", [(), ("tokenizer.json",), ("vocab.json", "merges.txt")])
def test_tokens_are_those_of_transformers(folder: Path, removed: tuple[str, ...]):
    from transformers import CLIPTokenizer

    expected = CLIPTokenizer.from_pretrained(folder)(CAPTIONS)["input_ids"]
    for name in removed:
        (folder / name).unlink()
    tokenizer = read_tokenizer(folder, None, spec())
    got = [encoded.ids for encoded in tokenizer.encode_batch(CAPTIONS)]
    assert got == expected
    assert got[0] == [49406, 320, 1125, 539, 320, 2368, 269, 49407]
    assert [len(tokenizer.encode(x).ids) for x in ("dog " * 100, "dog")] == [102, 3]  # none is cut


@pytest.mark.realdata
def test_a_folder_without_is_named_with_the_remedy(folder: Path, tmp_path: Path):
    (folder / "tokenizer.json").unlink()
    (folder / "merges.txt").unlink()
    message = refused(read_tokenizer, folder, None, spec())
    assert "has no tokenizer (tokenizer.json, or vocab.json and merges.txt)" in message
    assert "pass --tokenizer PATH" in message
    assert "pass --tokenizer" not in refused(read_tokenizer, folder, tmp_path / "none", spec())
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer: not a tokenizer" in refused(read_tokenizer, folder, None, spec())


def exchange(plain: dict[str, Any]) -> None:
    marks = plain["post_processor"]
    marks["sep"], marks["cls"] = marks["cls"], marks["sep"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("change", "of", "expected"),
    [
        (lambda _: None, {"vocabulary": 100}, "49408 tokens, the text tower knows 100"),
        (lambda _: None, {"end": 7}, "end with token 49407, the configuration pools token 7"),
        (lambda plain: plain.update(post_processor=None), {}, "expected a start and an end"),
        (
            lambda plain: plain["model"]["vocab"].update({"square</w>": 10**6}),
            {},
            "has token id 1000000, the text tower knows 0 to 49407",
        ),
        (exchange, {"end": None}, "a caption reads [49407, 320, 49406] and the highest id is"),
    ],
)
def test_one_that_does_not_fit_the_model_is_named(folder, change, of, expected):
    assert read_tokenizer(folder, None, spec(end=None)).encode("a").ids == [49406, 320, 49407]
    edit(folder, change)
    assert expected in refused(read_tokenizer, folder, None, spec(**of))
