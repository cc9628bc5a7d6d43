"""What the reproduction trains: five arms of models, a grid of initial scales, a grid of diversity.

Every seed draws the split, the first weights and the batches of a model; all arms share them.
"""

from dataclasses import dataclass, field
from typing import Any

from lrinterp.experiment import Study
from lrinterp.scenes import PAPER

__all__ = ["ARMS", "FIRST_SEED", "STANDARD", "UNTRAINED", "Design"]

FIRST_SEED = 400
"""Seeds below were used while recipe and instruments were made."""

LARGEST = 10**9
FEWEST, MOST = 2, 1000
"""Seeds; one has no interval."""

LIMITS = {"world.n_objects": (2, 2), "split.n_val": (2, LARGEST), "fit.steps": (25, LARGEST)}
"""What a base may set: claims are about pairs, some of them held out, and steps that are kept."""

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

STANDARD = "standard"
UNTRAINED = "untrained"
"""The standard models before their first step, measured like the arms."""

SCALES = {
    "full": {"std_W_E": [0.02, 0.0707, 0.15, 0.3, 1.0], "std_W_pos": [0.005, 0.02, 0.0707, 0.2]},
    "quick": {"std_W_E": [0.0707, 1.0], "std_W_pos": [0.02, 0.2]},
}
DIVERSITY = {"n_pair": [3, 5, 10, 15], "layouts_per_pair": [1, 2, 10, 30]}


@dataclass(frozen=True, kw_only=True)
class Design:
    """How large a reproduction is, and what its models have in common."""

    quick: bool = False
    """A small grid of scales, and none of diversity."""
    seeds: int = 10
    base: dict[str, Any] = field(default_factory=dict)
    """Changes of the default recipe in all models, by section; arms and grids win over it."""

    def __post_init__(self) -> None:
        if not FEWEST <= self.seeds <= MOST:
            raise ValueError(f"seeds: expected {FEWEST} to {MOST}, got {self.seeds}")
        for field_name, (least, most) in LIMITS.items():
            section, name = field_name.split(".")
            value = (self.base.get(section) or {}).get(name, least)
            if isinstance(value, int) and not least <= value <= most:
                expected = f"{least}" if least == most else f"at least {least}"
                raise ValueError(f"config: {field_name}: expected {expected}, got {value}")

    @property
    def studies(self) -> dict[str, Study]:
        """What is swept: `models` (the arms; a grid of one cell), `scales`, and `diversity`.

        The last is left out where it is quick. Raises InputError where the base does not fit.
        """
        arms = {"grid": {"world": {"n_objects": [2]}}, "stack": 5, "arms": ARMS}
        found = {
            "models": self._study("Arms of models", **arms),
            "scales": self._study(
                "Scales of the first weights",
                grid={"encoder": SCALES["quick" if self.quick else "full"]},
            ),
        }
        if not self.quick:
            grid = {"split": DIVERSITY}
            found["diversity"] = self._study("Label against layout diversity", grid=grid)
        return found

    def _study(self, title: str, **fields: Any) -> Study:
        """A study of these seeds."""
        base = {**self.base, **{k: {**v, **self.base.get(k, {})} for k, v in PAPER.items()}}
        common = {"seeds": self.seeds, "first_seed": FIRST_SEED, "stack": 20, "base": base}
        return Study.from_plain({"title": title, **common, **fields}, "base")
