"""The house rules as functions of a module's syntax tree, each with a source that breaks it."""

import ast
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {*"CHANGELOG.md CITATION.cff LICENSE README.md pyproject.toml".split()}
TOP_LEVEL |= {"analyses", "checkpoints", "lrinterp", "tests"}

LAYERS = (
    {"axes", "stats", "store", "wording"},
    {"metric"},
    {"charts", "encoders", "grades", "locking", "scenes"},
    {"result"},
    {"bounds", "checkpoint", "decomposition", "report", "scoring"},
    {"benchmark", "run", "training"},
    {"analysis"},
    {"experiment"},
    {"reproduction"},
    {"cli"},
)
RANKS = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}

HOOKED = {"HookedTransformer", "HookedTransformerConfig"}
DRAWING = "lrinterp.charts.draw"
"""What may know plotly; a figure is data everywhere else."""
PICKLERS = {"cPickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
PICKLING_CALLS = {"read_pickle", "to_pickle", "torch.load", "torch.save"}
LOADERS = {"__import__", "import_module", "load"}


@dataclass(frozen=True)
class Module:
    """A Python file by its dotted name, with its source."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, filename=self.name)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def part(self) -> str:
        """The part it belongs to: `lrinterp.scenes.world` is of `scenes`; the root has none."""
        part = part_of(self.name)
        return "cli" if part == "__main__" else part


def part_of(dotted: str) -> str:
    return [*dotted.split("."), ""][1]


def read_modules(folder: str) -> list[Module]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [Module(dotted(path), path.read_text(encoding="utf-8")) for path in paths]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PACKAGE = read_modules("lrinterp")
TESTS = read_modules("tests")
OTHERS = [*TESTS, *read_modules("analyses"), *read_modules(".ci")]


Rule = Callable[[Module], Iterator[str]]


def room_of(dotted: str) -> str:
    """The part of `analysis` that a name is in: `lrinterp.analysis.patching.a` is of `patching`."""
    top, part, room = [*dotted.split("."), "", "", ""][:3]
    return room if (top, part) == ("lrinterp", "analysis") else ""


QUESTIONS = {
    room_of(node.module or "")
    for module in PACKAGE
    if module.name == "lrinterp.analysis"
    for node in module.tree.body
    if isinstance(node, ast.ImportFrom)
} - {""}
"""What `analysis` gathers: each a file or a folder, with its words and figures beside a file."""

# Rules of one module: each yields a line for each thing that breaks it.


def imports_upwards(module: Module) -> Iterator[str]:
    if module.name == "lrinterp":
        return
    if module.part not in RANKS:
        yield f"part {module.part!r} has no rank"
        return
    for line, target in imports(module):
        if not may_import(module.part, part_of(target)):
            yield f"line {line}: {module.part} may not import {target}"


def may_import(importer: str, imported: str) -> bool:
    """Downwards and within a part; the root, which is no part, from the cli alone."""
    if imported == "":
        return importer == "cli"
    return imported == importer or RANKS.get(imported, len(LAYERS)) < RANKS[importer]


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Everything of lrinterp that a module names in an import, wherever in the file that is."""
    for node in module.nodes:
        for target in targets(node):
            if target.split(".")[0] == "lrinterp":
                yield getattr(node, "lineno", 0), target


def targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module == "lrinterp":
        return [f"lrinterp.{a.name}" if a.name in RANKS else "lrinterp" for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Call) and node.args and called(node) in LOADERS:
        return [leading_text(node.args[0])]
    return []


def called(node: ast.Call) -> str:
    """The last name of what is called: `raises` of `pytest.raises(...)`."""
    return ast.unparse(node.func).split(".")[-1]


def leading_text(node: ast.expr) -> str:
    """A string, or the part of an f-string before its first field."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
    return str(first.value) if isinstance(first, ast.Constant) else ""


def asks_another(module: Module) -> Iterator[str]:
    """A question reads another's Result by key, and shares code by way of what is no question."""
    if module.part != "analysis" or module.name == "lrinterp.analysis":
        return
    own = question_of(room_of(module.name))
    for line, target in imports(module):
        if (other := question_of(room_of(target))) not in ("", own):
            yield f"line {line}: {own or 'what questions share'} may not import {other}"


def question_of(room: str) -> str:
    """The question that a room is or stands beside: `answer_words` is of `answer`."""
    return next((name for name in QUESTIONS if f"{room}_".startswith(f"{name}_")), "")


def names_hooked_transformer(module: Module) -> Iterator[str]:
    if module.part == "encoders":
        return
    for node in module.nodes:
        if isinstance(node, ast.alias | ast.Attribute):
            name = node.name if isinstance(node, ast.alias) else node.attr
            if name in HOOKED:
                yield f"line {node.lineno}: only encoders may use {name}"


def names_plotly(module: Module) -> Iterator[str]:
    if f"{module.name}.".startswith(f"{DRAWING}."):
        return
    for node in module.nodes:
        if any(target.split(".")[0] == "plotly" for target in targets(node)):
            yield f"line {getattr(node, 'lineno', 0)}: only charts.draw may use plotly"


def pickles(module: Module) -> Iterator[str]:
    for node in module.nodes:
        for name in pickling_names(node):
            yield f"line {getattr(node, 'lineno', 0)}: {name}"


def pickling_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name.split(".")[0] in PICKLERS]
    if isinstance(node, ast.ImportFrom):
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        return [n for n in full if n in PICKLING_CALLS or n.split(".")[0] in PICKLERS]
    if isinstance(node, ast.Attribute):
        return [n for n in (node.attr, ast.unparse(node)) if n in PICKLING_CALLS]
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        return [] if ast.unparse(node.value) == "False" else ["allow_pickle"]
    return []


def is_long(module: Module) -> Iterator[str]:
    if (lines := len(module.source.splitlines())) >= 300:
        yield f"{lines} lines; under 300 are allowed"
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines >= 150:
                yield f"class {node.name}: {lines} lines; under 150 are allowed"


def lacks_all(module: Module) -> Iterator[str]:
    """Ruff sorts what is there."""
    if module.name in {"lrinterp", "lrinterp.__main__"} or module.name.startswith("lrinterp.cli."):
        return
    named = [node for node in module.tree.body if isinstance(node, ast.Assign)]
    if not any(ast.unparse(node.targets[0]) == "__all__" for node in named):
        yield "no __all__"


def asserts_nothing(module: Module) -> Iterator[str]:
    if module.name.startswith("lrinterp"):
        return
    for node in module.nodes:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test") and not asserts(node):
            yield f"line {node.lineno}: {node.name} asserts nothing"


def asserts(function: ast.AST) -> bool:
    """An assert statement, pytest.raises or warns, or a helper named assert_... or check_..."""
    nodes = list(ast.walk(function))
    calls = {called(node) for node in nodes if isinstance(node, ast.Call)}
    helpers = [name for name in calls if name.startswith(("assert_", "check_"))]
    has_assert = any(isinstance(node, ast.Assert) for node in nodes)
    return has_assert or bool(helpers) or bool(calls & {"raises", "warns"})


def untested(modules: Iterable[str], tests: set[str]) -> list[str]:
    """Modules that have neither a test file of their own nor one for a part that holds them."""
    return [name for name in modules if not tests & set(mirrors(name))]


def mirrors(module: str) -> Iterator[str]:
    """`lrinterp.a.b` -> `tests/a/test_b.py`, `tests/test_a.py`."""
    parts = [part.lstrip("_") for part in module.split(".")[1:]]
    for end in range(len(parts), 0, -1):
        *folders, last = parts[:end]
        yield "/".join(["tests", *folders, f"test_{last}.py"])


def strays(files: Iterable[str]) -> list[str]:
    """What lies at the top level and is neither allowed nor a dotfile."""
    top = {file.split("/")[0] for file in files}
    return sorted(name for name in top - TOP_LEVEL if not name.startswith("."))


CLASS_OF_150_LINES = "class Long:\n" + "    x = 0\n" * 149
CONTROLS = [
    (imports_upwards, "lrinterp.scenes.a", "import lrinterp.encoders", "lrinterp.encoders"),
    (imports_upwards, "lrinterp.report", "from lrinterp.cli.a import b", "lrinterp.cli.a"),
    (imports_upwards, "lrinterp.axes", "def f():\n    from lrinterp import store", "store"),
    (imports_upwards, "lrinterp.axes", "if TYPE_CHECKING:\n    import lrinterp.cli", "cli"),
    (imports_upwards, "lrinterp.axes", "importlib.import_module(f'lrinterp.cli.{x}')", "cli"),
    (imports_upwards, "lrinterp.experiment", "import lrinterp as lr", "may not import lrinterp"),
    (imports_upwards, "lrinterp.experiment", "from lrinterp import fit", "may not import lrinterp"),
    (imports_upwards, "lrinterp.novel", "", "'novel' has no rank"),
    (imports_upwards, "lrinterp.stats.units", "import lrinterp.store", "lrinterp.store"),
    (asks_another, "lrinterp.analysis.terms.a", "import lrinterp.analysis.ablation.b", "ablation"),
    (asks_another, "lrinterp.analysis.subject", "import lrinterp.analysis.answer_words", "answer"),
    (names_hooked_transformer, "lrinterp.cli", "from t import HookedTransformer", "line 1"),
    (names_hooked_transformer, "lrinterp.cli", "t.HookedTransformerConfig()", "line 1"),
    (names_plotly, "lrinterp.result", "def f():\n    import plotly.io", "line 2"),
    (names_plotly, "lrinterp.charts.drawn", "from plotly import io", "line 1"),
    (pickles, "lrinterp.store", "def f():\n    import pickle", "line 2: pickle"),
    (pickles, "lrinterp.store", "from torch import save", "torch.save"),
    (pickles, "lrinterp.store", "x = torch.load(path)", "torch.load"),
    (pickles, "lrinterp.store", "np.load(path, allow_pickle=True)", "allow_pickle"),
    (is_long, "lrinterp.store", "x = 0\n" * 300, "300 lines"),
    (is_long, "lrinterp.store", CLASS_OF_150_LINES, "class Long: 150 lines"),
    (lacks_all, "lrinterp.store", "x = 0", "no __all__"),
    (asserts_nothing, "tests.test_a", "class TestA:\n    def test_a(self): f()", "test_a"),
]
ALLOWED = [
    (imports_upwards, "lrinterp.cli.a", "import lrinterp as lr\nimport lrinterp.cli.b"),
    (imports_upwards, "lrinterp.scenes.a", "import lrinterp.axes\nimport lrinterp.scenes.b"),
    (asks_another, "lrinterp.analysis", "import lrinterp.analysis.answer"),
    (asks_another, "lrinterp.analysis.answer", "import lrinterp.analysis.answer_words"),
    (asks_another, "lrinterp.analysis.answer", "import lrinterp.analysis.subject"),
    (names_hooked_transformer, "lrinterp.encoders.dual", "from t import HookedTransformer"),
    (names_plotly, "lrinterp.charts.draw", "import plotly.io"),
    (pickles, "lrinterp.store", "from safetensors.torch import load_file\njson.load(file)"),
    (pickles, "lrinterp.store", "np.load(path, allow_pickle=False)"),
    (lacks_all, "lrinterp.store", "__all__ = ['f']"),
    (lacks_all, "lrinterp.cli.train", "x = 0"),
    (asserts_nothing, "lrinterp.store", "def tested(): f()"),
    (asserts_nothing, "tests.test_a", "def test_a():\n    torch.testing.assert_close(a, b)"),
]


@pytest.mark.parametrize(("rule", "name", "source", "expected"), CONTROLS)
def test_a_breach_is_caught(rule: Rule, name: str, source: str, expected: str):
    assert any(expected in line for line in rule(Module(name, source)))


@pytest.mark.parametrize(("rule", "name", "source"), ALLOWED)
def test_what_is_allowed_passes(rule: Rule, name: str, source: str):
    assert not list(rule(Module(name, source)))


def breaches(rule: Rule, modules: Iterable[Module]) -> str:
    return "\n".join(f"{module.name}: {line}" for module in modules for line in rule(module))


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in CONTROLS))
def test_every_module_keeps_the_rule(rule: Rule):
    assert not (found := breaches(rule, PACKAGE)), found


def test_nothing_outside_the_package_pickles():
    assert not (found := breaches(pickles, OTHERS)), found


def test_every_test_asserts():
    assert not (found := breaches(asserts_nothing, TESTS)), found


def test_every_module_has_a_test_file():
    paths = (ROOT / "lrinterp").rglob("*.py")
    modules = [dotted(path) for path in paths if path.stem not in {"__init__", "__main__"}]
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    missing = untested(modules, tests)
    assert not missing, "\n".join(missing)


def test_a_module_without_a_test_file_is_named():
    modules = ["lrinterp.axes", "lrinterp.scenes.world", "lrinterp.scenes._row", "lrinterp.cli.fit"]
    tests = {"tests/scenes/test_row.py", "tests/test_cli.py", "tests/test_world.py"}
    assert untested(modules, tests) == ["lrinterp.axes", "lrinterp.scenes.world"]


def test_the_top_level_holds_nothing_else():
    listing = ["git", "-C", str(ROOT), "ls-files"]
    files = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    assert not strays(files.splitlines())


def test_a_stray_file_is_named():
    assert strays(["lrinterp/axes.py", ".gitignore", "docs/a.md", "x.py"]) == ["docs", "x.py"]
