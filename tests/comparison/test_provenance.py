"""Where a comparison comes from: what all checkpoints share stands once, the rest apart."""

from dataclasses import replace
from pathlib import Path

from lrinterp import load_checkpoint
from lrinterp.comparison.naming import load_named
from lrinterp.comparison.provenance import comparison_provenance, dynamics_provenance


def test_settings_in_common_stand_once(tiny_run: Path, other_run: Path):
    found = comparison_provenance(load_named([tiny_run, other_run]), "lrinterp compare a b")
    one, two = (name for name in found.settings if name.startswith("checkpoint "))
    assert set(found.settings[one]) == {"weights.sha256", "split.seed", "recipe.seed"}
    assert found.settings[two]["split.seed"] == 1
    assert found.settings["world of all"]["n_pixels"] == 4
    assert "seed" not in found.settings["recipe of all"]
    assert found.kicker == "Checkpoints side by side"
    assert found.command == "lrinterp compare a b"
    assert " · " in found.checkpoint


def test_one_checkpoint_twice_has_everything_in_common(tiny_run: Path):
    checkpoint = load_checkpoint(tiny_run)
    found = comparison_provenance([checkpoint, checkpoint])
    assert found.checkpoint == "tiny · tiny (2)"
    assert list(found.settings) == [
        "weights of all", "world of all", "split of all", "encoder of all", "recipe of all",
    ]  # fmt: skip


def test_many_names_are_counted_and_an_imported_model_has_no_settings(tiny_run: Path):
    checkpoint = load_checkpoint(tiny_run)
    bare = replace(checkpoint.metadata, world=None, split=None, recipe=None, encoder=None)
    found = comparison_provenance([replace(checkpoint, metadata=bare), *[checkpoint] * 5])
    assert found.checkpoint == "tiny and 5 others"
    assert "world of all" not in found.settings


def test_dynamics_have_the_settings_of_their_runs(tiny_run: Path):
    found = dynamics_provenance([tiny_run], "lrinterp dynamics tiny")
    assert (found.checkpoint, found.kicker) == ("tiny", "Along training")
    assert found.settings["recipe of all"]["keep_every"] == 5
