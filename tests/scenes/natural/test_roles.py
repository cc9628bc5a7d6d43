"""Patches under boxes on a grid of two rows and four columns, and tokens of a template by word."""

import pytest
import torch

from lrinterp import InputError
from lrinterp.axes import Tokens
from lrinterp.scenes.natural.roles import (
    Statement,
    box_in_square,
    patch_at,
    patch_roles,
    patches_under,
    statements,
    token_roles,
)

GRID = (2, 4)


def test_a_box_covers_the_patches_that_it_touches():
    assert patches_under((0.0, 0.0, 0.25, 0.5), GRID).tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert patches_under((0.2, 0.4, 0.3, 0.6), GRID).tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 0]
    assert patches_under((0.0, 0.0, 1.0, 1.0), GRID).tolist() == [0, *[1] * 8]


def test_the_patch_under_the_middle():
    assert patch_at((0.0, 0.0, 0.2, 0.2), GRID) == 0
    assert patch_at((0.8, 0.6, 1.0, 1.0), GRID) == 7
    assert patch_at((1.0, 1.0, 1.0, 1.0), GRID) == 7


def test_a_wide_picture_stands_in_the_middle_of_its_square():
    assert box_in_square((0.0, 0.0, 1.0, 1.0), (200, 100)) == (0.0, 0.25, 1.0, 0.75)
    assert box_in_square((0.5, 0.0, 1.0, 1.0), (100, 200)) == (0.5, 0.0, 0.75, 1.0)
    assert box_in_square((0.1, 0.2, 0.3, 0.4), (50, 50)) == (0.1, 0.2, 0.3, 0.4)


def test_roles_divide_all_positions():
    boxes = [((0.0, 0.0, 0.2, 0.4), (0.8, 0.6, 0.9, 0.9))]
    roles = patch_roles(boxes, 1, GRID)
    assert {k: v[0].nonzero().flatten().tolist() for k, v in roles.items()} == {
        "CLS": [0],
        "left": [1],
        "right": [8],
        "background": [2, 3, 4, 5, 6, 7],
    }
    assert torch.stack([*roles.values()]).sum(0).eq(1).all()


def test_without_boxes_the_roles_are_halves():
    even = patch_roles(None, 2, GRID)
    assert even["left half"][1].nonzero().flatten().tolist() == [1, 2, 5, 6]
    assert even["right half"][0].nonzero().flatten().tolist() == [3, 4, 7, 8]
    assert set(even) == {"CLS", "left half", "right half"}
    odd = patch_roles(None, 1, (1, 3))
    assert odd["middle"][0].nonzero().flatten().tolist() == [2]


def read(captions) -> Tokens:
    """A token a word, "red" two, between a start and an end; joins "glued words"."""
    rows = []
    for caption in captions:
        words = caption.replace("of a glued words", "ofaglued words").split()
        rows.append([0, *[1 for w in words for _ in range(1 + (w == "red"))], 2])
    width = max(map(len, rows))
    ids = torch.tensor([row + [2] * (width - len(row)) for row in rows])
    return Tokens(ids, torch.tensor([len(row) - 1 for row in rows]))


def test_both_sides_and_both_orders_of_a_pair():
    said = statements([("apple", "cube")])
    assert [(s.text, s.order) for s in said] == [
        ("an apple to the left of a cube", ("apple", "cube")),
        ("a cube to the left of an apple", ("cube", "apple")),
        ("an apple to the right of a cube", ("cube", "apple")),
        ("a cube to the right of an apple", ("apple", "cube")),
    ]


def test_every_token_has_one_role():
    said = [Statement("red cube", "left", "cat"), Statement("cat", "right", "dog")]
    tokens = read([s.text for s in said])
    roles = token_roles(said, tokens, read)
    places = {k: [m.nonzero().flatten().tolist() for m in v] for k, v in roles.items()}
    assert places == {
        "SOT": [[0], [0]], "first": [[2, 3, 4], [2]], "relation": [[7], [5]], "second": [[10], [8]],
        "words": [[1, 5, 6, 8, 9], [1, 3, 4, 6, 7]], "EOT": [[11], [9]],
    }  # fmt: skip
    counted = torch.stack([*roles.values()]).sum(0)
    assert counted[0].eq(1).all()
    assert counted[1].tolist() == [1] * 10 + [0] * 2


def test_words_that_the_tokenizer_joins_are_refused():
    said = [Statement("cat", "left", "glued words")]
    with pytest.raises(InputError, match="the tokenizer joins its words"):
        token_roles(said, read([said[0].text]), read)
