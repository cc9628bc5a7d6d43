"""Weights from safetensors, in one file or several; a pickle is never opened."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lrinterp.checkpoint.weights import has_weights, read_tensors
from lrinterp.store import InputError, sha256

NAME = "model.safetensors"
WEIGHTS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_tensors(folder, NAME)
    assert "\n" not in str(error.value)
    return str(error.value)


def write_index(folder: Path, plain: Any) -> None:
    (folder / f"{NAME}.index.json").write_text(json.dumps(plain))


def test_one_file(tmp_path: Path):
    save_file(WEIGHTS, tmp_path / NAME)
    tensors, digest = read_tensors(tmp_path, NAME)
    assert {name: value.tolist() for name, value in tensors.items()} == {
        name: value.tolist() for name, value in WEIGHTS.items()
    }
    assert digest == sha256((tmp_path / NAME).read_bytes())
    assert has_weights(tmp_path, NAME)


def test_several_files(tmp_path: Path):
    for name, value in WEIGHTS.items():
        save_file({name: value}, tmp_path / f"{name}.safetensors")
    write_index(tmp_path, {"weight_map": {name: f"{name}.safetensors" for name in WEIGHTS}})
    tensors, digest = read_tensors(tmp_path, NAME)
    assert set(tensors) == {"a", "b"}
    hashes = [sha256((tmp_path / f"{name}.safetensors").read_bytes()) for name in "ab"]
    assert digest == sha256("\n".join(hashes).encode())
    assert has_weights(tmp_path, NAME)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ([], "expected a weight_map"),
        ({"weight_map": {}}, "expected a weight_map"),
        ({"weight_map": {"a": "gone.safetensors"}}, "its part 'gone.safetensors' is missing"),
        ({"weight_map": {"a": "../out.safetensors"}}, "its part '../out.safetensors' is missing"),
    ],
)
def test_a_bad_index_is_named(tmp_path: Path, index: Any, expected: str):
    save_file(WEIGHTS, tmp_path.parent / "out.safetensors")
    write_index(tmp_path, index)
    assert expected in refused(tmp_path)


def test_no_weights_at_all(tmp_path: Path):
    assert not has_weights(tmp_path, NAME)
    assert "has no model.safetensors" in refused(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path):
    (tmp_path / NAME).write_bytes(b"no weights")
    assert "model.safetensors: not a safetensors file" in refused(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "open_clip_pytorch_model.bin", "clip.pt"])
def test_a_pickle_is_refused_unopened(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"not even a pickle")
    message = refused(tmp_path)
    assert f"{name} is a pickle, which can run code and is not read" in message
    assert "weights_only=True" in message


def test_the_way_to_convert_a_pickle_works(tmp_path: Path):
    """The command of the message, run as it stands on a pickle that another process writes."""
    path = tmp_path / "pytorch_model.bin"
    path.touch()
    code = refused(tmp_path).split('python -c "')[1].removesuffix('"')
    saved = "{'a': torch.arange(3.0), 'b': torch.ones(2, 2)}"
    script = f"import sys, torch\ntorch.save({saved}, sys.argv[1])\n{code}"
    subprocess.run([sys.executable, "-c", script, path], check=True)
    assert set(load_file(tmp_path / NAME)) == {"a", "b"}
    assert read_tensors(tmp_path, NAME)[0]["a"].tolist() == [0, 1, 2]
