"""Many dual encoders of one shape at once: every weight has a leading model axis.

For training hundreds of models and nothing else: to look inside one, take it out with `unstack`.
A minimal tower is embedded by tables (`lrinterp.encoders.token_tables`), about a tenth of the work;
any other by `torch.func` over its own forward pass.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from lrinterp.axes import Tokens
from lrinterp.encoders.dual import MAX_SCALE, DualEncoder
from lrinterp.encoders.token_tables import embed_by_tables, has_tables

__all__ = ["Stack"]


class Stack:
    """The weights of some models of one shape, and their embeddings.

    Raises ValueError where the models differ in more than their weights.
    """

    def __init__(self, models: Sequence[DualEncoder]) -> None:
        self.models = list(models)
        shapes = [{k: v.shape for k, v in m.trainable().items()} for m in self.models]
        if not shapes or any(shape != shapes[0] for shape in shapes):
            raise ValueError("models: expected at least one, all of one shape")
        self.weights, _ = stack_module_state(self.models)
        self._by_tables = {name: has_tables(t) for name, t in self.models[0].towers.items()}

    def __len__(self) -> int:
        return len(self.models)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights["log_scale"].device

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """As `DualEncoder.clamp_scale`, for every model."""
        self.weights["log_scale"].clamp_(max=MAX_SCALE)

    @property
    def trained(self) -> list[Tensor]:
        """The weights that an optimiser may change."""
        return [weight for weight in self.weights.values() if weight.requires_grad]

    def views(self, members: slice) -> list[Tensor]:
        """The trained weights of some models, sharing memory, for a separate optimiser."""
        return [weight.detach()[members] for weight in self.trained]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.trained:
            weight.grad = None

    def hand_gradients(self, views: Sequence[Tensor], members: slice) -> None:
        """Give the `views` of some models the gradients of their weights."""
        for view, weight in zip(views, self.trained, strict=True):
            view.grad = None if weight.grad is None else weight.grad[members]

    def embed(
        self, tower: str, ids: Int[Tensor, "model batch pos"], pool: Int[Tensor, "model batch"]
    ) -> Float[Tensor, "model batch d_embed"]:
        """Unit embeddings of each model's own examples; as `DualEncoder.embed`, one by one."""
        model = self.models[0]
        if self._by_tables[tower]:
            prefix = f"{tower}."
            own = {
                k.removeprefix(prefix): w for k, w in self.weights.items() if k.startswith(prefix)
            }
            return embed_by_tables(model.towers[tower], own, ids, pool)

        def one(
            weights: dict[str, Tensor], ids: Int[Tensor, "batch pos"], pool: Int[Tensor, "batch"]
        ) -> Float[Tensor, "batch d_embed"]:
            return functional_call(model, weights, (tower, Tokens(ids, pool)))

        return vmap(one)(self.weights, ids, pool)

    @torch.no_grad()
    def embed_all(
        self,
        tower: str,
        ids: Int[Tensor, "model batch pos"],
        pool: Int[Tensor, "model batch"],
        batch_size: int = 512,
    ) -> Float[Tensor, "model batch d_embed"]:
        """As `embed`, in batches and without gradients."""
        batches = zip(ids.split(batch_size, 1), pool.split(batch_size, 1), strict=True)
        return torch.cat([self.embed(tower, *batch) for batch in batches], dim=1)

    @torch.no_grad()
    def unstack(self) -> list[DualEncoder]:
        """The models themselves, with the weights that the stack has reached."""
        for index, model in enumerate(self.models):
            for name, weight in model.trainable().items():
                weight.copy_(self.weights[name][index])
        return self.models
