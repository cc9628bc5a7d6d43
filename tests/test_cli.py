"""The command line: what it writes, what it refuses, and in how many words."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import lrinterp
from lrinterp.analysis import ANALYSES

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "checkpoints" / "left-right"
TINY = """
[world]
n_pixels = 4
n_labels = 5
[split]
n_pair = 3
n_val = 2
positions_per_label = 3
layouts_per_pair = 4
[encoder]
d_model = 8
n_heads = 2
d_head = 4
d_embed = 8
[fit]
steps = 2
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two steps; read only."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    lrinterp.train(lrinterp.Plan.from_plain(tomllib.loads(TINY), "tiny"), folder)
    return folder


def check_refused(answer: tuple[int, str, str], *words: str) -> None:
    code, _, err = answer
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


COLUMNS = {
    "accuracy": "set metric candidates value low high n n_units",
    "attention_terms": "encoder layer head term gauge share",
    "positional_gradient": "encoder layer head term gauge slope span r2 spearman null_high",
    "term_ablation": "encoder terms heads kind gauge set metric candidates value low high",
    "activation_patching": "encoder site layer head role direction effect identical",
}
KEYS = {
    "accuracy": "unseen_pair_order unseen_pair_label_set_closed",
    "attention_terms": "reconstruction_error",
    "positional_gradient": "headline_head headline_slope right_object_attention_gain",
    "term_ablation": "order_without_key_position label_set_closed_without_key_position "
    "order_placebo order_key_position_only",
}


def test_the_json_has_the_promised_keys_columns_and_types(shipped: Path):
    whole = json.loads(shipped.with_suffix(".json").read_text(), parse_constant=pytest.fail)
    assert list(whole) == ["lrinterp", "checkpoint", "results"]
    results = whole["results"]
    assert list(results) == list(ANALYSES)
    assert results["answer"]["summary"]["unseen_pair_order"]["value"] >= 0.9
    for name, columns in COLUMNS.items():
        assert set(columns.split()) <= set(results[name]["table"][0])
    for name, keys in KEYS.items():
        assert set(keys.split()) <= set(results[name]["summary"])
    for entry in results.values():
        for scalar in entry["summary"].values():
            assert list(scalar)[:5] == ["value", "low", "high", "n", "n_units"]
            assert set(list(scalar)[5:]) <= {"estimator", "unit", "chance"}
        for row in entry["table"]:
            for column in ("layer", "n"):
                assert isinstance(row.get(column), int | None)
    headline = results["positional_gradient"]["summary"]["headline_head"]
    assert headline["value"].startswith("L0H")
    assert headline["low"] is headline["high"] is None
    union = {row["terms"] for row in results["term_ablation"]["table"]}
    assert {"EP+PP+bP", "EP", "PP", "bP", "EP+bP", "none"} <= union


@pytest.mark.parametrize(
    "arguments",
    [
        ["CKPT", "--only", "accuracy", "attention_terms"],
        ["CKPT", "--only", "accuracy", "--only", "attention_terms"],
        ["--only", "accuracy", "attention_terms", "CKPT"],
    ],
)
def test_only_limits_results_and_sections(run, tiny, tmp_path, arguments):
    report, numbers = tmp_path / "r.html", tmp_path / "r.json"
    words = [str(tiny) if word == "CKPT" else word for word in arguments]
    code, shown, err = run("analyze", *words, "--out", report, "--json", numbers)
    assert code == 0, err
    assert str(report) in shown
    assert list(json.loads(numbers.read_text())["results"]) == ["accuracy", "attention_terms"]
    assert 'id="term_ablation"' not in report.read_text()
    assert 'id="accuracy"' in report.read_text()


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("model.safetensors", lambda data: data[:-9], "truncated or altered"),
        ("model.json", lambda data: data[:99], "not valid JSON"),
        ("model.json", lambda data: data.replace(b'"world": {', b'"world": {"depth": 2,'), "depth"),
    ],
)
def test_a_damaged_checkpoint_is_one_line_and_leaves_the_report(run, tmp_path, name, change, word):
    report = tmp_path / "report.html"
    report.write_text("mine")
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED, copy)
    (copy / name).write_bytes(change((copy / name).read_bytes()))
    check_refused(run("analyze", copy, "--out", report), word)
    assert report.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "report.html"]


def test_what_cannot_be_read_or_written_is_named(run: Run, tmp_path: Path):
    check_refused(run("analyze", tmp_path / "none"), "none", "no such folder")
    check_refused(run("evaluate", tmp_path), "not a checkpoint")
    check_refused(run("analyze", SHIPPED, "--only", "acuracy"), "'acuracy'", "accuracy")
    check_refused(run("analyze", SHIPPED, "--out", tmp_path), "folder")
    check_refused(run("analyze", SHIPPED, "--out", tmp_path / "no" / "r.html"), "no")
    check_refused(run("analyze"), "CKPT")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[fit]\nstep = 3", "unknown field 'step'"),
        ("[fit", "not valid TOML"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("world = 3", "world: expected a section of fields, got 3"),
    ],
)
def test_a_bad_configuration_is_named(run: Run, tmp_path: Path, text: str, word: str):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    check_refused(run("train", "--out", tmp_path / "m", "--config", path), word)
    assert not (tmp_path / "m").exists()


def test_a_finished_run_is_left_alone_and_a_full_folder_refused(run: Run, tiny: Path, config: Path):
    before = {path.name: path.read_bytes() for path in tiny.iterdir()}
    check_refused(run("train", "--out", tiny, "--config", config), "not empty", "--resume")
    code, out, _ = run("train", "--out", tiny, "--config", config, "--resume")
    assert code == 0
    assert len(out.strip().splitlines()) == 1
    assert "finished already" in out
    other = run("train", "--out", tiny, "--config", config, "--resume", "--steps", "3")
    check_refused(other, "fit.steps")
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before


def test_outputs_that_would_destroy_something_are_refused(run: Run, tiny: Path, tmp_path: Path):
    before = {path.name: path.read_bytes() for path in tiny.iterdir()}
    both = tmp_path / "both"
    check_refused(run("analyze", tiny, "--out", both, "--json", both), "another option")
    check_refused(run("analyze", tiny, "--json", tiny / "model.json"), "the checkpoint")
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before
    assert not both.exists()


@pytest.mark.parametrize("device", ["meta", "abacus"])
def test_a_bad_device_is_named(run, config, tmp_path, device):
    answer = run("train", "--out", tmp_path / "m", "--config", config, "--device", device)
    check_refused(answer, f"--device {device}: not available")
    assert not (tmp_path / "m").exists()


def test_no_arguments_show_the_help_and_the_version_can_be_asked(run: Run):
    code, out, _ = run()
    assert code == 0
    assert all(command in out for command in ("train", "evaluate", "analyze"))
    code, out, _ = run("--version")
    assert (code, out.split()) == (0, ["lrinterp", lrinterp.__version__])


PAPER = """
[world]
n_pixels = 4
n_labels = 21
[split]
positions_per_label = 3
layouts_per_pair = 4
"""


def test_a_flag_wins_over_the_file_and_the_file_over_the_world_of_the_paper(run, tmp_path):
    config, folder = tmp_path / "small.toml", tmp_path / "m"
    config.write_text(PAPER + TINY[TINY.index("[encoder]") :])
    flags = ("--paper", "--steps", 3, "--seed", 5)
    code, _, err = run("train", "--out", folder, "--config", config, *flags)
    assert code == 0, err
    plain = json.loads((folder / "model.json").read_text())
    world, split = plain["world"], plain["split"]
    assert (world["n_pixels"], world["n_labels"]) == (4, 21)
    assert (split["n_val"], split["test_layouts"]) == (5, 0)
    assert plain["recipe"]["steps"] == 3
    assert split["seed"] == plain["recipe"]["seed"] == plain["seed"] == 5
