"""Options: what a command reads is never written over."""

from pathlib import Path

import pytest

from lrinterp.cli.options import check_outputs, read_from
from lrinterp.store import InputError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    return folder


def refused(checkpoint: Path, path: Path, *inputs: Path) -> str:
    with pytest.raises(InputError) as error:
        check_outputs(checkpoint, {"--json": path}, inputs)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "name",
    "config.json merges.txt model-00001-of-00002.safetensors model.safetensors.index.json "
    "open_clip_config.json open_clip_model.safetensors preprocessor_config.json "
    "processor_config.json tokenizer.json tokenizer_config.json vocab.json".split(),
)
def test_no_file_of_a_checkpoint_is_written_over(checkpoint: Path, name: str):
    check_outputs(checkpoint, {"--json": checkpoint / name})
    (checkpoint / name).write_text("kept")
    message = refused(checkpoint, checkpoint / ".." / "checkpoint" / name)
    assert message.startswith("--json ")
    assert "would overwrite the checkpoint; choose another name" in message
    assert (checkpoint / name).read_text() == "kept"


def test_results_in_a_checkpoint_may_be_new_or_old(checkpoint: Path):
    check_outputs(checkpoint, {"--json": checkpoint / "scores.json"})
    (checkpoint / "scores.json").write_text("{}")
    check_outputs(checkpoint, {"--json": checkpoint / "scores.json"})
    assert "the checkpoint" in refused(checkpoint, checkpoint / "model.json")


def test_no_file_among_the_rows_is_written_over(checkpoint: Path, tmp_path: Path):
    rows, elsewhere = tmp_path / "rows", tmp_path / "elsewhere"
    (rows / "images").mkdir(parents=True)
    elsewhere.mkdir()
    (rows / "linked").symlink_to(elsewhere)
    names = ("relations.jsonl", "images/a.png", "linked/b.png")
    check_outputs(checkpoint, {"--json": rows / "new.json", "--out": rows / "new.html"}, [rows])
    for path in map(rows.joinpath, names):
        path.write_bytes(b"kept")
        assert "would overwrite the rows, pictures or tokenizer" in refused(checkpoint, path, rows)
    assert "the rows" in refused(checkpoint, rows / names[0], rows / names[0])
    check_outputs(checkpoint, {"--json": rows / names[0]}, [tmp_path / "other"])


def test_what_is_read_by_option(tmp_path: Path):
    words = tmp_path / "tokenizer.json"
    assert read_from(None, None, None) == []
    assert read_from("nlvr", tmp_path, None) == [tmp_path]
    assert read_from(None, None, words) == [words]
