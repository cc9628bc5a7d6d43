"""What the reproduction trains: five arms of models, a grid of initial scales, a grid of diversity.

Every seed draws the split, the first weights and the batches of a model; all arms share them.
"""

from dataclasses import dataclass

from lrinterp.study import Study

__all__ = ["FIRST_SEED", "ARMS", "UNTRAINED", "Design"]

FIRST_SEED = 300
"""Seeds below were used while recipe and instruments were made."""

KEPT = {"keep_every": 25, "evaluate_every": 25}

ARMS = {
    "both_2": {
        "about": "Captions of both templates, text tower of two layers.",
        "world": {"template": "both"},
        "encoder": {"text_layers": 2},
    },
    "standard": {"about": "The default recipe, kept every 25 steps.", "fit": KEPT},
    "both_1": {
        "about": "Captions of both templates, text tower of one layer.",
        "world": {"template": "both"},
    },
    "shuffled": {
        "about": "A control: each training picture has the caption of another one.",
        "split": {"shuffled": True},
    },
    "few": {
        "about": "Few labels in pairs, few layouts: order is learnt partly.",
        "split": {"n_pair": 5, "layouts_per_pair": 2},
    },
}
"""What each arm changes in the default recipe, the longest training first."""

UNTRAINED = "untrained"
"""The standard models before their first step, measured like the arms."""

SCALES = {
    "full": {"std_W_E": [0.02, 0.0707, 0.15, 0.3], "std_W_pos": [0.005, 0.02, 0.0707, 0.2]},
    "quick": {"std_W_E": [0.0707, 0.15], "std_W_pos": [0.02, 0.2]},
}
DIVERSITY = {"n_pair": [3, 5, 10, 15], "layouts_per_pair": [1, 2, 10, 30]}


@dataclass(frozen=True, kw_only=True)
class Design:
    """How large a reproduction is."""

    quick: bool = False
    """A small grid of scales, and none of diversity."""
    seeds: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.seeds <= 1000:
            raise ValueError(f"seeds: expected 2 to 1000, got {self.seeds}")

    @property
    def models(self) -> Study:
        """The five arms; the grid has one cell."""
        return Study(
            title="Arms of models",
            seeds=self.seeds,
            first_seed=FIRST_SEED,
            stack=5,
            grid={"split": {"n_val": [5]}},
            arms=dict(ARMS),
        )

    @property
    def scales(self) -> Study:
        """The default recipe over scales of the initial embeddings."""
        return Study(
            title="Scales of the first weights",
            seeds=self.seeds,
            first_seed=FIRST_SEED,
            stack=20,
            grid={"encoder": SCALES["quick" if self.quick else "full"]},
        )

    @property
    def diversity(self) -> Study | None:
        """Labels in pairs against layouts per pair; None where it is quick."""
        if self.quick:
            return None
        return Study(
            title="Label diversity against layout diversity",
            seeds=self.seeds,
            first_seed=FIRST_SEED,
            stack=20,
            grid={"split": DIVERSITY},
        )
