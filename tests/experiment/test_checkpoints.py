"""Names that tell checkpoints apart, and where a page about several of them comes from."""

from dataclasses import replace
from pathlib import Path

import pytest

from lrinterp.experiment.checkpoints import (
    comparison_provenance,
    dynamics_provenance,
    load_named,
    numbered,
    short_names,
)
from lrinterp.store import InputError

SHIPPED = [Path(__file__).parents[2] / "checkpoints" / n for n in ("left-right", "no-gradient")]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/x", "/a/y"], ["x", "y"]),
        (["/a/x", "/b/../a/x", "/a/x"], ["x", "x", "x"]),
        (
            ["/a/one/steps/000100", "/a/two/steps/000100", "/b/000200"],
            ["one/steps/000100", "two/steps/000100", "000200"],
        ),
        (["/x", "/a/x"], ["//x", "a/x"]),
    ],
)
def test_a_name_is_as_short_as_tells_it_apart(paths: list[str], names: list[str]):
    assert short_names([Path(path) for path in paths]) == names


def test_a_name_that_comes_again_is_numbered():
    assert numbered(["x", "x", "y", "x"]) == ["x", "x (2)", "y", "x (3)"]
    assert numbered(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]


def test_checkpoints_are_loaded_under_their_names():
    assert [one.name for one in load_named(SHIPPED)] == ["left-right", "no-gradient"]
    with pytest.raises(InputError, match="no such folder"):
        load_named([SHIPPED[0] / "none"])


def test_settings_in_common_stand_once():
    found = comparison_provenance(load_named(SHIPPED), "lrinterp compare a b")
    assert found.checkpoint == "left-right · no-gradient"
    assert found.command == "lrinterp compare a b"
    one, two = (found.settings[f"checkpoint {path.name}"] for path in SHIPPED)
    assert one.keys() == two.keys()
    assert one["weights.sha256"] != two["weights.sha256"]
    assert all(one[key] != two[key] for key in one)
    common = {f"{part.removesuffix(' of all')}.{key}" for part, fields in found.settings.items()
              if part.endswith(" of all") for key in fields}  # fmt: skip
    assert not common & one.keys()
    assert "world.n_pixels" in common


def test_one_checkpoint_twice_has_everything_in_common():
    found = dynamics_provenance([SHIPPED[0]] * 2, "lrinterp dynamics a a")
    assert (found.checkpoint, found.kicker) == ("left-right · left-right (2)", "Along training")
    parts = ("weights", "world", "split", "encoder", "recipe")
    assert list(found.settings) == [f"{part} of all" for part in parts]


def test_many_names_are_counted_and_an_imported_model_has_no_settings():
    [own] = load_named(SHIPPED[:1])
    bare = replace(own.metadata, world=None, split=None, recipe=None, encoder=None)
    found = comparison_provenance([replace(own, metadata=bare), *[own] * 5])
    assert found.checkpoint == "left-right and 5 others"
    assert "world of all" not in found.settings
