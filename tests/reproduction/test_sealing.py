"""Sealed results: of their model, unaltered, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.reproduction.sealing import opened, sealed
from lrinterp.store import InputError, write_json

PAYLOAD = {"arm": "few", "seed": 3, "checkpoint": None}
SHIPPED = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_json(tmp_path / "a.json", sealed(lambda _: {"x": [0.1, None, "é"]}, PAYLOAD))
    return tmp_path / "a.json"


def test_a_result_comes_back(path: Path):
    assert opened(path, PAYLOAD) == {"x": [0.1, None, "é"]}


@pytest.mark.parametrize("change", [{"arm": "standard"}, {"seed": 4}])
def test_a_result_of_another_model_is_refused(path: Path, change: dict[str, Any]):
    with pytest.raises(InputError, match="is of another model; remove it and add --resume"):
        opened(path, PAYLOAD | change)


def test_the_weights_count(tmp_path: Path):
    one, other = (PAYLOAD | {"checkpoint": str(SHIPPED / n)} for n in ("left-right", "no-gradient"))
    write_json(tmp_path / "a.json", sealed(lambda _: 1, one))
    assert opened(tmp_path / "a.json", one) == 1
    with pytest.raises(InputError, match="is of another model"):
        opened(tmp_path / "a.json", other)


def test_an_altered_result_is_refused(path: Path):
    whole = json.loads(path.read_text())
    whole["found"]["x"][0] = 0.2
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match="was altered; remove it and add --resume"):
        opened(path, PAYLOAD)


@pytest.mark.parametrize("text", ["{}", "[]", "{", "3"])
def test_what_is_no_result_is_refused(path: Path, text: str):
    path.write_text(text)
    with pytest.raises(InputError, match="remove it and add --resume"):
        opened(path, PAYLOAD)
