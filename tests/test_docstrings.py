"""Names that a docstring puts in backticks must exist: a reader looks for them."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import lrinterp

PACKAGE = Path(lrinterp.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
DATA = {"controlled_images_A", "_B", "coco_one", "coco_two", "gqa_one", "gqa_two", "subj", "obj"}
DATA |= {"zeroshot", "mug_left_of_table.jpeg", "mixed_pair_retrieval_open", "x2", "xaxis2", "text."}
"""Names in files of others, and examples of names that are put together."""
QUOTED = re.compile(r"`([A-Za-z_][\w.]*)`")


def known_names() -> set[str]:
    """Every identifier of the code, every word of a string that is no docstring, every module."""
    names = {part for path in FILES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        documented = {text for _, text in docstrings(source)}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                names.add(token.string)
            elif token.type == tokenize.STRING and ast_text(token.string) not in documented:
                names.update(re.findall(r"\w+", token.string))
    return names | {"lrinterp"}


def ast_text(literal: str) -> str | None:
    """The value of a plain string literal."""
    try:
        value = ast.literal_eval(literal)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings, and strings below a field, with their lines."""
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.lineno, value.value


def test_every_name_in_backticks_exists():
    names, missing = known_names(), []
    for path in FILES:
        for line, text in docstrings(path.read_text(encoding="utf-8")):
            for quoted in QUOTED.findall(text):
                if quoted not in DATA and not set(quoted.split(".")) <= names:
                    missing.append(f"{path.relative_to(PACKAGE)}:{line}: {quoted}")
    assert not missing


def test_a_module_that_is_gone_is_found():
    assert "relation_cosines" not in known_names()
    assert {"cosines", "LeftOut", "margin"} <= known_names()
