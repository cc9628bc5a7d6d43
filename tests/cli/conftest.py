"""The recipe of tiny models, and what a refusal looks like."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def recipe() -> dict[str, Any]:
    """A world, a split and an encoder whose training takes milliseconds a step."""
    return {
        "world": {"n_pixels": 4, "n_labels": 6},
        "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
        "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    }


@pytest.fixture(scope="session")
def check_refused() -> Callable[..., None]:
    """Checks that a command ended with 2 and one line in which some words stand."""

    def check(answer: tuple[int, str, str], *words: str) -> None:
        code, _, err = answer
        assert code == 2
        assert err.startswith("lrinterp: error: ")
        assert err.count("\n") == 1
        for word in words:
            assert word in err

    return check
