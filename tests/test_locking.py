"""One process a folder, and what counts as nothing in it."""

from pathlib import Path

import pytest

from lrinterp.locking import LOCK, alone, holds_nothing, scaffold
from lrinterp.store import InputError


def test_a_second_process_is_refused_and_the_first_leaves_no_lock(tmp_path: Path):
    with alone(tmp_path):
        assert (tmp_path / LOCK).exists()
        with pytest.raises(InputError, match="another process is at work in it"), alone(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with alone(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_an_exception_inside_frees_the_folder(tmp_path: Path):
    with pytest.raises(KeyError), alone(tmp_path):
        raise KeyError
    with alone(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_what_a_process_killed_at_its_start_leaves_is_nothing(tmp_path: Path):
    assert holds_nothing(tmp_path / "missing")
    assert holds_nothing(tmp_path)
    (tmp_path / LOCK).touch()
    (tmp_path / ".tmp-abc").touch()
    assert holds_nothing(tmp_path)
    (tmp_path / "result").touch()
    assert not holds_nothing(tmp_path)
    assert not holds_nothing(tmp_path / "result")
    assert not scaffold(tmp_path / "result")
