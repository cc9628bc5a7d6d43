"""Embeddings of one-layer towers without norm and MLP, from tables over tokens and positions.

Only the pooled row of such a tower is read. Its query depends on the pooled token and position
alone, of which there are few (a kind each: CLS; [EOT] at each caption length), and keys and values
are a token part plus a position part. So scores and values of all examples are look-ups in tables
of (tokens + positions) rows: exact algebra, without projecting any example.

With x the residual stream of a kind and q = x W_Q + b_Q, the score of a key with token t at
position i is (E_t + P_i) . W_K q / sqrt(d_head), up to a constant in the row (b_K), which the
softmax cancels. The embedding is (x + b_O + sum_h (b_V + sum_i a_i (E_t(i) + P_i) W_V) W_O) W_U,
divided by its length.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from lrinterp.encoders.config import essentials, tower_plain

__all__ = ["embed_by_tables", "has_tables"]


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def has_tables(tower: HookedTransformer) -> bool:
    """Is a tower of the kind that this module embeds, with no hook that would miss its pass?"""
    cfg = tower.cfg
    plain = cfg.normalization_type is None and cfg.attn_only and cfg.n_layers == 1
    if not plain or type(tower) is not HookedTransformer or tower_plain(cfg) != essentials(cfg):
        return False
    return not any(getattr(part, kind) for part in tower.modules() for kind in HOOKS)


def embed_by_tables(
    tower: HookedTransformer,
    weights: Mapping[str, Float[Tensor, "model ..."]],
    ids: Int[Tensor, "model batch pos"],
    pool: Int[Tensor, "model batch"],
) -> Float[Tensor, "model batch d_embed"]:
    """Unit embeddings of each model's examples; `weights` by their names within the tower."""
    attn = {k.removeprefix("blocks.0.attn."): w for k, w in weights.items()}
    E, P = weights["embed.W_E"], weights["pos_embed.W_pos"][:, : ids.shape[2]]
    kinds, kind = kinds_of(ids, pool)
    x = E[:, kinds[:, 0]] + P[:, kinds[:, 1]]
    table = torch.cat([E, P], dim=1)
    q = einsum(x, attn["W_Q"], "m kind D, m h D d -> m h kind d") + attn["b_Q"][:, :, None]
    scale = tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0
    key = rearrange(q @ attn["W_K"].transpose(-1, -2) / scale, "m h kind D -> m (h kind) D")
    scores = rearrange(
        key @ table.transpose(1, 2), "m (h kind) row -> m h kind row", kind=len(kinds)
    )
    hidden = None
    if tower.cfg.attention_dir == "causal":
        hidden = torch.arange(ids.shape[2], device=ids.device) > pool[..., None]
    weight = pattern(scores, ids, kind, hidden)
    values = table[:, None] @ attn["W_V"]
    z = rearrange(weight @ values, "m h batch d -> m batch (h d)")
    constant = (
        x + (attn["b_O"] + einsum(attn["b_V"], attn["W_O"], "m h d, m h d D -> m D"))[:, None]
    )
    W_U = weights["unembed.W_U"]
    out = z @ (rearrange(attn["W_O"], "m h d D -> m (h d) D") @ W_U) + of_kind(constant @ W_U, kind)
    return F.normalize(out + weights["unembed.b_U"][:, None], dim=-1)


def kinds_of(
    ids: Int[Tensor, "model batch pos"], pool: Int[Tensor, "model batch"]
) -> tuple[Int[Tensor, "kind 2"], Int[Tensor, "model batch"]]:
    """The distinct pairs of pooled token and position, and which of them each example has."""
    token = ids.gather(2, pool[..., None])[..., 0]
    width = ids.shape[2]
    found, kind = (token * width + pool).unique(return_inverse=True)
    return torch.stack([found // width, found % width], dim=1), kind


def pattern(
    scores: Float[Tensor, "model head kind row"],
    ids: Int[Tensor, "model batch pos"],
    kind: Int[Tensor, "model batch"],
    hidden: Tensor | None,
) -> Float[Tensor, "model head batch row"]:
    """Attention of every example's pooled query, summed by the table rows its keys look up."""
    n_heads, n_positions = scores.shape[1], ids.shape[2]
    n_tokens = scores.shape[3] - n_positions
    by_token, by_position = scores[..., :n_tokens], scores[..., n_tokens:]
    looked_up = kind[..., None] * n_tokens + ids
    index = rearrange(looked_up, "m batch pos -> m 1 (batch pos)").expand(-1, n_heads, -1)
    s = by_token.flatten(2).gather(2, index).view(-1, n_heads, *ids.shape[1:])
    s = s + of_kind(by_position.transpose(1, 2).flatten(2), kind).unflatten(
        2, (n_heads, n_positions)
    ).transpose(1, 2)
    if hidden is not None:
        s = s.masked_fill(hidden[:, None], -torch.inf)
    weight = s.softmax(-1)
    token = torch.zeros(*weight.shape[:3], n_tokens, dtype=s.dtype, device=s.device)
    token = token.scatter_add(3, ids[:, None].expand_as(weight), weight)
    return torch.cat([token, weight], dim=-1)


def of_kind(
    values: Float[Tensor, "model kind width"], kind: Int[Tensor, "model batch"]
) -> Float[Tensor, "model #batch width"]:
    """Each example's row of a table over kinds; one row for all where there is one kind."""
    if values.shape[1] == 1:
        return values
    index = kind[..., None].expand(-1, -1, values.shape[2])
    return values.gather(1, index)
