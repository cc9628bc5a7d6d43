from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from jaxtyping import TypeCheckError

from lrinterp.axes import Tokens


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(torch.tensor([[0, 1, 9], [0, 2, 9], [0, 3, 9]]), torch.tensor([2, 1, 0]))


def test_length_is_the_number_of_examples(tokens: Tokens):
    assert len(tokens) == 3
    assert len(tokens.at(slice(0, 0))) == 0


@pytest.mark.parametrize(
    ("index", "pool"),
    [
        (slice(1, None), [1, 0]),
        (torch.tensor([2, 0, 2]), [0, 2, 0]),
        (torch.tensor([True, False, True]), [2, 0]),
    ],
    ids=["slice", "numbers", "mask"],
)
def test_selecting_keeps_ids_and_pool_together(
    tokens: Tokens, index: slice | torch.Tensor, pool: list[int]
):
    part = tokens.at(index)
    assert part.pool.tolist() == pool
    assert part.ids[:, 1].tolist() == [3 - p for p in pool]


def test_another_device_has_the_same_tokens(tokens: Tokens):
    assert tokens.to("cpu").ids.equal(tokens.ids)
    moved = tokens.to(torch.device("meta"))
    assert moved.ids.is_meta
    assert moved.pool.is_meta


def test_tokens_are_frozen(tokens: Tokens):
    with pytest.raises(FrozenInstanceError):
        setattr(tokens, fields(tokens)[0].name, tokens.ids)


def test_the_test_run_checks_shapes():
    with pytest.raises(TypeCheckError, match="pool"):
        Tokens(torch.zeros(3, 2, dtype=torch.long), torch.zeros(4, dtype=torch.long))
    with pytest.raises(TypeCheckError, match="ids"):
        Tokens(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))
