"""What all tests share: the number of threads, the real data, and what may be skipped where."""

import dataclasses
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from lrinterp.encoders import DualEncoder, Tower
    from lrinterp.result import Result
    from lrinterp.run import Run
    from lrinterp.scenes import Examples

CI = os.environ.get("CI") == "true"
ROOT = Path(__file__).resolve().parent.parent

Report = pytest.TestReport | pytest.CollectReport
Wrapper = Generator[None, Report, Report]
Command = Callable[..., tuple[int, str, str]]
MakeClip = Callable[..., Path]

torch.set_num_threads(1)  # waiting for a busy core costs micro models most


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real pictures and captions: LRINTERP_DATA, else shared/data beside the checkout."""
    root = Path(os.environ.get("LRINTERP_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no real data at {root}: set LRINTERP_DATA")
    return root


@pytest.fixture(scope="session")
def make_clip(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeClip:
    """Makes a folder with a random CLIP in the format of Hugging Face, tokenizer included.

    Settings of `text` and `vision` go to transformers; every weight is moved away from where
    transformers starts it, so that no bias is 0 and no norm 1.
    """

    def make(
        text: dict[str, object] | None = None,
        vision: dict[str, object] | None = None,
        embed: int = 8,
        seed: int = 0,
    ) -> Path:
        from transformers import CLIPConfig, CLIPModel
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        common = {"hidden_size": 16, "intermediate_size": 32}
        common |= {"num_hidden_layers": 2, "num_attention_heads": 2}
        seen = {**common, "image_size": 32, "patch_size": 8, **(vision or {})}
        said = {**common, **(text or {})}
        config = CLIPConfig(text_config=said, vision_config=seen, projection_dim=embed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = CLIPModel(config)
            for weight in model.parameters():
                weight.data += 0.1 * torch.randn_like(weight)
        folder = tmp_path_factory.mktemp("clip")
        model.save_pretrained(folder)
        side = seen["image_size"]
        CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=side).save_pretrained(folder)
        for path in (data_root / "clip_tokenizer").iterdir():
            shutil.copyfile(path, folder / path.name)
        return folder

    return make


@pytest.fixture(scope="session")
def clip_folder(make_clip: MakeClip) -> Path:
    """A small CLIP: two layers of two heads, width 16, pictures of 32 x 32 pixels, patches of 8.

    Read only: whoever wants to change it makes one of their own with `make_clip`.
    """
    return make_clip()


@pytest.fixture(scope="session")
def micro_examples() -> "Examples":
    """A row of three pixels and four labels: apple and bird are trained as a pair, cat and dog
    are held out.
    """
    from lrinterp.scenes import Scenes, Split, World

    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1)
    return Scenes(World(n_pixels=3, n_labels=4), split).examples()


@pytest.fixture
def micro() -> "DualEncoder":
    """A model small enough to work out by hand; fresh for each test.

    The axes of its residual stream are x and y (what an object is), p (how much it draws) and a
    constant. Scores of head 0 are plain dot products, those of head 1 minus half of them; only
    head 0 moves values. The image tower draws p = 2 a pixel towards the right, the text tower
    p = 4 towards the label named second, so both put e^4 times more weight on the right object
    of two at the ends of the row, and the embedding is the weighted sum of the labels.
    """
    from lrinterp.encoders import DualEncoder, build_tower, tower_from_plain

    common = {"n_layers": 1, "d_model": 4, "n_heads": 2, "d_head": 4, "d_vocab_out": 2}
    common |= {"attn_only": True, "act_fn": "gelu", "normalization_type": None}
    sizes = {
        "image": {"n_ctx": 4, "d_vocab": 6, "attention_dir": "bidirectional"},
        "text": {"n_ctx": 9, "d_vocab": 14, "attention_dir": "causal"},
    }
    towers = {n: build_tower(tower_from_plain(common | size)) for n, size in sizes.items()}
    for tower in towers.values():
        fill_attention(tower)
    labels = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0], [-1, 0, 1, 0], [0, -1, 1, 0.0]])
    image, text = (tower.embed.W_E.data for tower in towers.values())
    image[:] = torch.cat([torch.zeros(1, 4), labels, torch.tensor([[0, 0, 1, 1.0]])])
    text[:] = 0
    text[2] = torch.tensor([0, 0, 1, 1])  # [EOT]
    text[torch.tensor([3, 8, 9, 10])] = labels
    places, slots = (tower.pos_embed.W_pos.data for tower in towers.values())
    places[:] = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 2, 0], [0, 0, 3, 0]])
    slots[:] = 0
    slots[7, 2], slots[8, 3] = 2, 1
    return DualEncoder.from_hooked(towers["image"], towers["text"])


def fill_attention(tower: "Tower") -> None:
    """Attention and projection of the micro-model; the scale of its scores is sqrt(4) = 2."""
    attn, eye = tower.blocks[0].attn, torch.eye(4)
    weights = {
        "W_Q": torch.stack([2 * eye, -eye]),
        "W_K": torch.stack([eye, eye]),
        "W_V": torch.stack([torch.diag(torch.tensor([1, 1, 1, 0.0])), 0 * eye]),
        "W_O": torch.stack([eye, eye]),
        "b_Q": torch.tensor([[0, 0, 2, 0], [0, 0, -1, 0]]),
        "b_K": torch.tensor([[0, 0, 1, 2], [0, 0, 1, 2]]),
        "b_V": torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1]]),
        "b_O": torch.tensor([0, 0, 1, 0]),
    }
    for name, weight in weights.items():
        getattr(attn, name).data[:] = weight
    tower.unembed.W_U.data[:] = eye[:, :2]
    tower.unembed.b_U.data[:] = 0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`lrinterp` in this process with some arguments: exit code, output, errors."""
    from lrinterp.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lrinterp", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `analyze` on the shipped checkpoint; its numbers lie beside it as JSON."""
    from lrinterp.cli import main

    page = tmp_path_factory.mktemp("shipped") / "report.html"
    command = ["analyze", ROOT / "checkpoints" / "left-right", "--out", page]
    with pytest.MonkeyPatch.context() as patch:
        words = map(str, [*command, "--json", page.with_suffix(".json")])
        patch.setattr(sys, "argv", ["lrinterp", *words])
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code
    return page


def some_pictures(name: str) -> "Run":
    """A shipped checkpoint on every third layout of held-out pairs, and some of each other set."""
    from lrinterp import load_checkpoint, record

    loaded = load_checkpoint(ROOT / "checkpoints" / name)
    examples, rng = loaded.scenes().examples(), np.random.default_rng(0)
    unseen = examples.where("unseen_pair")
    layouts = np.unique(examples.image_pixels[unseen], axis=0)[::3].tolist()
    kept = [i for i in unseen if examples.image_pixels[i].tolist() in layouts]
    others = [of for of in dict.fromkeys(examples.image_set) if of != "unseen_pair"]
    parts = [rng.permutation(examples.where(of))[:60] for of in others]
    index = np.sort(np.concatenate([*parts, kept])).astype(int)
    return record(loaded.model, examples.at(index), progress=False)


@pytest.fixture(scope="session")
def left_right() -> "Run":
    """The shipped checkpoint that knows left from right."""
    return some_pictures("left-right")


@pytest.fixture(scope="session")
def no_gradient() -> "Run":
    """The shipped checkpoint that knows label sets and no order."""
    return some_pictures("no-gradient")


@pytest.fixture(scope="session")
def left_right_results(left_right: "Run") -> "Mapping[str, Result]":
    from lrinterp import analyze

    return analyze(left_right, progress=False)


@pytest.fixture(scope="session")
def no_gradient_results(no_gradient: "Run") -> "Mapping[str, Result]":
    from lrinterp import analyze

    return analyze(no_gradient, progress=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names)]
    path = next((candidate for candidate in found if candidate), None)
    if path is None:
        pytest.skip("needs Chromium: install it or set CHROMIUM to its path")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], object]], None]:
    """Waits until a condition of another process holds; fails after three minutes."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def regauge() -> Callable[["DualEncoder", "Examples"], None]:
    """Moves a random vector for each component from the positions to its tokens, in place."""
    from lrinterp.decomposition import components

    def move(model: "DualEncoder", examples: "Examples") -> None:
        generator = torch.Generator().manual_seed(5)
        for name, tower in model.towers.items():
            of_token, of_position = components(examples.occurs[name])
            W_E, W_pos = tower.embed.W_E.data, tower.pos_embed.W_pos.data
            n_components = int(torch.cat([of_token, of_position]).max()) + 1
            shift = W_E.std() * torch.randn(n_components, W_E.shape[1], generator=generator)
            W_E += shift[of_token]
            W_pos[: len(of_position)] -= shift[of_position]

    return move


@pytest.fixture(scope="session")
def noisy() -> "Callable[..., DualEncoder]":
    """Adds noise to every bias and norm weight of a model, in place, so that all are at work."""

    def add(model: "DualEncoder", seed: int = 1, size: float = 0.2) -> "DualEncoder":
        generator = torch.Generator().manual_seed(seed)
        for name, weight in model.trainable().items():
            if ".b_" in name or name.endswith((".w", ".b")):
                weight.data += size * torch.randn(weight.shape, generator=generator)
        return model

    return add


@pytest.fixture(scope="session")
def small(noisy: "Callable[..., DualEncoder]") -> "Callable[..., Run]":
    """Makes a run of an untrained model of width 8 on four pixels and five labels.

    Fields of a World, a Split or an EncoderConfig change that; `noise` is what `noisy` adds.
    """
    from lrinterp import DualEncoder, Scenes, Split, World, preset, record

    few = {"n_pair": 2, "n_val": 3, "positions_per_label": 2, "layouts_per_pair": 2}
    usual = {"n_pixels": 4, "n_labels": 5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}

    def make(
        name: str = "minimal",
        *,
        sets: tuple[str, ...] | None = ("unseen_pair",),
        seed: int = 0,
        noise: tuple[int, float] | None = None,
        double: bool = False,
        **fields: Any,
    ) -> "Run":
        own: dict[str, Any] = {**few, **usual, **fields}

        def taken(kind: type[Any]) -> dict[str, Any]:
            return {
                one.name: own.pop(one.name) for one in dataclasses.fields(kind) if one.name in own
            }

        scenes = Scenes(World(**taken(World)), Split(**taken(Split)))
        model = DualEncoder.build(preset(name, **own), scenes.sizes, seed)
        for tower in model.towers.values() if double else ():
            tower.double().cfg.dtype = torch.float64  # norms and attention cast to it
        if noise:
            noisy(model, *noise)
        examples = scenes.examples(list(sets)) if sets else scenes.examples()
        return record(model, examples, progress=False)

    return make


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot do, and what takes long unless it is asked for."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    asked_for = "slow" in (item.config.getoption("markexpr") or "")
    if item.get_closest_marker("slow") and not (CI or asked_for):
        pytest.skip("takes tens of seconds: set CI=true or pass -m slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Wrapper:
    """Under CI=true a skipped test has failed, unless it needs a GPU."""
    report = yield
    if not item.get_closest_marker("gpu"):
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Wrapper:
    """The same for whole files, which a missing requirement skips while they are collected."""
    report = yield
    forbid_skip(report)
    return report


def forbid_skip(report: Report) -> None:
    """Turn a skip into a failure under CI=true; an expected failure stays one."""
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but required where CI=true: {report.longrepr}"
