"""Names on the hub: what is one, and what an error says; no test goes there."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from lrinterp.checkpoint.hub import fetch, is_hub_name
from lrinterp.store import InputError


@pytest.mark.parametrize("name", ["openai/clip-vit-base-patch32", "laion/CLIP-ViT-B-32.b_1"])
def test_names(name: str):
    assert is_hub_name(name)
    assert is_hub_name(Path(name))


@pytest.mark.parametrize("name", ["runs", "/runs/a", "./runs/a", "../a", "a/b/c", "runs/", "~/a"])
def test_paths(name: str):
    assert not is_hub_name(name)


def test_a_folder_that_is_there_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_hub_name("runs/a")
    assert is_hub_name("runs/b")


def test_pickled_weights_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: dict[str, Any] = {}

    def snapshot(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert fetch("openai/clip") == tmp_path
    assert asked == {
        "name": "openai/clip",
        "allow_patterns": ["*.json", "*.txt", "*.safetensors"],
    }


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
    with pytest.raises(InputError) as raised:
        fetch("runs/left-right")
    expected = "runs/left-right: no such folder, and not to be had from the Hugging Face hub"
    assert str(raised.value) == f"{expected} {reason}"
