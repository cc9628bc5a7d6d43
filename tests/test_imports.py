"""What an import costs, measured in fresh interpreters, and that the names of the root hold."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lrinterp

HEAVY = {"dask", "pandas", "plotly", "torch", "transformer_lens", "transformers", "typer"}
SCRIPT = Path(sys.executable).with_name("lrinterp")
STUB = Path(lrinterp.__file__).with_name("__init__.pyi")


def loaded(*command: str) -> set[str]:
    """The top-level packages that a run of Python imports."""
    done = run("-X", "importtime", *command)
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|")[-1].strip().split(".")[0] for line in times}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def stub_imports() -> list[tuple[str, str]]:
    """Module and name of everything the stub of the root promises."""
    nodes = ast.parse(STUB.read_text(encoding="utf-8")).body
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return [(f"lrinterp.{node.module or ''}", a.name) for node in froms for a in node.names]


def test_the_measurement_sees_an_import():
    assert "lrinterp" in loaded("-c", "import lrinterp")
    assert "json" in loaded("-c", "def f():\n    import json.decoder\nf()")


def test_import_loads_nothing_heavy():
    assert loaded("-c", "import lrinterp") & HEAVY == set()


def test_a_figure_is_data_until_it_is_drawn():
    make = "import pandas as pd; from lrinterp.charts import lines; import lrinterp.result"
    make += "; chart = lines(pd.DataFrame({'x': [0, 1]}), x='x', y='x')"
    assert "plotly" not in loaded("-c", make)
    assert "plotly" in loaded("-c", f"{make}; chart._repr_mimebundle_()")


@pytest.mark.parametrize("command", [("-m", "lrinterp"), (str(SCRIPT),)], ids=["module", "script"])
def test_help_loads_no_torch(command: tuple[str, ...]):
    assert loaded(*command, "--help") & HEAVY <= {"typer"}


def test_dir_and_all_agree():
    assert set(dir(lrinterp)) == exported()
    assert 20 <= len(exported()) <= 30


def exported() -> set[str]:
    return set(vars(lrinterp)["__all__"])


def test_the_stub_and_all_agree():
    assert {name for _, name in stub_imports()} == exported() - {"__version__"}


def test_every_name_of_the_stub_resolves():
    for module, name in stub_imports():
        source = importlib.import_module(module.removesuffix("."))
        assert getattr(lrinterp, name) is getattr(source, name), name
