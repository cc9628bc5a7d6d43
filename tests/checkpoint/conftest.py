"""Picture files, and an independent writer of the open_clip format."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

AsOpenClip = Callable[..., Path]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of three shapes, one with an alpha channel, one grey."""
    folder, noise = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = [folder / name for name in ("wide.png", "tall.png", "grey.png")]
    shapes = [(40, 71, 3), (53, 33, 4), (32, 45)]
    for path, shape in zip(paths, shapes, strict=True):
        Image.fromarray(noise.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return paths


NAMES = {
    "vision_model.encoder.layers": "visual.transformer.resblocks",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding": "visual.conv1",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm": "visual.ln_pre",
    "vision_model.post_layernorm": "visual.ln_post",
    "visual_projection.weight": "visual.proj",
    "text_model.encoder.layers": "TEXT.transformer.resblocks",
    "text_model.embeddings.token_embedding": "TEXT.token_embedding",
    "text_model.embeddings.position_embedding.weight": "TEXT.positional_embedding",
    "text_model.final_layer_norm": "TEXT.ln_final",
    "text_projection.weight": "TEXT.text_projection",
    "self_attn": "attn",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
"""What a part of a key is called by open_clip; TEXT stands for the prefix of the text tower."""


@pytest.fixture(scope="session")
def as_open_clip(tmp_path_factory: pytest.TempPathFactory) -> AsOpenClip:
    """Writes a Hugging Face CLIP as open_clip would have; `prefix` as with a text module.

    Projections stand the other way round; queries, keys and values are in one matrix.
    """

    def write(source: Path, prefix: str = "") -> Path:
        folder = tmp_path_factory.mktemp("open-clip")
        new = {f"{prefix}attn_mask": torch.zeros(77, 77)}
        old = load_file(source / "model.safetensors")
        for key, weight in old.items():
            if "k_proj" in key or "v_proj" in key:
                continue
            if "q_proj" in key:
                weight = torch.cat([old[key.replace("q_proj", f"{x}_proj")] for x in "qkv"])
                key = key.replace("q_proj.", "in_proj_")
            for theirs, ours in NAMES.items():
                key = key.replace(theirs, ours)
            turned = weight.T if key.endswith((".proj", "text_projection")) else weight
            new[key.replace("TEXT.", prefix)] = turned.contiguous()
        save_file(new, folder / "open_clip_model.safetensors")
        config = json.loads((source / "config.json").read_text())
        (folder / "open_clip_config.json").write_text(json.dumps(described(config)))
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(source / name, folder / name)
        return folder

    return write


def described(config: dict[str, Any]) -> dict[str, Any]:
    """`open_clip_config.json` for the configuration of transformers."""
    seen, said = config["vision_config"], config["text_config"]
    width = seen["hidden_size"]
    return {
        "model_cfg": {
            "embed_dim": config["projection_dim"],
            "quick_gelu": seen["hidden_act"] == "quick_gelu",
            "vision_cfg": {
                "image_size": seen["image_size"],
                "layers": seen["num_hidden_layers"],
                "width": width,
                "head_width": width // seen["num_attention_heads"],
                "mlp_ratio": seen["intermediate_size"] / width,
                "patch_size": seen["patch_size"],
                "norm_kwargs": {"eps": seen["layer_norm_eps"]},
            },
            "text_cfg": {
                "context_length": said["max_position_embeddings"],
                "vocab_size": said["vocab_size"],
                "width": said["hidden_size"],
                "heads": said["num_attention_heads"],
                "layers": said["num_hidden_layers"],
                "mlp_ratio": said["intermediate_size"] / said["hidden_size"],
                "norm_kwargs": {"eps": said["layer_norm_eps"]},
            },
        },
        "preprocess_cfg": {
            "mean": [0.48145466, 0.4578275, 0.40821073],
            "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
