"""Captions of the template and the roles of their tokens, with a tokenizer of words."""

import pytest
import torch

from lrinterp import InputError
from lrinterp.axes import Tokens
from lrinterp.scenes.natural.statements import Statement, statements, token_roles


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
        "SOT": [[0], [0]],
        "first": [[2, 3, 4], [2]],
        "relation": [[7], [5]],
        "second": [[10], [8]],
        "words": [[1, 5, 6, 8, 9], [1, 3, 4, 6, 7]],
        "EOT": [[11], [9]],
    }
    counted = torch.stack([*roles.values()]).sum(0)
    assert counted[0].eq(1).all()
    assert counted[1].tolist() == [1] * 10 + [0] * 2


def test_words_that_the_tokenizer_joins_are_refused():
    said = [Statement("cat", "left", "glued words")]
    with pytest.raises(InputError, match="the tokenizer joins its words"):
        token_roles(said, read([said[0].text]), read)
