"""Rank-N-Contrast: clips lie in the order of their labels, seen from every one of them.

Zha, Cao, Son, Yang, Katabi: Rank-N-Contrast: Learning Continuous Representations for Regression,
NeurIPS 2023, arXiv:2210.01189, eq. 1 and 2; as CoReEcho uses it (eq. 1).

    L = 1 / (n (n - 1)) sum_i sum_{j != i} [ log sum_{l in S_ij} exp(s_il) - s_ij ]
    s_ij = -|E_i - E_j| / tau,    S_ij = {l != i: |y_i - y_l| >= |y_i - y_j|}

Those in S_ij are j itself, what is as far from i as j is, and what is farther. So with the others
sorted by their distance from i, every sum is a sum over a tail of the row, and all n of them are
one pass: n^2 log n steps instead of n^3. The gradient,

    n (n - 1) dL / ds_il = sum_{j: l in S_ij} exp(s_il) / sum_{m in S_ij} exp(s_im)  -  1,

is a sum over the head of the row in the same order. Anchors are taken some at a time, so that no
matrix of n x n is ever held. Sums of exponentials are taken by their logarithms: nothing over- or
underflows at any distance.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 2**19
"""Pairs that are held at a time."""


def rank_n_contrast(
    features: Float[Tensor, "n d"], labels: Float[Tensor, " n"], *, temperature: float = 1.0
) -> Float[Tensor, ""]:
    """The loss over all ordered pairs of at least two clips.

    It is float32 under autocast too, or float64 if the features are. Labels are compared as they
    are: |y_i - y_l| and |y_i - y_j| tie if they are the same number. Two clips in one place do not
    pull at one another.

    Args:
        features: E, not normalised.
        labels: y, none of them NaN.
        temperature: tau.

    >>> rank_n_contrast(torch.zeros(3, 2), torch.tensor([1.0, 2.0, 4.0])).item() / torch.log(
    ...     torch.tensor(2.0)
    ... ).item()
    0.5
    """
    with torch.autocast(features.device.type, enabled=False):
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        order = labels.argsort()  # rows of distances are then nearly sorted, which sorts faster
        return _RankNContrast.apply(  # pyright: ignore[reportReturnType] - autograd is untyped
            wide[order], labels[order], temperature
        )


def lower_bound(labels: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """L*, below which the loss of these labels cannot fall: the mean of log n_ij.

    n_ij counts those that are as far from i as j is, j among them (Theorem 1 of Zha et al.).

    >>> lower_bound(torch.tensor([1.0, 2.0, 4.0])).item()
    0.0
    """
    n = len(labels)
    far = (labels[:, None] - labels).abs().fill_diagonal_(-1.0)  # i itself ties with nobody
    rows = far.sort(dim=1).values
    count = torch.searchsorted(rows, far, right=True) - torch.searchsorted(rows, far)
    return count.to(labels.dtype).log().sum() / (n * (n - 1))


class _RankNContrast(torch.autograd.Function):
    """The loss; its gradient is found on the way, for it needs the same rows."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, labels: Tensor, temperature: float) -> Tensor:
        n = len(features)
        # products of double length tell clips apart that nearly coincide far from the origin
        e = (features - features.mean(0)).double()
        squares, grad = e.square().sum(1), torch.zeros_like(e)
        total = features.new_zeros(())
        for start in range(0, n, step := max(1, AT_ONCE // n)):
            rows = slice(start, start + step)
            apart = (squares[rows, None] + squares).addmm_(e[rows], e.T, alpha=-2)
            apart = apart.clamp_(min=0).sqrt_()
            s = (apart / -temperature).to(features.dtype)
            s.diagonal(start).fill_(-torch.inf)
            terms, by_s = _anchors(s, (labels[rows, None] - labels).abs())
            total += terms
            pull = torch.where(apart > 0, by_s / (-temperature * apart), 0.0)
            grad[rows] += pull.sum(1, keepdim=True) * e[rows] - pull @ e
            grad += pull.sum(0)[:, None] * e - pull.T @ e[rows]
        pairs = n * (n - 1)
        ctx.save_for_backward((grad / pairs).to(features.dtype))
        return total / pairs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None, None]:
        return grad_outputs[0] * ctx.saved_tensors[0], None, None


def _anchors(
    s: Float[Tensor, "r n"], far: Float[Tensor, "r n"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "r n"]]:
    """Sum of the terms of some anchors, and its gradient by s; s of an anchor itself is -inf."""
    far, order = far.sort(dim=1)
    s = s.gather(1, order)
    itself = s == -torch.inf
    first = _first_of_ties(far)
    tails = s.flip(1).logcumsumexp(1).flip(1).gather(1, first)
    terms = (tails - s).masked_fill_(itself, 0.0)
    heads = (-tails).masked_fill_(itself, -torch.inf).logcumsumexp(1)
    # heads grow along a row: the greatest of a tie is the last
    heads = torch.full_like(s, -torch.inf).scatter_reduce_(1, first, heads, "amax").gather(1, first)
    by_s = ((s + heads).exp_() - 1).masked_fill_(itself, 0.0)
    return terms.sum(), torch.empty_like(s).scatter_(1, order, by_s)


def _first_of_ties(rows: Float[Tensor, "r n"]) -> Tensor:
    """Place of the first among equals, in sorted rows.

    >>> _first_of_ties(torch.tensor([[0.0, 2.0, 2.0, 3.0]]))
    tensor([[0, 1, 1, 3]])
    """
    places = torch.arange(rows.shape[1], device=rows.device).expand_as(rows).clone()
    places[:, 1:].masked_fill_(rows[:, 1:] == rows[:, :-1], 0)
    return places.cummax(1).values
