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


@pytest.fixture(scope="session")
def as_open_clip(tmp_path_factory: pytest.TempPathFactory) -> AsOpenClip:
    """Writes a Hugging Face CLIP as open_clip would have; `prefix` as with a text module."""

    def write(source: Path, prefix: str = "") -> Path:
        folder = tmp_path_factory.mktemp("open-clip")
        config = json.loads((source / "config.json").read_text())
        old = load_file(source / "model.safetensors")
        new = {"logit_scale": old["logit_scale"], f"{prefix}attn_mask": torch.zeros(77, 77)}
        new |= outer(old, prefix)
        for ours, theirs, tower in (
            ("visual.", "vision_model", config["vision_config"]),
            (prefix, "text_model", config["text_config"]),
        ):
            for n in range(tower["num_hidden_layers"]):
                block = layer(old, f"{theirs}.encoder.layers.{n}")
                new |= {f"{ours}transformer.resblocks.{n}.{k}": v for k, v in block.items()}
        save_file(
            {k: v.contiguous() for k, v in new.items()}, folder / "open_clip_model.safetensors"
        )
        (folder / "open_clip_config.json").write_text(json.dumps(described(config)))
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(source / name, folder / name)
        return folder

    return write


def outer(old: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """What lies outside the layers; projections stand the other way round."""
    seen, said = "vision_model.", "text_model."
    return {
        "visual.class_embedding": old[f"{seen}embeddings.class_embedding"],
        "visual.conv1.weight": old[f"{seen}embeddings.patch_embedding.weight"],
        "visual.positional_embedding": old[f"{seen}embeddings.position_embedding.weight"],
        "visual.ln_pre.weight": old[f"{seen}pre_layrnorm.weight"],
        "visual.ln_pre.bias": old[f"{seen}pre_layrnorm.bias"],
        "visual.ln_post.weight": old[f"{seen}post_layernorm.weight"],
        "visual.ln_post.bias": old[f"{seen}post_layernorm.bias"],
        "visual.proj": old["visual_projection.weight"].T,
        f"{prefix}token_embedding.weight": old[f"{said}embeddings.token_embedding.weight"],
        f"{prefix}positional_embedding": old[f"{said}embeddings.position_embedding.weight"],
        f"{prefix}ln_final.weight": old[f"{said}final_layer_norm.weight"],
        f"{prefix}ln_final.bias": old[f"{said}final_layer_norm.bias"],
        f"{prefix}text_projection": old["text_projection.weight"].T,
    }


def layer(old: dict[str, torch.Tensor], theirs: str) -> dict[str, torch.Tensor]:
    """One block; queries, keys and values in one matrix."""
    own = {k.removeprefix(f"{theirs}."): v for k, v in old.items() if k.startswith(f"{theirs}.")}
    fused = {
        f"attn.in_proj_{kind}": torch.cat([own[f"self_attn.{x}_proj.{kind}"] for x in "qkv"])
        for kind in ("weight", "bias")
    }
    names = {
        "attn.out_proj": "self_attn.out_proj",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    kinds = ("weight", "bias")
    return fused | {f"{ours}.{k}": own[f"{old}.{k}"] for ours, old in names.items() for k in kinds}


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
