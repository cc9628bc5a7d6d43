"""Settings of other people's files: handled, ignored by name, or refused."""

from dataclasses import dataclass
from typing import Any

import pytest

from lrinterp.checkpoint.settings import Rules, read_as
from lrinterp.store import InputError

RULES = Rules(ignored=frozenset(["dropout"]), only={"decoder": (False, None)})


@dataclass(frozen=True, kw_only=True)
class Config:
    layers: int
    width: int = 4

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers: expected at least 1, got {self.layers}")


def test_fields_are_taken_and_the_rest_passes_by():
    plain = {"layers": 2, "dropout": 0.5, "decoder": None}
    assert read_as(Config, plain, RULES, "a.json") == Config(layers=2)


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ([], "a.json: expected named settings, got []"),
        ({"layers": 2, "gate": 1}, "a.json: unknown setting 'gate'"),
        ({"layers": 2, "decoder": True}, "a.json: decoder: expected False or None, got True"),
        ({"width": 2}, "a.json: field 'layers' is missing"),
        ({"layers": "2"}, "a.json.layers: expected int, got '2'"),
        ({"layers": 0}, "a.json.layers: expected at least 1"),
    ],
)
def test_everything_else_is_an_error(plain: Any, expected: str):
    with pytest.raises(InputError) as error:
        read_as(Config, plain, RULES, "a.json")
    assert expected in str(error.value)
