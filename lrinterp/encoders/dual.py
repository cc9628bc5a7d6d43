"""The dual encoder: two independent hooked transformers that meet in one embedding space.

This package is the only place that names `HookedTransformer`; everything else goes by hook names
and weights, so that a move to another TransformerLens touches one folder.
"""

import copy
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import HookedTransformer, HookedTransformerConfig

from lrinterp.axes import AnyInputs, Embeddings, Inputs, Scores, Tokens
from lrinterp.encoders.config import TOWERS, EncoderConfig, tower_config
from lrinterp.encoders.token_tables import embed_by_tables, has_tables

if TYPE_CHECKING:
    from lrinterp.encoders.processor import Processor

__all__ = [
    "DualEncoder",
    "Tower",
    "batch_that_fits",
    "build_tower",
    "initialise",
    "positions",
]

Tower = HookedTransformer

MAX_SCALE = math.log(100.0)
"""CLIP's bound on the learned log scale."""
LARGEST_BATCH = 1024
WIDEST_ACTIVATION = 2**23
"""Numbers in the widest activation of a batch: 32 MB in float32."""


class DualEncoder(nn.Module):
    """An image tower and a text tower, each a `HookedTransformer`, and a learned temperature.

    The embedding of an example is its pooled residual stream through the final norm and the
    unembed, divided by its length; the score of a picture and a caption is their cosine.
    """

    processor: "Processor | None" = None
    """How pictures and captions become inputs; None where a world makes the inputs itself."""

    def __init__(
        self, towers: Mapping[str, Tower], log_scale: float, config: EncoderConfig | None
    ) -> None:
        super().__init__()
        self.image, self.text = towers["image"], towers["text"]
        self.log_scale = nn.Parameter(torch.tensor(log_scale))
        self.config = config
        if config is not None:
            for tower in self.towers.values():
                tower.unembed.b_U.requires_grad_(False)

    @classmethod
    def build(cls, config: EncoderConfig, sizes: Mapping[str, tuple[int, int]], seed: int) -> Self:
        """A fresh model. `sizes` gives (vocabulary, context) by tower.

        Weights are drawn from a separate generator; global random state is left alone.
        """
        generator = torch.Generator().manual_seed(seed)
        towers = {}
        for name in TOWERS:
            towers[name] = build_tower(tower_config(config, name, *sizes[name]))
            initialise(towers[name], config, generator)
        return cls(towers, -math.log(config.temperature), config)

    @classmethod
    def from_hooked(cls, image: Tower, text: Tower, *, temperature: float = 0.07) -> Self:
        """A model around a given pair of hooked transformers; they are not copied.

        Both must project (`d_vocab_out`) into one space. Raises ValueError where they do not.
        """
        if image.cfg.d_vocab_out != text.cfg.d_vocab_out:
            raise ValueError(
                "d_vocab_out: expected equal widths of image and text, got "
                f"{image.cfg.d_vocab_out} and {text.cfg.d_vocab_out}"
            )
        return cls({"image": image, "text": text}, -math.log(temperature), None)

    @property
    def towers(self) -> dict[str, Tower]:
        """The two hooked transformers by name."""
        return {"image": self.image, "text": self.text}

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(vocabulary, context length) by tower."""
        return {name: (t.cfg.d_vocab, t.cfg.n_ctx) for name, t in self.towers.items()}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_scale.device

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the weights, and tell the towers, which move their own inputs."""
        moved = super().to(*args, **kwargs)
        for tower in moved.towers.values():
            tower.cfg.device = str(moved.device)
        return moved

    def prepare(self, examples: Any) -> dict[str, AnyInputs]:
        """What each tower reads of some examples, on the model's device."""
        return {name: getattr(examples, name).to(self.device) for name in self.towers}

    def embed(self, tower: str, inputs: Inputs) -> Embeddings:
        """Unit embeddings; only the pooled position passes the final norm and the projection.

        A minimal tower without hooks is read by tables (`lrinterp.encoders.token_tables`), in
        about a sixth of the time; the numbers and gradients are the same up to rounding.
        """
        model = self.towers[tower]
        if isinstance(inputs, Tokens) and has_tables(model):
            own = {name: weight[None] for name, weight in model.named_parameters()}
            return embed_by_tables(model, own, inputs.ids[None], inputs.pool[None])[0]
        residual = model(inputs.values, stop_at_layer=model.cfg.n_layers)
        return self.project(tower, residual, inputs.pool)

    forward = embed

    def project(
        self,
        tower: str,
        residual: Float[Tensor, "batch pos d_model"],
        pool: Int[Tensor, "batch"],
    ) -> Embeddings:
        """From the last residual stream to unit embeddings: pool, final norm, unembed."""
        model = self.towers[tower]
        pooled = residual[torch.arange(len(pool), device=residual.device), pool]
        normed = pooled if model.cfg.normalization_type is None else model.ln_final(pooled)
        return F.normalize(model.unembed(normed), dim=-1)

    @torch.no_grad()
    def embed_all(self, tower: str, inputs: Inputs, batch_size: int | None = None) -> Embeddings:
        """`embed` in batches, without gradients; of `batch_that_fits` unless a size is given."""
        size = batch_size or batch_that_fits(self.towers[tower], inputs)
        starts = range(0, len(inputs), size)
        parts = [self.embed(tower, inputs.at(slice(i, i + size))) for i in starts]
        width = self.towers[tower].cfg.d_vocab_out
        return torch.cat(parts) if parts else torch.zeros(0, width, device=self.device)

    @torch.no_grad()
    def scrambled(self, tower: str, seed: int) -> Self:
        """The same model with the weights of one tower in random order, each tensor within itself.

        What is left is the architecture and the sizes of weights. The other tower is shared.
        """
        generator = torch.Generator().manual_seed(seed)
        random = copy.deepcopy(self.towers[tower])
        for weight, own in zip(random.parameters(), self.towers[tower].parameters(), strict=True):
            kind = torch.int32 if own.numel() < 2**31 else torch.int64  # half the memory
            order = torch.randperm(own.numel(), generator=generator, dtype=kind).to(own.device)
            torch.index_select(own.detach().flatten(), 0, order, out=weight.detach().view(-1))
        return self.with_tower(tower, random)

    def with_tower(self, name: str, tower: Tower) -> Self:
        """The same model with another tower in the place of one; all else is shared."""
        twin = copy.copy(self)
        twin._modules = {**self._modules, name: tower}
        return twin

    def score(self, batch: Mapping[str, Inputs]) -> Scores:
        """Cosine of every picture with every caption; no gradients."""
        images, captions = (self.embed_all(name, batch[name]) for name in TOWERS)
        return images @ captions.T

    def trainable(self) -> dict[str, Tensor]:
        """The weights by name: `image.blocks.0.attn.W_Q`, ..., `log_scale`; no buffers."""
        return dict(self.named_parameters())

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the learned temperature above 1 / 100, as CLIP does."""
        self.log_scale.clamp_(max=MAX_SCALE)


def build_tower(config: HookedTransformerConfig) -> Tower:
    """A `HookedTransformer`, without the notice that its class is going away."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return HookedTransformer(config)


@torch.no_grad()
def initialise(tower: Tower, config: EncoderConfig, generator: torch.Generator) -> None:
    """Normal matrices with the scales of the preset, zero biases, unit norms."""
    scales = {"W_E": config.std_W_E, "W_pos": config.std_W_pos}
    for name, weight in tower.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if leaf.startswith("W_"):
            weight.normal_(0.0, scales.get(leaf, config.std_weights), generator=generator)
        else:
            weight.fill_(1.0 if leaf == "w" else 0.0)


def positions(tower: HookedTransformer, inputs: Inputs) -> int:
    """How many positions a tower has on some inputs: tokens, or patches and the class token."""
    return inputs.ids.shape[1] if isinstance(inputs, Tokens) else tower.cfg.n_ctx


def batch_that_fits(tower: HookedTransformer, inputs: Inputs) -> int:
    """How many examples a batch may have: 1,024, or as many as keep an activation at 32 MB.

    The widest activation of an example is the MLP's or all heads' attention maps. ViT-B/32 reads
    54 pictures at once, ViT-L/14 7.
    """
    cfg, n = tower.cfg, positions(tower, inputs)
    widest = max(cfg.d_mlp or 0, cfg.d_model, cfg.n_heads * n) * n
    return max(1, min(LARGEST_BATCH, WIDEST_ACTIVATION // max(widest, 1)))
