"""`lrinterp analyze` and `compare` on an imported CLIP: what is asked for, and what is refused."""

import json
from pathlib import Path

import pytest

LEFT_RIGHT = Path(__file__).parents[2] / "checkpoints" / "left-right"


@pytest.mark.realdata
def test_a_clip_on_photographs_of_a_suite(run, clip_folder, data_root, tmp_path):
    out, found = tmp_path / "page.html", tmp_path / "found.json"
    code, shown, errors = run(
        "analyze", clip_folder, "--suite", "nlvr", "--data", data_root / "nlvr",
        "--pictures", 12, "--only", "attention_terms", "--out", out, "--json", found,
    )  # fmt: skip
    assert code == 0, errors
    assert "reconstruction_error" in shown
    assert out.read_text().count("<section") > 1
    document = json.loads(found.read_text())
    assert document["results"]["attention_terms"]["summary"]["reconstruction_error"]["value"] < 1e-4
    assert document["checkpoint"]["imported from"]["format"] == "Hugging Face CLIP"


@pytest.mark.realdata
def test_without_its_folder_a_suite_is_looked_for_in_the_data_root(
    run, clip_folder, data_root, tmp_path, monkeypatch
):
    asked = ("analyze", clip_folder, "--suite", "nlvr", "--only", "attention_terms")
    asked += ("--pictures", 4, "--out", tmp_path / "page.html")
    monkeypatch.delenv("LRINTERP_DATA", raising=False)
    code, _, errors = run(*asked)
    assert code == 2
    assert "give its folder with --data PATH" in errors
    monkeypatch.setenv("LRINTERP_DATA", str(data_root))
    assert run(*asked)[0] == 0


@pytest.mark.realdata
@pytest.mark.parametrize("command", ["analyze", "evaluate"])
def test_a_clip_without_a_suite_is_refused(run, clip_folder, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(command, clip_folder)
    assert code == 2
    assert "needs a suite of pictures" in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.realdata
def test_the_wrong_suite_is_refused(run, check_refused, clip_folder, data_root, tmp_path):
    out = tmp_path / "page.html"
    asked = ("--suite", "nlvr", "--data", data_root / "vsr", "--out", out)
    check_refused(run("analyze", clip_folder, *asked), "suite nlvr expects pairs.jsonl")
    answer = run("analyze", clip_folder, "--data", data_root, "--out", out)
    check_refused(answer, "name its suite with --suite NAME")
    assert not out.exists()


def test_a_world_of_its_own_takes_no_suite(run, tmp_path):
    code, _, errors = run(
        "analyze", LEFT_RIGHT, "--suite", "nlvr", "--data", tmp_path, "--out", tmp_path / "a.html"
    )
    assert code == 2
    assert "leave the suite out" in errors


@pytest.mark.realdata
def test_two_clips_side_by_side(run, make_clip, data_root, tmp_path):
    out = tmp_path / "page.html"
    code, shown, errors = run(
        "compare", make_clip(seed=1), make_clip(seed=2), "--suite", "nlvr", "--data",
        data_root / "nlvr", "--pictures", 8, "--only", "attention_terms", "accuracy",
        "relation_geometry", "--out", out,
    )  # fmt: skip
    assert code == 0, errors
    assert "against" in shown
    assert out.is_file()


def test_samples_take_no_other_outputs_place(run, tmp_path):
    asked = ("--out", tmp_path / "r.samples.npz", "--json", tmp_path / "r.json")
    code, _, errors = run("analyze", LEFT_RIGHT, *asked)
    assert code == 2
    assert "the samples of --json" in errors
    assert "would overwrite what another option writes" in errors
    assert not list(tmp_path.iterdir())
