"""Run the examples of README.md, so that what a reader copies works.

The first word after a fence is the language, the others are flags:

- `python`: all blocks run together, top to bottom, in the repository root.
- `bash run`, `console run`: commands, run in order in a temporary folder that links the repository.
- `bash setup`, `console setup`: the set-up commands; `--print setup 1` prints the first of them.

Of a console block, the lines after a `$ ` prompt are the commands; the rest is their output.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<info>[^`]*)")


class BlockError(Exception):
    """A block of the README that cannot be read, or that failed."""


@dataclass(frozen=True)
class Block:
    """A fenced block: language, flags, its text, and the line of the file where the text starts."""

    language: str
    flags: frozenset[str]
    text: str
    line: int

    @property
    def commands(self) -> str:
        """What a reader types, without prompts and output."""
        return typed(self) if self.language == "console" else self.text


def blocks(source: str) -> Iterator[Block]:
    """All fenced blocks, top to bottom."""
    lines = iter(enumerate(source.splitlines(), start=1))
    for number, line in lines:
        if fence := FENCE.fullmatch(line):
            body = list(inside(fence, lines, number))
            language, *flags = fence["info"].split() or [""]
            yield Block(language, frozenset(flags), "".join(body), number + 1)


def inside(fence: re.Match[str], lines: Iterator[tuple[int, str]], start: int) -> Iterator[str]:
    """The lines up to the closing fence, without the indent of the opening one."""
    for _, line in lines:
        closing = FENCE.fullmatch(line)
        if closing and not closing["info"].strip() and closing["ticks"].startswith(fence["ticks"]):
            return
        yield line.removeprefix(fence["indent"]) + "\n"
    raise BlockError(f"line {start}: the block is not closed")


def typed(block: Block) -> str:
    """The commands of a console session; a backslash carries a command over to the next line."""
    found: list[str] = []
    for line in block.text.splitlines():
        if found and found[-1].endswith("\\"):
            found.append(line.removeprefix("> "))
        elif line.startswith("$ "):
            found.append(line.removeprefix("$ "))
    if not found:
        raise BlockError(f"line {block.line}: a console block needs a line that starts with '$ '")
    return "\n".join(found) + "\n"


def run_python(found: list[Block], readme: Path) -> None:
    """Run all Python blocks in one namespace, with the line numbers of the README."""
    space: dict[str, object] = {"__name__": "__main__"}
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for block in found:
        announce(block)
        try:
            code = compile("\n" * (block.line - 1) + block.text, str(readme), "exec")
            exec(code, space)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            raise BlockError(f"line {block.line}: the python block failed: {error!r}") from error


def run_commands(found: list[Block]) -> None:
    """Run the command blocks in order in one temporary folder that links the repository."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    with tempfile.TemporaryDirectory() as folder:
        link_repository(Path(folder))
        for block in found:
            announce(block)
            command = ["bash", "-euo", "pipefail", "-c", block.commands]
            stdin = subprocess.DEVNULL
            done = subprocess.run(command, cwd=folder, env=environment, stdin=stdin, check=False)
            if done.returncode:
                raise BlockError(f"line {block.line}: the commands ended with {done.returncode}")


def link_repository(folder: Path) -> None:
    """Link the top level of the repository but what git ignores: paths hold, outputs stay out."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    for name in {line.split("/")[0] for line in files.splitlines()}:
        (folder / name).symlink_to(ROOT / name)


def announce(block: Block) -> None:
    """One line that says which block comes next."""
    print(f"-- README line {block.line}: {block.language}", flush=True)


def nth(found: list[Block], flag: str, number: int) -> Block:
    """The block with this flag, counted from 1."""
    flagged = [block for block in found if flag in block.flags]
    if not 1 <= number <= len(flagged):
        raise BlockError(f"{flag} block {number}: the README has {len(flagged)}")
    return flagged[number - 1]


def work(arguments: argparse.Namespace) -> None:
    """Print one block, or run them all."""
    found = list(blocks(arguments.readme.read_text(encoding="utf-8")))
    if arguments.print:
        flag, number = arguments.print
        print(nth(found, flag, int(number)).commands, end="")
        return
    start = time.monotonic()
    python = [block for block in found if block.language == "python"]
    commands = [block for block in found if "run" in block.flags]
    run_python(python, arguments.readme)
    run_commands(commands)
    seconds = time.monotonic() - start
    print(f"README: {len(python)} python and {len(commands)} command blocks in {seconds:.0f} s")


def main() -> int:
    """Read the arguments; 1 and one line where a block fails."""
    parser = argparse.ArgumentParser(description="Run the examples of README.md.")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="another file")
    parser.add_argument("--print", nargs=2, metavar=("FLAG", "N"), help="print one block instead")
    arguments = parser.parse_args()
    try:
        work(arguments)
    except BlockError as error:
        print(f"{arguments.readme.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
