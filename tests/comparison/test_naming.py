"""Names of checkpoints and units of numbers."""

from pathlib import Path

import pytest

from lrinterp.comparison.naming import (
    GROUPS,
    group_of,
    load_named,
    numbered,
    quantity_words,
    short_names,
)
from lrinterp.store import InputError

SHIPPED = Path(__file__).parents[2] / "checkpoints"


def test_a_folder_is_called_by_its_name_where_that_is_enough():
    assert short_names([Path("/a/x"), Path("/a/y")]) == ["x", "y"]


def test_equal_names_take_what_stands_before_them():
    paths = [Path("/a/one/steps/000100"), Path("/a/two/steps/000100"), Path("/b/000200")]
    assert short_names(paths) == ["one/steps/000100", "two/steps/000100", "000200"]


def test_one_folder_twice_is_numbered():
    names = short_names([Path("/a/x"), Path("/b/../a/x"), Path("/a/x")])
    assert numbered(names) == ["x", "x (2)", "x (3)"]
    assert numbered(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]


def test_checkpoints_are_loaded_under_their_names():
    one, two = load_named([SHIPPED / "left-right", SHIPPED / "no-gradient"])
    assert (one.name, two.name) == ("left-right", "no-gradient")
    with pytest.raises(InputError, match="no such folder"):
        load_named([SHIPPED / "none"])


@pytest.mark.parametrize(
    ("key", "group"),
    [
        ("unseen_pair_order", "order"),
        ("unseen_pair_order_left", "order"),
        ("order_without_key_position", "order"),
        ("order_placebo_minus_without", "minus"),
        ("label_set_closed_without_key_position", "captions"),
        ("single_retrieval_closed", "captions"),
        ("image_key_position_share", "variance"),
        ("headline_span", "span"),
        ("null_slope", "slope"),
        ("image_z_effect", "effect"),
    ],
)
def test_a_number_has_its_unit(key: str, group: str):
    found = group_of(key)
    assert found is not None
    assert found.key == group


def test_errors_are_not_drawn_and_groups_have_names_of_their_own():
    assert group_of("reconstruction_error") is None
    assert group_of("full_patch_error") is None
    assert len({group.key for group in GROUPS}) == len(GROUPS)
    assert quantity_words("unseen_pair_order") == "unseen pair order"
