"""The command line: what it writes, what it refuses, and in how many words."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lrinterp
from lrinterp.analysis import ANALYSES
from lrinterp.cli.analyze import spread

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


@pytest.fixture
def tiny(run: Run, config: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    code, _, err = run("train", "--out", folder, "--config", config)
    assert code == 0, err
    return folder


def check_refused(answer: tuple[int, str, str], *words: str) -> None:
    code, _, err = answer
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_a_trained_model_is_evaluated_and_analysed(run: Run, tiny: Path, tmp_path: Path):
    report, numbers = tmp_path / "r.html", tmp_path / "r.json"
    code, out, _ = run("analyze", tiny, "--out", report, "--json", numbers)
    assert code == 0
    assert str(report) in out
    data = json.loads(numbers.read_text(), parse_constant=pytest.fail)
    assert set(data) == {"lrinterp", "checkpoint", "results"}
    assert list(data["results"]) == list(ANALYSES)
    code, out, _ = run("evaluate", tiny, "--json", numbers)
    assert code == 0
    assert "unseen_pair_order" in out
    assert list(json.loads(numbers.read_text())["results"]) == ["accuracy"]


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


def test_the_json_has_the_promised_keys_columns_and_types(run: Run, tmp_path: Path):
    numbers = tmp_path / "r.json"
    code, _, _ = run("analyze", SHIPPED, "--out", tmp_path / "r.html", "--json", numbers)
    assert code == 0
    results = json.loads(numbers.read_text(), parse_constant=pytest.fail)["results"]
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
    for name in ("attention_terms", "activation_patching", "positional_gradient"):
        assert all(isinstance(row["head"], int | None) for row in results[name]["table"])
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
def test_only_limits_results_and_sections(
    run: Run, tiny: Path, tmp_path: Path, arguments: list[str]
):
    report, numbers = tmp_path / "r.html", tmp_path / "r.json"
    words = [str(tiny) if word == "CKPT" else word for word in arguments]
    code, _, err = run("analyze", *words, "--out", report, "--json", numbers)
    assert code == 0, err
    assert list(json.loads(numbers.read_text())["results"]) == ["accuracy", "attention_terms"]
    assert 'id="term_ablation"' not in report.read_text()
    assert 'id="accuracy"' in report.read_text()


@pytest.mark.parametrize("command", ["analyze", "compare"])
def test_help_names_the_analyses_there_are(run: Run, command: str):
    shown = run(command, "--help")[1]
    assert [name for name in ANALYSES if name not in shown] == []


def test_only_is_repeated_before_each_name():
    assert spread(["c", "--only", "a", "b", "--out", "x"]) == (
        ["c", "--only", "a", "--only", "b", "--out", "x"]
    )


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    copy = folder / "copy"
    shutil.copytree(SHIPPED, copy)
    (copy / name).write_bytes(change((copy / name).read_bytes()))
    return copy


def with_json(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        plain = json.loads(data)
        change(plain)
        return json.dumps(plain).encode()

    return changed


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("model.safetensors", lambda data: data[:-9], "truncated or altered"),
        ("model.safetensors", lambda data: data[:-1] + b"!", "truncated or altered"),
        ("model.json", lambda data: data[:99], "not valid JSON"),
        ("model.json", with_json(lambda p: p.update(format=2)), "format version 2, expected 1"),
        ("model.json", with_json(lambda p: p.update(size=2)), "unknown field 'size'"),
        ("model.json", with_json(lambda p: p["world"].update(depth=2)), "unknown field 'depth'"),
    ],
)
def test_a_damaged_checkpoint_is_one_line_and_leaves_the_report(
    run: Run, tmp_path: Path, name: str, change: Callable[[bytes], bytes], word: str
):
    report = tmp_path / "report.html"
    report.write_text("mine")
    copy = damaged(tmp_path, name, change)
    check_refused(run("analyze", copy, "--out", report), word)
    assert report.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "report.html"]


def test_what_is_no_checkpoint_is_named(run: Run, tmp_path: Path):
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
        ("[fits]\nsteps = 3", "unknown section 'fits'"),
        ("[fit]\nsteps = 'three'", "fit.steps: expected int, got 'three'"),
        ("[fit", "not valid TOML"),
        ("[split]\nn_pair = 18", "n_pair + n_val"),
        ("[encoder]\npreset = 'huge'", "preset"),
        ("[encoder]\npreset = ['full']", "preset"),
        ("[encoder]\nd_model = 1000000000", "encoder.d_model: expected 1 to"),
        ("a = " + "[" * 100_000, "nested too deeply"),
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
    check_refused(run("evaluate", tiny, "--json", os.devnull), "no regular file")
    check_refused(run("analyze", tiny, "--out", tmp_path / ("x" * 300)), "too long")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    code, _, err = run("evaluate", tiny, "--json", tmp_path / "loop")
    assert code in (0, 2)
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before
    assert not both.exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--seed", 2**70], "seed: expected 0 to"),
        (["--device", "meta"], "--device meta: not available"),
        (["--device", "abacus"], "--device abacus: not available"),
    ],
)
def test_a_bad_option_of_training_is_named(
    run: Run, config: Path, tmp_path: Path, options: list[object], word: str
):
    check_refused(run("train", "--out", tmp_path / "m", "--config", config, *options), word)
    assert not (tmp_path / "m").exists()


def test_no_arguments_show_the_help_and_the_version_can_be_asked(run: Run):
    code, out, _ = run()
    assert code == 0
    assert all(command in out for command in ("train", "evaluate", "analyze"))
    code, out, _ = run("--version")
    assert (code, out.split()) == (0, ["lrinterp", lrinterp.__version__])


SMALL = TINY[TINY.index("[encoder]") :]
PLACES = "[world]\nn_pixels = 4\n{}[split]\npositions_per_label = 3\nlayouts_per_pair = 4\n{}"


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (PLACES.format("", ""), ["--paper"], (4, 20, 5, 0)),
        (PLACES.format("", ""), [], (4, 25, 10, 12)),
        (PLACES.format("", ""), ["--paper", "--n-val", 4], (4, 20, 4, 0)),
        (PLACES.format("n_labels = 21\n", "test_layouts = 2\n"), ["--paper"], (4, 21, 5, 2)),
    ],
)
def test_the_world_of_the_paper_unless_something_else_is_said(
    run: Run, tmp_path: Path, text: str, flags: list[object], expected: tuple[int, ...]
):
    config = tmp_path / "small.toml"
    config.write_text(text + SMALL)
    code, _, err = run("train", "--out", tmp_path / "m", "--config", config, *flags)
    assert code == 0, err
    plain = json.loads((tmp_path / "m" / "model.json").read_text())
    world, split = plain["world"], plain["split"]
    found = (world["n_pixels"], world["n_labels"], split["n_val"], split["test_layouts"])
    assert found == expected


@pytest.mark.parametrize("section", ["world", "split"])
def test_the_world_of_the_paper_hides_no_bad_section(run: Run, tmp_path: Path, section: str):
    config = tmp_path / "bad.toml"
    config.write_text(f"{section} = 3")
    refused = run("train", "--out", tmp_path / "m", "--config", config, "--paper")
    check_refused(refused, f"{section}: expected a section of fields, got 3")


def test_a_flag_wins_over_the_file(run: Run, config: Path, tmp_path: Path):
    folder = tmp_path / "m"
    code, _, _ = run("train", "--out", folder, "--config", config, "--steps", 3, "--seed", 5)
    plain = json.loads((folder / "model.json").read_text())
    assert code == 0
    assert plain["recipe"]["steps"] == 3
    assert plain["split"]["seed"] == plain["recipe"]["seed"] == plain["seed"] == 5
    assert plain["world"]["n_pixels"] == 4
