import errno
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from lrinterp import store
from lrinterp.store import InputError, from_plain, to_plain, write_atomically, write_json


@dataclass(frozen=True, kw_only=True)
class Settings:
    name: str
    count: int = 1
    rate: float = 0.5
    size: int | None = None
    tags: tuple[str, ...] = ()
    loud: bool = False

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count: expected at least 0, got {self.count}")


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_atomically(path, data)
    assert path.read_bytes() == b"new"
    assert listing(tmp_path) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failure", [full, interrupted])
@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace"), (Path, "chmod")])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, owner, name, failure):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failure)
        with pytest.raises((OSError, KeyboardInterrupt)):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]


def test_the_new_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.read_bytes()))
    write_atomically(path, b"new")
    assert seen == [b"old"]


def test_a_place_that_cannot_be_written_is_noticed_beforehand(tmp_path: Path):
    store.check_writable(tmp_path / "report.html")
    assert listing(tmp_path) == []
    with pytest.raises(InputError, match=r"there is no folder .*missing; create it first"):
        store.check_writable(tmp_path / "missing" / "report.html")
    with pytest.raises(InputError, match="is a folder"):
        store.check_writable(tmp_path)
    with pytest.raises(InputError, match="is no regular file"):
        store.check_writable(Path(os.devnull))
    with pytest.raises(OSError, match="name too long") as caught:
        store.check_writable(tmp_path / ("x" * 300))
    assert str(caught.value.filename).endswith("xxx")


def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store.check_writable(tmp_path / "link")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_failed_write_names_the_file_that_was_asked_for(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "missing" / "a.json", b"")
    assert caught.value.filename == str(tmp_path / "missing" / "a.json")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1e999}', "Out of range"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ("[" * 200_000, "nested too deeply"),
        ("1" * 5000, "4300"),
        ("{", "line 1"),
        ("", "line 1"),
        (b"\xff\xfe\xfa", "codec can't decode"),
    ],
)
def test_json_that_no_strict_writer_makes_is_refused(tmp_path: Path, text: str | bytes, word: str):
    (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=word) as caught:
        store.read_json(tmp_path / "a.json")
    assert "a.json: not valid JSON" in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_is_strict(tmp_path: Path, number: float):
    path = tmp_path / "a.json"
    write_json(path, {"word": "−", "list": [1, None]})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": number})
    assert store.read_json(path) == {"word": "−", "list": [1, None]}
    assert "−" in path.read_text(encoding="utf-8")


def test_toml(tmp_path: Path):
    path = tmp_path / "study.toml"
    path.write_text("[fit]\nsteps = 3\n")
    assert store.read_toml(path) == {"fit": {"steps": 3}}
    for damaged in (b"[fit\n", b"\xff\xfe"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"study.toml: not valid TOML"):
            store.read_toml(path)


def test_plain_data_and_back():
    settings = Settings(name="a", rate=2.0, size=3, tags=("x", "y"), loud=True)
    plain = json.loads(json.dumps(to_plain(settings)))
    assert plain == {
        "name": "a", "count": 1, "rate": 2.0, "size": 3, "tags": ["x", "y"], "loud": True,
    }  # fmt: skip
    assert from_plain(Settings, plain, "here") == settings
    assert from_plain(Settings, {"name": "a"}, "here") == Settings(name="a")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"name": "a", "colour": 1, "zip": 2}, "file: unknown field 'colour'; expected name,"),
        ({"count": 1}, "file: field 'name' is missing"),
        ({"name": 3}, "file.name: expected str, got 3"),
        ({"name": "a", "count": "2"}, "file.count: expected int, got '2'"),
        ({"name": "a", "count": 2.0}, "file.count: expected int, got 2.0"),
        ({"name": "a", "count": True}, "file.count: expected int, got True"),
        ({"name": "a", "rate": False}, "file.rate: expected float, got False"),
        ({"name": "a", "rate": None}, "file.rate: expected float, got None"),
        ({"name": "a", "size": 1.5}, "file.size: expected int | None, got 1.5"),
        ({"name": "a", "loud": 1}, "file.loud: expected bool, got 1"),
        ({"name": "a", "tags": [1, 2]}, "file.tags: expected tuple"),
        ({"name": "a", "count": -1}, "file.count: expected at least 0, got -1"),
    ],
)
def test_plain_data_that_does_not_fit_is_named(plain: dict[str, Any], message: str):
    with pytest.raises(InputError) as caught:
        from_plain(Settings, plain, "file")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Outer:
    one: Settings | None = None
    by_name: Mapping[str, Settings] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"one": {"name": "a", "zip": 1}}, "file.one: unknown field 'zip'"),
        ({"one": {"name": "a", "count": "2"}}, "file.one.count: expected int, got '2'"),
        ({"one": 3}, "file.one: expected"),
        ({"by_name": {"k": {"name": 1}}}, "file.by_name.k.name: expected str, got 1"),
        ({"by_name": {"k": {"name": "a", "count": -1}}}, "file.by_name.k.count: expected at least"),
    ],
)
def test_what_does_not_fit_inside_is_named(plain: dict[str, Any], message: str):
    with pytest.raises(InputError) as caught:
        from_plain(Outer, plain, "file")
    assert str(caught.value).startswith(message)


def test_dataclasses_inside_come_back():
    outer = Outer(one=Settings(name="a"), by_name={"k": Settings(name="b", tags=("x",))})
    assert from_plain(Outer, to_plain(outer), "file") == outer
    assert from_plain(Outer, vars(outer), "file") == outer


@pytest.mark.parametrize("value", [1, 2.5])
def test_ranges_are_said_with_the_field(value: float):
    own = Settings(name="a", rate=value)
    store.within(own, 1, math.inf, "rate")
    store.within(own, 0, 2.5, "rate")
    with pytest.raises(InputError, match=rf"^rate: expected 3 to 4, got {value}$"):
        store.within(own, 3, 4, "rate")
    with pytest.raises(InputError, match=rf"^rate: expected at least 9, got {value}$"):
        store.within(own, 9, math.inf, "rate")
    for odd in (math.nan, math.inf):
        with pytest.raises(InputError, match="rate: expected at least 0"):
            store.within(Settings(name="a", rate=odd), 0, math.inf, "rate")


def test_words_are_said_with_the_field():
    store.one_of(Settings(name="a"), "name", ("a", "b"))
    with pytest.raises(InputError, match=r"^name: expected one of a, b, got 'c'$"):
        store.one_of(Settings(name="c"), "name", ("a", "b"))


def test_a_type_may_carry_its_bounds_and_its_words():
    size = Annotated[int, Meta(ge=1, le=9, description="1 to 9 pixels")]
    assert store.taken(3, size, "file.size") == 3
    assert store.taken("3", size, "file.size", strict=False) == 3
    for value in (0, 10, "3", 2.5, None, 10**400):
        with pytest.raises(InputError, match=r"^file.size: expected 1 to 9 pixels, got "):
            store.taken(value, size, "file.size")


def test_an_integer_is_fine_for_a_float_and_stays_one_where_it_may():
    settings = from_plain(Settings, {"name": "a", "rate": 2, "size": 2}, "here")
    assert (type(settings.rate), type(settings.size)) == (float, int)
