"""Both shipped checkpoints analysed on some pictures, a tiny training run, and made-up rows."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrinterp import Plan, train
from lrinterp.experiment.checkpoints.compare import Analysed
from lrinterp.run import fingerprint

TINY = {
    "world": {"n_pixels": 4, "n_labels": 7},
    "split": {"n_pair": 3, "n_val": 3, "positions_per_label": 3, "layouts_per_pair": 4},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    "fit": {"steps": 12, "keep_every": 5},
}
STEPS = np.arange(0, 1001, 50)


@pytest.fixture(scope="session")
def both(left_right, no_gradient, left_right_results, no_gradient_results) -> list[Analysed]:
    """What knows left from right, and what knows labels and no order, under all analyses."""
    found = {"left-right": (left_right, left_right_results)}
    found["no-gradient"] = no_gradient, no_gradient_results
    return [
        Analysed(name=name, weights=fingerprint(run.model), results=results)
        for name, (run, results) in found.items()
    ]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve steps that kept the fifth and the tenth."""
    return trained(tmp_path_factory.mktemp("runs") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe with another seed, under the same name in another folder."""
    return trained(tmp_path_factory.mktemp("others") / "tiny", seed=1)


def trained(folder: Path, *, seed: int, **fit: Any) -> Path:
    split = {**TINY["split"], "seed": seed}
    plain = {**TINY, "split": split, "fit": {**TINY["fit"], "seed": seed, **fit}}
    train(Plan.from_plain(plain, "tiny"), folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def runs() -> Any:
    """What this file defines, for the tests of this folder."""
    return sys.modules[__name__]


def ramp(name: str, order_at: float, slope_at: float, *, sign: int = 1) -> list[dict[str, Any]]:
    """Rows every 50 steps to 1,000: order rises from 0.5 to 1, the slope from 0 to 1, linearly over
    200 steps, half way at the times given; the row has ten pixels.
    """
    order, slope = (np.clip((STEPS - at) / 200 + 0.5, 0, 1) for at in (order_at, slope_at))
    return rows(name, 0.5 + 0.5 * order, sign * slope)


def flat(name: str) -> list[dict[str, Any]]:
    """A run that stays at chance, with a slope that is rounding."""
    return rows(name, np.full(STEPS.size, 0.5), 1e-4 * np.sin(STEPS))


def rows(name: str, order: np.ndarray, slope: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "run": name, "seed": 7, "step": step, "head": "L0H2", "chance": 0.5,
            "unseen_pair_order": o, "slope": s, "span": 9 * abs(s), "largest_slope": abs(s),
            "loss": 2 - o,
        }
        for step, o, s in zip(STEPS.tolist(), order.tolist(), slope.tolist(), strict=True)
    ]  # fmt: skip
