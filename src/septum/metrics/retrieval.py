"""Ranked retrieval: average precision of the first five hits, in its two common readings."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def map5(match: Bool[Tensor, "q 5"]) -> Float[Tensor, " q"]:
    """Mean of the precisions at the matches among the first five results; 0 without a match.

    What torchmetrics calls `RetrievalMAP(top_k=5)`: it averages over the matches *retrieved*, so
    one match at rank 1 is worth 1.0 however many are missed.

    >>> map5(torch.tensor([[True, False, True, False, False]]))  # (1 + 2/3) / 2
    tensor([0.8333])
    """
    return _precisions_at_matches(match) / match.sum(1).clamp(min=1)


def map5_strict(match: Bool[Tensor, "q 5"], relevant: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
    """Sum of the precisions at the matches over min(5, relevant): missed matches count.

    Args:
        match: Whether the result at rank 1 to 5 is a match.
        relevant: How many matches the pool holds, at least 1.

    >>> map5_strict(torch.tensor([[True, False, True, False, False]]), torch.tensor([4]))
    tensor([0.4167])
    """
    return _precisions_at_matches(match) / relevant.clamp(max=5)


def _precisions_at_matches(match: Bool[Tensor, "q k"]) -> Float[Tensor, " q"]:
    rank = torch.arange(1, match.shape[1] + 1, device=match.device)
    return (match.cumsum(1) / rank * match).sum(1)
