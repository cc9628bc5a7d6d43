"""Prove that numbers did not move: hold this house against the first one, commit FIRST.

The first house makes some models, pictures and folders once; then it and the house under test
(the working tree, or `--against CHECKOUT`) run the same commands on them, each case in a process
of its own. What they wrote is walked side by side and every difference is listed by case and path.

    python .ci/frozen.py --keep DIR            # DIR keeps what the first house made and found
    python .ci/frozen.py --only one errors     # some cases; a name that is none lists all

Numbers are equal within TOLERANCE of max(1, |x|). Rows of a table are matched by what identifies
them, never by position. Ends and counts of intervals stand in a section apart. A difference that
is meant stands in WANTED with its reason. Exit code 1 where another one is found.
"""

import argparse
import contextlib
import io
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

FIRST = "3751a243beb566a96fa7a526bfb5c956364f426d"
ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 1e-6
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

IGNORED = {"command", "date", "overview", "seconds", "versions"}
"""Keys that two runs never share, and texts of numbers that stand elsewhere."""
INTERVAL = {"low", "high", "n_units", "p", "q", "least_p"}
"""Fields of an interval; also behind a name, as in `gain_low`."""
COUNTS = {"n", "value"}
"""Whole numbers that were measured and so do not identify a row."""


DESCRIBE = ("gauge", "queries", "ablation")
"""Columns that may be worded differently for the same row."""
PLAIN_DOSES = (None, "0", "1")
"""Doses of key-position that the first house had without a name: removed, or as it is."""


class Meant(NamedTuple):
    """Differences that are meant: a pattern of `kind case/path`, why, and how large at most."""

    pattern: str
    reason: str
    most: float = math.inf


FIELDS = "fields that say what kind of number it is, what it counts and what chance is"
CONTROLS = "controls of key-position that the first house did not have"
WORDS = "words for the new controls"
GAUGE = "the gauge column names the gauges of all layers of a row"
MEANS = "at depth position is a mean that now leaves out the picture's own label pair"
ROUNDING = "the order of sums in single precision"
TIE = "a margin of 0 but for rounding: one picture in 1,800, or one of 12 draws, changes sides"

PATH = "attribution takes every depth by one path: parts by head, role and key, groups, patches"
PAIRED = "numbers of one model and another on the same pictures are paired now"
READ = "numbers that one analysis reads of another by key"
MOVED = "checks of sums, which were words among the caveats"

KEYS = (
    "order_reversed order_linear_only order_residual_only order_residual_rescaled order_exchanged "
    "order_equalised *_gap order_without_both_key_position heads_that_carry_order "
    "order_without_these_heads*"
).split()
SPACED = [key.replace("_", " ") for key in KEYS]
"""The same in the words of a comparison."""
DEEP = "two three hugging-face open-clip compare".split()
"""Cases with models of several layers."""
DEEP_PARTS = (
    "positional_gradient/* over_picture/* term_ablation/summary/* term_ablation/*layers=[!0]*"
).split()
"""What rests on position in their later layers."""


PATHS = {
    "added": (
        "table(*)/row",
        "summary/*_margin_by_*",
        "figures/parts-*",
        "figures/roles-*",
        "figures/patches",
        "figures/pixels",
        "figures/pixels/table(*)/row",
        "caveats/*",
    ),
    "missing": (
        "table(*)/row",
        "figures/roles-*/table(*)/row",
        "figures/heads-*",
        "figures/patches-*",
        "figures/pixels/table(*)/row",
        "caveats/*",
    ),
    "text": (
        "finding",
        "caveats/*",
        "figures/roles-*/title",
        "figures/roles-*/how_to_read",
        "figures/pixels/how_to_read",
        "summary/*_largest_contribution/value",
    ),
    "number": ("summary/*_largest_value/*",),
}
"""What the one path of attribution names, draws and chooses otherwise."""
PAIRS = ("image margin", "text margin", "bias head", "first head")
ENDS = ("added", "missing")


def at_depth(kind: str, *parts: str) -> list[str]:
    """Patterns of a kind of difference in parts of the deep cases."""
    return [f"{kind} {case}/*/{part}" for case in DEEP for part in parts]


WANTED = [
    *(Meant(f"added */summary/*/{name}", FIELDS) for name in ("estimator", "unit", "chance")),
    *(Meant(f"added */summary/{key}", CONTROLS) for key in KEYS),
    Meant("added */term_ablation/*table(column)/dose", CONTROLS),
    Meant("added */term_ablation/*table(*)/row", CONTROLS),
    *(Meant(f"added */figures/{key}", CONTROLS) for key in ("shape", "doses", "exchanged")),
    Meant("text */term_ablation/finding", WORDS),
    Meant("* */term_ablation/caveats/*", WORDS),
    Meant("text */answer/finding", WORDS),
    Meant("text */term_ablation/*/gauge", GAUGE),
    *(Meant(pattern, MEANS) for pattern in at_depth("number", *DEEP_PARTS)),
    *(Meant(pattern, MEANS) for pattern in at_depth("text", "positional_gradient/finding")),
    *(Meant(pattern, MEANS) for pattern in at_depth("text", "positional_gradient/*/how_to_read")),
    *(Meant(f"added compare/*/differences/summary/{k}*", CONTROLS) for k in SPACED),
    *(Meant(f"added compare/*/differences/*quantity={k} checkpoint=*", CONTROLS) for k in SPACED),
    Meant("number compare/*/differences/*order placebo*", MEANS),
    Meant("added */results/*/checks", MOVED),
    Meant("missing */mechanism/caveats/*", MOVED),
    *(
        Meant(f"{kind} */similarity_attribution/{part}", PATH)
        for kind, parts in PATHS.items()
        for part in parts
    ),
    Meant("text compare/*/differences/summary/* largest contribution, *", PATH),
    Meant("number compare/*/differences/summary/* largest value, *", PATH),
    *(Meant(f"{k} compare/*/differences/*largest contribution checkpoint=*", PATH) for k in ENDS),
    Meant("added */positional_gradient/summary/widest_span", READ),
    Meant("added compare/*/differences/*widest span*", READ),
    Meant("added */term_ablation/tables", READ),
    *(Meant(f"number compare/*/differences/summary/{k}*, two minus one/*", PAIRED) for k in PAIRS),
    *(Meant(f"{k} compare/*/differences/*primary=* difference_n=*", PAIRED) for k in ENDS),
    Meant("text compare/*/differences/caveats/*", PAIRED),
    Meant("number compare/*/numbers-minus/*key=order_placebo*", MEANS),
    Meant("number */mechanism/*/logits", ROUNDING, 2e-6),
    Meant("number no-gradient/*/term_ablation/*", TIE, 2e-3),
    Meant("number triple/*/term_ablation/*", TIE, 2e-3),
]


Work = Callable[[Path, Path], Any]
"""A case: takes the kept inputs and a scratch folder, gives plain data."""


# What the first house makes once

SMALL = """
[world]
n_pixels = 8
n_labels = 12
{world}
[split]
n_pair = 8
n_val = 4
positions_per_label = 6
layouts_per_pair = 18
[encoder]
preset = "{preset}"
d_model = 48
n_heads = 3
d_head = 16
d_embed = 48
image_layers = {layers}
text_layers = {layers}
[fit]
steps = {steps}
"""


def small(world: str = "", *, preset: str = "minimal", layers: int = 1, steps: int = 400) -> str:
    """The configuration of a small model."""
    return SMALL.format(world=world, preset=preset, layers=layers, steps=steps)


TINY = """
[world]
n_pixels = 5
n_labels = 8
[split]
n_pair = 4
n_val = 4
positions_per_label = 4
layouts_per_pair = 8
seed = {seed}
[encoder]
d_model = 16
n_heads = 2
d_head = 8
d_embed = 16
[fit]
steps = 60
evaluate_every = 20
keep_every = {keep_every}
seed = {seed}
"""

CONFIGS = {
    "one": small(preset="full"),
    "two": small(preset="full", layers=2),
    "three": small(preset="full", layers=3, steps=300),
    "both": small("template = 'both'"),
    "right": small("template = 'right'"),
    "triple": small("n_objects = 3", steps=200),
    "run-1": TINY.format(keep_every=20, seed=1),
    "run-2": TINY.format(keep_every=30, seed=2),
}
"""Models that the first house trains."""


def trained(name: str) -> Work:
    """Makes a model from its configuration."""

    def make(inputs: Path, folder: Path) -> None:
        need(call("train", "--config", inputs / f"{name}.toml", "--out", folder))

    return make


def shipped(name: str) -> Work:
    """Copies a checkpoint that the first house came with."""

    def make(_: Path, folder: Path) -> None:
        import lrinterp

        house = Path(str(lrinterp.__file__)).parent.parent
        shutil.copytree(house / "checkpoints" / name, folder)

    return make


def interrupted(inputs: Path, folder: Path) -> None:
    """Leave a training behind that was killed after its second evaluation."""
    import lrinterp.training.run as running

    keep = running.keep

    def keep_and_stop(fitter: Any, plan: Any, path: Path) -> None:
        keep(fitter, plan, path)
        if fitter.step >= 40:
            raise KeyboardInterrupt

    running.keep = keep_and_stop
    code = call("train", "--config", inputs / "run-1.toml", "--out", folder)["code"]
    if code != 130:
        raise RuntimeError(f"an interrupted training ended with {code}")


SITES = ("blocks.*.attn.hook_attn_scores", "blocks.*.attn.hook_pattern", "blocks.*.hook_resid_pre")


def recorded(inputs: Path, folder: Path) -> None:
    """Save a recording of the model of two layers."""
    import lrinterp as lr

    loaded = lr.load_checkpoint(inputs / "two")
    lr.record(loaded.model, loaded.scenes().examples(), SITES, folder=folder)


COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220), "green": (20, 160, 60), "grey": (90,) * 3}


def suite(_: Path, folder: Path) -> None:
    """Draw squares of two colours beside each other, and write rows that say so."""
    from PIL import Image, ImageDraw

    folder.mkdir()
    rows, names = [], list(COLOURS)
    pairs = [(a, b) for a in names for b in names if a != b]
    for k, (left, right) in enumerate(pairs):
        y = 4 + 2 * k
        boxes = [(6, y, 26, y + 20), (36, 40 - y, 56, 60 - y)]
        picture = Image.new("RGB", (64, 64), (240, 240, 235))
        for name, box in zip((left, right), boxes, strict=True):
            ImageDraw.Draw(picture).rectangle(box, fill=COLOURS[name])
        picture.save(folder / f"{k}.png")
        sides = ("left", "right") if k % 2 else ("right", "left")
        told = (left, right) if k % 2 else (right, left)
        places = boxes if k % 2 else boxes[::-1]
        captions = [f"a {told[0]} to the {side} of a {told[1]}" for side in sides]
        shares = [[x / 64 for x in box] for box in places]
        row = {"picture": f"{k}.png", "relation": f"{sides[0]} of", "group": left}
        row |= {"caption": captions[0], "foil": captions[1], "kind": "word swap"}
        row |= {"subject": told[0], "subject_box": shares[0]}
        rows.append(row | {"object": told[1], "object_box": shares[1]})
    write_rows(folder, rows)


def spoiled(_: Path, folder: Path) -> None:
    """A row that no suite can read."""
    folder.mkdir()
    write_rows(folder, [{"relation": "left of", "colour": "red"}])


def write_rows(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows of one's own, one a line."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "relations.jsonl").write_text(text, encoding="utf-8")


def hugging_face(_: Path, folder: Path) -> None:
    """A CLIP of random weights as Hugging Face stores it, no weight at its first value."""
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder.mkdir()
    n_words = write_tokenizer(folder)
    common = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    common |= {"num_attention_heads": 2}
    ends = {"bos_token_id": n_words - 2, "eos_token_id": n_words - 1, "vocab_size": n_words}
    torch.manual_seed(0)
    text, vision = common | ends, common | {"image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)


def write_tokenizer(folder: Path) -> int:
    """A tokenizer in CLIP's format that knows the words of the suite; returns its size."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(c) for c in kept] + [chr(256 + k) for k in range(256 - len(kept))]
    merges: list[tuple[str, str]] = []
    for word in (*COLOURS, "to", "the", "of", "left", "right"):
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = [parts[0] + parts[1]]
    merges = list(dict.fromkeys(merges))
    words = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    numbered = {word: k for k, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbered), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(words)


def open_clip(inputs: Path, folder: Path) -> None:
    """The same CLIP as open_clip stores it, by the writer of the tests."""
    import importlib.util

    import torch
    from safetensors.torch import load_file, save_file

    import lrinterp

    house = Path(str(lrinterp.__file__)).parent.parent
    path = house / "tests" / "checkpoint" / "conftest.py"
    spec = importlib.util.spec_from_file_location("writer", path)
    writer: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(writer)  # type: ignore[union-attr]
    source = inputs / "hugging-face"
    config, old = (
        json.loads((source / "config.json").read_text()),
        load_file(source / "model.safetensors"),
    )
    new = {"logit_scale": old["logit_scale"], "attn_mask": torch.zeros(77, 77)}
    new |= writer.outer(old, "")
    for ours, theirs in (("visual.", "vision"), ("", "text")):
        for n in range(config[f"{theirs}_config"]["num_hidden_layers"]):
            block = writer.layer(old, f"{theirs}_model.encoder.layers.{n}")
            new |= {f"{ours}transformer.resblocks.{n}.{key}": v for key, v in block.items()}
    folder.mkdir()
    weights = {key: value.contiguous() for key, value in new.items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    described = json.dumps(writer.described(config))
    (folder / "open_clip_config.json").write_text(described, encoding="utf-8")
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(source / name, folder / name)


INPUTS: dict[str, Work] = {
    "left-right": shipped("left-right"),
    "no-gradient": shipped("no-gradient"),
    **{name: trained(name) for name in CONFIGS},
    "interrupted": interrupted,
    "recording": recorded,
    "suite": suite,
    "spoiled": spoiled,
    "hugging-face": hugging_face,
    "open-clip": open_clip,
}


# What both houses do


def command(*words: str) -> Work:
    """Runs a command that writes a document and a page; both are kept as plain data."""

    def work(inputs: Path, scratch: Path) -> dict[str, Any]:
        with shown_results() as results:
            places = {"inputs": inputs, "scratch": scratch}
            outputs = ("--json", scratch / "found.json", "--out", scratch / "page.html")
            used = outputs[: 2 if words[0] == "evaluate" else 4]
            answer = call(*(word.format(**places) for word in words), *used)
        found = scratch / "found.json"
        document = json.loads(found.read_text(encoding="utf-8")) if found.is_file() else None
        pages = {name: drawn(result) for name, result in results.items()}
        return {**answer, "document": document, "pages": pages}

    return work


def call(*words: object) -> dict[str, Any]:
    """`lrinterp` in this process: exit code and what it complained of, or the fault in it."""
    from lrinterp.cli import main

    sys.argv = ["lrinterp", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code or 0
    except Exception as error:
        traceback.print_exc()
        code = f"{type(error).__name__}: {error}"
    return {"code": code, "errors": [x for x in err.getvalue().splitlines() if "error:" in x]}


def need(answer: Mapping[str, Any]) -> None:
    """Refuse to go on behind a command that failed."""
    if answer["code"]:
        raise RuntimeError(f"{sys.argv}: {answer}")


@contextlib.contextmanager
def shown_results() -> Iterator[dict[str, Any]]:
    """The results that a command puts on its page."""
    import lrinterp
    import lrinterp.analysis
    import lrinterp.report

    write, caught = lrinterp.report.write_report, {}

    def write_and_catch(results: Mapping[str, Any], *rest: Any, **more: Any) -> Any:
        caught.update(results)
        return write(results, *rest, **more)

    lrinterp.analysis.run_one = forgiving(lrinterp.analysis.run_one)
    for module in (lrinterp, lrinterp.report):
        setattr(module, "write_report", write_and_catch)  # noqa: B010
    yield caught


def forgiving(run_one: Callable[..., Any]) -> Callable[..., Any]:
    """Lets one analysis fail without the others: the fault stands where its reason would."""

    def run(name: str, recording: Any, done: Any) -> Any:
        from lrinterp.analysis import ANALYSES
        from lrinterp.result import Skipped
        from lrinterp.store import InputError

        try:
            return run_one(name, recording, done)
        except InputError:
            raise
        except Exception as error:
            traceback.print_exc()
            reason = f"fault, {type(error).__name__}: {error}"
            return Skipped(skipped=name, asked=ANALYSES[name].result.question, reason=reason)

    return run


def drawn(result: Any) -> dict[str, Any]:
    """What a page shows of a result beside the document: figures, tiles, words."""
    from lrinterp.result import records

    figures = {
        figure.key: {
            "title": figure.title,
            "how_to_read": figure.how_to_read,
            "table": records(figure.table),
        }
        for figure in result.figures()
    }
    tiles = {tile.label: {**tile.scalar.plain(), "words": tile.words} for tile in result.tiles()}
    return {
        "figures": figures,
        "tiles": tiles,
        "glossary": dict(result.glossary),
        "primary": result.primary,
    }


def from_recording(inputs: Path, _: Path) -> dict[str, Any]:
    """Open the saved recording: its activations, and what two analyses make of it."""
    import lrinterp as lr
    from lrinterp.result import records

    loaded = lr.load_checkpoint(inputs / "two")
    recording = lr.load_recording(inputs / "recording", loaded.model, loaded.scenes().examples())
    sites = {}
    for tower in ("image", "text"):
        for layer in range(2):
            for name in (f"blocks.{layer}.attn.hook_pattern", f"blocks.{layer}.hook_resid_pre"):
                values = recording.site(tower, name).double().flatten(1)
                sites[f"{tower}.{name}"] = values.sum(1).tolist() + values.square().sum(1).tolist()
    scores = recording.scores.flatten()[:2000].tolist()
    results = lr.analyze(recording, ["accuracy", "attention_terms"], progress=False)
    tables = {name: records(result.frame()) for name, result in results.items()}
    return {"sites": sites, "scores": scores, "tables": tables}


def resumed(inputs: Path, scratch: Path) -> dict[str, Any]:
    """Finish the interrupted training."""
    folder = scratch / "model"
    shutil.copytree(inputs / "interrupted", folder)
    words = ("train", "--config", inputs / "run-1.toml", "--out", folder, "--resume")
    return {**call(*words), "model": weights(folder)}


def fresh(inputs: Path, scratch: Path) -> dict[str, Any]:
    """Train from the start."""
    folder = scratch / "model"
    answer = call("train", "--config", inputs / "run-2.toml", "--out", folder)
    return {**answer, "model": weights(folder)}


def weights(folder: Path) -> dict[str, Any]:
    """A checkpoint as plain data."""
    from safetensors.torch import load_file

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "model.safetensors")
    return {"about": about, "weights": {k: v.flatten().tolist() for k, v in tensors.items()}}


BAD = {
    "no folder": "analyze {scratch}/none",
    "no checkpoint": "evaluate {scratch}",
    "no argument": "analyze",
    "no command": "analyse {inputs}/one",
    "unknown analysis": "analyze {inputs}/one --only acuracy",
    "output is a folder": "analyze {inputs}/one --out {scratch}",
    "output in no folder": "analyze {inputs}/one --out {scratch}/none/page.html",
    "output over a checkpoint": "analyze {scratch}/one --json {scratch}/one/model.json",
    "one output twice": "analyze {inputs}/one --json {scratch}/x --out {scratch}/x",
    "suite for a world": "analyze {inputs}/one --suite jsonl --data {inputs}/suite",
    "photographs without suite": "analyze {inputs}/hugging-face --out {scratch}/x",
    "data without suite": "analyze {inputs}/hugging-face --data {inputs}/suite",
    "unknown suite": "benchmark {inputs}/hugging-face --suite coco --data {inputs}/suite",
    "another suite": "benchmark {inputs}/hugging-face --suite vsr --data {inputs}/suite",
    "a bad row": "benchmark {inputs}/hugging-face --suite jsonl --data {inputs}/spoiled",
    "a model that reads no pictures": "benchmark {inputs}/one --suite jsonl --data {inputs}/suite",
    "one to compare": "compare {inputs}/one",
    "unknown analysis to compare": "compare {inputs}/one {inputs}/two --only acuracy",
    "a run that kept nothing": "dynamics {inputs}/one --out {scratch}/x",
    "unknown quantity": "dynamics {inputs}/run-1 --scalar order --out {scratch}/x",
    "unknown key": "dynamics {inputs}/run-1 --scalar accuracy.no --out {scratch}/x",
    "a full folder": "train --out {inputs}/one",
    "another configuration": "train --out {scratch}/one --config {inputs}/two.toml --resume",
    "unknown device": "train --out {scratch}/x --device abacus",
    "unknown preset": "train --out {scratch}/x --preset huge",
    "too many labels": "train --out {scratch}/x --n-pair 24",
    "no sweep": "report {scratch}",
    "no study": "sweep {scratch}/none.toml --out {scratch}/x",
}
"""Commands that are refused."""


def refused(inputs: Path, scratch: Path) -> dict[str, Any]:
    """Exit codes and texts for bad input."""
    shutil.copytree(inputs / "one", scratch / "one")
    places = {"inputs": inputs, "scratch": scratch}
    answers = {
        name: call(*(word.format(**places) for word in line.split())) for name, line in BAD.items()
    }
    return {**answers, **refused_in_python(inputs)}


def refused_in_python(inputs: Path) -> dict[str, Any]:
    """What the functions say of bad arguments."""
    import lrinterp as lr

    one, two = (lr.load_checkpoint(inputs / name) for name in ("one", "two"))
    examples = one.scenes().examples()
    tries: dict[str, Callable[[], Any]] = {
        "a hook of none": lambda: lr.record(one.model, examples, ["blocks.0.attn.hook_patern"]),
        "a folder that is there": lambda: lr.record(one.model, examples, folder=inputs / "one"),
        "no recording": lambda: lr.load_recording(inputs / "one", one.model, examples),
        "another model": lambda: lr.load_recording(inputs / "recording", one.model, examples),
        "another world": lambda: lr.record(
            one.model, lr.load_checkpoint(inputs / "left-right").scenes().examples()
        ),
        "unknown analysis in python": lambda: lr.analyze(lr.record(two.model, examples), ["no"]),
    }
    return {name: complaint(attempt) for name, attempt in tries.items()}


def complaint(attempt: Callable[[], Any]) -> str:
    """The exception that a call raises."""
    try:
        attempt()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


SUITE = ("--suite", "jsonl", "--data", "{inputs}/suite")
MODELS = "left-right no-gradient one two three both right triple".split()
CLIPS = ("hugging-face", "open-clip")

CASES: dict[str, Work] = {
    **{name: command("analyze", f"{{inputs}}/{name}") for name in MODELS},
    **{n: command("analyze", f"{{inputs}}/{n}", *SUITE, "--pictures", "12") for n in CLIPS},
    "compare": command("compare", "{inputs}/one", "{inputs}/two"),
    "dynamics": command("dynamics", "{inputs}/run-1", "{inputs}/run-2"),
    "evaluate": command("evaluate", "{inputs}/both"),
    "benchmark": command("benchmark", "{inputs}/hugging-face", *SUITE),
    "errors": refused,
    "recording": from_recording,
    "resume": resumed,
    "train": fresh,
}


# Running a house


@dataclass(frozen=True)
class House:
    """A checkout of the package, and how to run it."""

    folder: Path
    inputs: Path

    def make(self, name: str) -> None:
        """Make one of the inputs, whole or not at all."""
        self.run("make", name, self.inputs / name)

    def find(self, case: str, path: Path) -> None:
        """Run a case and write what it gives."""
        self.run("find", case, path)

    def run(self, task: str, name: str, path: Path) -> None:
        """This file again, in a process that imports the package of the checkout."""
        places = (str(self.folder), os.environ.get("PYTHONPATH", ""))
        own = {"PYTHONPATH": os.pathsep.join(filter(None, places))}
        words = [sys.executable, __file__, "--inside", task, name, str(self.inputs), str(path)]
        words += [str(self.folder)]
        subprocess.run(words, check=True, env={**os.environ, **THREADS, **own}, cwd=path.parent)


def inside(task: str, name: str, inputs: Path, path: Path, house: Path) -> None:
    """What a process of a house does; refuses the package of any other place."""
    import torch

    import lrinterp

    torch.set_num_threads(1)
    source = Path(str(lrinterp.__file__)).resolve()
    if not source.is_relative_to(house.resolve()):
        raise RuntimeError(f"{source} was imported, not the package in {house}")
    print(f"   {source}", flush=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        if task == "make":
            made = Path(scratch) / name
            INPUTS[name](inputs, made)
            made.rename(path)
            return
        text = json.dumps(CASES[name](inputs, Path(scratch)), default=str)
    for place, word in ((scratch, "SCRATCH"), (str(inputs), "INPUTS"), (str(house), "HOUSE")):
        text = text.replace(place, word)
    path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def first_house(scratch: Path, inputs: Path) -> Iterator[House]:
    """The first house, checked out in a folder of its own."""
    folder = scratch / "first"
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", FIRST]
    data = subprocess.run(archive, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")
    yield House(folder, inputs)
    shutil.rmtree(folder)


def frozen(kept: Path, scratch: Path, cases: Iterable[str]) -> None:
    """Let the first house make its inputs and find its numbers, unless they are kept."""
    inputs = kept / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    with first_house(scratch, inputs) as house:
        for name, text in CONFIGS.items():
            (inputs / f"{name}.toml").write_text(text, encoding="utf-8")
        for name in INPUTS:
            if not (inputs / name).exists():
                timed(f"first house makes {name}", house.make, name)
        for case in cases:
            if not (kept / f"{case}.json").exists():
                timed(f"first house: {case}", house.find, case, kept / f"{case}.json")


def timed(what: str, work: Callable[..., None], *arguments: Any) -> None:
    """Do something and say how long it took."""
    start = time.monotonic()
    print(f"-- {what}", flush=True)
    work(*arguments)
    print(f"   {time.monotonic() - start:.0f} s", flush=True)


# Comparing


class Difference(NamedTuple):
    """Something that is not the same: where, what kind, before and now."""

    kind: str
    path: str
    row: str
    field: str
    old: Any
    new: Any

    @property
    def where(self) -> str:
        """Kind and full path, as patterns of WANTED see it."""
        row = f"({self.row})" if self.row else ""
        return f"{self.kind} {self.path}{row}{self.field}"

    @property
    def size(self) -> float:
        """The absolute change of a number, else 0."""
        if isinstance(self.old, int | float) and isinstance(self.new, int | float):
            return abs(self.old - self.new)
        return 0.0

    @property
    def is_of_interval(self) -> bool:
        """Is it an end, a count or a p value of an interval?"""
        name = self.field.rsplit("/", 1)[-1] or self.path.rsplit("/", 1)[-1]
        return of_interval(name)


def of_interval(name: str) -> bool:
    """Does a field belong to an interval?"""
    behind = any(name.endswith(f"_{end}") for end in INTERVAL)
    return name in INTERVAL or (behind and not name.startswith("null_"))


def differences(
    old: Any, new: Any, path: str, row: str = "", field: str = ""
) -> Iterator[Difference]:
    """Everything in which two trees of plain data differ."""
    deeper = (path, row, field)
    if isinstance(old, dict) and isinstance(new, dict):
        yield from of_dicts(old, new, deeper)
    elif is_table(old) and is_table(new) and (old or new):
        yield from of_tables(old, new, path + field)
    elif isinstance(old, list) and isinstance(new, list):
        yield from of_lists(old, new, deeper)
    elif is_number(old) and is_number(new):
        if not close(old, new):
            yield Difference("number", *deeper, old, new)
    elif old != new:
        numeric = is_number(old) or is_number(new)
        yield Difference("number" if numeric else "text", *deeper, old, new)


Place = tuple[str, str, str]


def of_dicts(old: dict[str, Any], new: dict[str, Any], place: Place) -> Iterator[Difference]:
    """Differences of two mappings, key by key."""
    path, row, field = place
    for key in [*old, *(key for key in new if key not in old)]:
        if key in IGNORED:
            continue
        at = (path, row, f"{field}/{key}") if row else (f"{path}/{key}", row, field)
        if key not in new:
            yield Difference("missing", *at, old[key], None)
        elif key not in old:
            yield Difference("added", *at, None, new[key])
        else:
            yield from differences(old[key], new[key], *at)


def of_lists(old: list[Any], new: list[Any], place: Place) -> Iterator[Difference]:
    """Differences of two lists: by position, or by what is in them where lengths differ."""
    path, row, field = place
    if len(old) == len(new):
        for k, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, path, row, f"{field}/{k}")
        return
    one, other = (Counter(json.dumps(item) for item in items) for items in (old, new))
    for text in (one - other).elements():
        yield Difference("missing", path, row, f"{field}/-", json.loads(text), None)
    for text in (other - one).elements():
        yield Difference("added", path, row, f"{field}/-", None, json.loads(text))


def of_tables(old: list[Any], new: list[Any], path: str) -> Iterator[Difference]:
    """Differences of two tables, in the columns that both have; then the rows of one alone."""
    before, now = (list(dict.fromkeys(c for row in rows for c in row)) for rows in (old, new))
    if old and new:
        yield from of_columns(before, now, path)
    shared = [column for column in before if column in now]
    keys = [c for c in shared if identifies(c, old) and identifies(c, new)]
    for one, other in matched(old, new, keys):
        row = called(one or other, keys)
        if one is None or other is None:
            kind = "added" if one is None else "missing"
            yield Difference(kind, path, row, "/row", one, other)
            continue
        for column in shared:
            field = f"/{column}"
            yield from differences(one.get(column), other.get(column), path, row, field)


def of_columns(before: list[str], now: list[str], path: str) -> Iterator[Difference]:
    """Columns that one of two tables does not have."""
    for column in before:
        if column not in now:
            yield Difference("missing", path, "column", f"/{column}", "a column", None)
    for column in now:
        if column not in before:
            yield Difference("added", path, "column", f"/{column}", None, "a column")


def called(row: Mapping[str, Any], keys: Iterable[str]) -> str:
    """The name of a row: what identifies it."""
    return " ".join(f"{key}={row[key]}" for key in keys if row.get(key) is not None) or "row"


Pairs = list[tuple[Any, Any]]


def matched(old: list[Any], new: list[Any], keys: list[str]) -> Pairs:
    """Rows of two tables side by side, None beside a row that is alone.

    By all keys first. What is left over, without those that describe a row more than they say
    which it is, one after another; then without numbers, which may have moved to a whole one.
    """
    pairs: Pairs = []
    numbers = [c for c in keys if any(isinstance(row.get(c), float) for row in [*old, *new])]
    for fewer in ((), *(DESCRIBE[: k + 1] for k in range(len(DESCRIBE))), (*DESCRIBE, *numbers)):
        more, old, new = paired(old, new, [key for key in keys if key not in fewer])
        pairs += more
    return [*pairs, *((row, None) for row in old), *((None, row) for row in new)]


def paired(old: list[Any], new: list[Any], keys: list[str]) -> tuple[Pairs, list[Any], list[Any]]:
    """Pairs of rows with the same keys, and the rows that are left on either side."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in new:
        groups[key_of(row, keys)].append(row)
    sizes = Counter(key_of(row, keys) for row in old)
    pairs: Pairs = []
    alone = []
    for row in old:
        key = key_of(row, keys)
        if not (group := groups[key]):
            alone.append(row)
            continue
        best = 0 if len(group) == sizes[key] else nearest(row, group)
        sizes[key] -= 1
        pairs.append((row, group.pop(best)))
    return pairs, alone, [row for group in groups.values() for row in group]


def key_of(row: Mapping[str, Any], keys: Iterable[str]) -> str:
    """What identifies a row, as text."""
    return json.dumps([row.get(key) for key in keys])


def nearest(row: Any, group: list[Any]) -> int:
    """The place of the row of the same dose that differs in the fewest fields."""

    def distance(k: int) -> tuple[bool, int]:
        dosed = group[k].get("dose", "0") not in PLAIN_DOSES
        return dosed, sum(1 for _ in differences(row, group[k], ""))

    return min(range(len(group)), key=distance)


def identifies(column: str, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Does a column say which row it is? No number that was measured stands in it."""
    if column in COUNTS or of_interval(column):
        return False
    return all(is_whole(row.get(column)) for row in rows)


def is_whole(value: Any) -> bool:
    """Is it text, a truth value, nothing, or a whole number, also one that is written 3.0?"""
    if isinstance(value, float):
        return value.is_integer()
    return value is None or isinstance(value, str | int)


def is_table(value: Any) -> bool:
    """Is it a list of records?"""
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def is_number(value: Any) -> bool:
    """Is it a number and no truth value?"""
    return isinstance(value, int | float) and not isinstance(value, bool)


def close(old: float, new: float) -> bool:
    """Are two numbers the same but for rounding?"""
    if math.isnan(old) or math.isnan(new):
        return math.isnan(old) and math.isnan(new)
    return abs(old - new) <= TOLERANCE * max(1, abs(old))


# Reporting


def reason_of(difference: Difference) -> str:
    """Why a difference is meant; empty where nobody says."""
    for pattern, reason, most in WANTED:
        if difference.size <= most and fnmatchcase(difference.where, pattern):
            return reason
    return ""


def report(found: list[Difference], *, long: bool) -> int:
    """Print all differences, those that are meant by reason, then the others; counts the latter."""
    meant: dict[str, list[Difference]] = defaultdict(list)
    for one in found:
        meant[reason_of(one)].append(one)
    others = meant.pop("", [])
    for reason, some in meant.items():
        print(f"\n== meant: {reason} ({len(some)})")
        show(some, long=long)
    apart = [one for one in others if one.is_of_interval]
    rest = [one for one in others if not one.is_of_interval]
    for title, some in (("NOT LISTED", rest), ("NOT LISTED, intervals", apart)):
        if some:
            print(f"\n== {title} ({len(some)})")
            show(some, long=long)
    print(f"\n{len(found)} differences, {len(others)} of them not listed as meant")
    return len(others)


def show(some: Iterable[Difference], *, long: bool) -> None:
    """A line a table column with the largest change in it, or one a difference."""
    groups: dict[Any, list[Difference]] = defaultdict(list)
    for k, one in enumerate(some):
        groups[k if long else (one.kind, one.path, one.field if one.row else "")].append(one)
    for group in groups.values():
        top = max(group, key=lambda one: one.size)
        times = f" x{len(group)}, the largest" if len(group) > 1 else ""
        print(f"{top.where}{times}: {' -> '.join(shown(top.old, top.new))}")


def shown(old: Any, new: Any) -> Iterator[str]:
    """Two values in a line each; two texts from a little before where they part."""
    start = 0
    if isinstance(old, str) and isinstance(new, str):
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))
        start = max(0, sum(1 for _ in same) - 40)
    for value in (old, new):
        text = f"{value:.9g}" if isinstance(value, float) else str(value)[start:]
        yield text if len(text) <= 240 else text[:237] + "..."


def main() -> int:
    """Read the arguments; 1 where something differs that is not meant to."""
    parser = argparse.ArgumentParser(description=f"Hold numbers against those of {FIRST[:7]}.")
    parser.add_argument("--keep", type=Path, help="keep what the first house made and found here")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CASES, help="some cases")
    parser.add_argument("--against", type=Path, default=ROOT, help="a checkout; default: this one")
    parser.add_argument("--long", action="store_true", help="a line for every single difference")
    parser.add_argument(
        "--again", action="store_true", help="run nothing, compare what --keep has from last time"
    )
    parser.add_argument("--inside", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        task, name, *places = arguments.inside
        inside(task, name, *map(Path, places))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        return 1 if hold(arguments, Path(scratch)) else 0


def hold(arguments: argparse.Namespace, scratch: Path) -> int:
    """Run both houses and compare; returns the number of differences that are not meant."""
    cases = arguments.only or list(CASES)
    kept = (arguments.keep or scratch).resolve() / FIRST[:12]
    last = kept / "last"
    start = time.monotonic()
    if not arguments.again:
        frozen(kept, scratch, cases)
    middle = time.monotonic()
    if not arguments.again:
        anew(House(arguments.against.resolve(), kept / "inputs"), last, cases)
    end = time.monotonic()
    found = [one for case in cases for one in compared(kept, last, case)]
    count = report(found, long=arguments.long)
    print(f"first house {middle - start:.0f} s, house under test {end - middle:.0f} s")
    return count


def anew(house: House, last: Path, cases: Iterable[str]) -> None:
    """Let the house under test find its numbers; a case that fails leaves none."""
    last.mkdir(exist_ok=True)
    for case in cases:
        path = last / f"{case}.json"
        path.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.CalledProcessError):
            timed(f"house under test: {case}", house.find, case, path)


def compared(kept: Path, last: Path, case: str) -> list[Difference]:
    """The differences of a case."""
    if not (last / f"{case}.json").is_file():
        return [Difference("missing", case, "", "", "everything", "the case failed")]
    paths = (folder / f"{case}.json" for folder in (kept, last))
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    return list(differences(old, new, case))


if __name__ == "__main__":
    sys.exit(main())
