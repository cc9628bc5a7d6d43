"""Both shipped checkpoints measured on some pictures, a tiny training run, and made-up rows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp import Plan, Run, load_checkpoint, record, train
from lrinterp.analysis import ANALYSES
from lrinterp.comparison.measured import Measured, measure

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
LAYOUT_STEP = 5
"""Every fifth layout of the held-out pairs is enough here, each with its swap."""
TINY = {
    "world": {"n_pixels": 4, "n_labels": 7},
    "split": {"n_pair": 3, "n_val": 3, "positions_per_label": 3, "layouts_per_pair": 4},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    "fit": {"steps": 12, "keep_every": 5},
}


@contextmanager
def one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def recorded(name: str) -> Run:
    loaded = load_checkpoint(CHECKPOINTS / name)
    examples = loaded.scenes().examples(["unseen_pair"])
    layouts = np.unique(examples.image_pixels, axis=0)[::LAYOUT_STEP].tolist()
    kept = [i for i, pixels in enumerate(examples.image_pixels.tolist()) if pixels in layouts]
    with one_core():
        return record(loaded.model, examples.at(np.array(kept)), progress=False)


def measured(name: str, recording: Run) -> Measured:
    with one_core():
        return measure(name, recording, ANALYSES, progress=False)


@pytest.fixture(scope="session")
def left_right() -> Run:
    return recorded("left-right")


@pytest.fixture(scope="session")
def no_gradient() -> Run:
    return recorded("no-gradient")


@pytest.fixture(scope="session")
def knows(left_right: Run) -> Measured:
    """The checkpoint that knows left from right, under all analyses."""
    return measured("left-right", left_right)


@pytest.fixture(scope="session")
def knows_not(no_gradient: Run) -> Measured:
    """The checkpoint that knows labels and no order."""
    return measured("no-gradient", no_gradient)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve steps that kept the fifth and the tenth."""
    return tiny_trained(tmp_path_factory.mktemp("runs") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe with another seed, under the same name in another folder."""
    return tiny_trained(tmp_path_factory.mktemp("others") / "tiny", seed=1)


def tiny_trained(folder: Path, *, seed: int, **fit: Any) -> Path:
    plain = {**TINY, "fit": {**TINY["fit"], "seed": seed, **fit}}
    plain["split"] = {**TINY["split"], "seed": seed}
    with one_core():
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
    steps = np.arange(0, 1001, 50)
    order = 0.5 + 0.5 * np.clip((steps - order_at) / 200 + 0.5, 0, 1)
    slope = sign * np.clip((steps - slope_at) / 200 + 0.5, 0, 1)
    return rows(name, steps, order, slope)


def flat(name: str) -> list[dict[str, Any]]:
    """A run that stays at chance, with a slope that is rounding."""
    steps = np.arange(0, 1001, 50)
    return rows(name, steps, np.full(steps.size, 0.5), 1e-4 * np.sin(steps))


def rows(
    name: str, steps: np.ndarray, order: np.ndarray, slope: np.ndarray
) -> list[dict[str, Any]]:
    return [
        {
            "run": name, "seed": 7, "step": step, "head": "L0H2", "chance": 0.5,
            "unseen_pair_order": o, "slope": s, "span": 9 * abs(s), "largest_slope": abs(s),
            "loss": 2 - o,
        }
        for step, o, s in zip(steps.tolist(), order.tolist(), slope.tolist(), strict=True)
    ]  # fmt: skip
