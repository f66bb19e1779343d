"""Losses that tie codes to attributes (Attri-SSC-VAE, section 3.2).

n images, m other images, atoms of a dictionary. The first is that of Pati, Lerch, Attribute-based
Regularization of Latent Spaces for Variational Auto-Encoders, Neural Computing and Applications
33, 2021, arXiv:2004.05485.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

EMPTY = 1e-12
"""A code whose coefficients have this mean magnitude altogether, or less, uses no atom."""


def attribute_regularisation(
    said: Float[Tensor, "n attributes"],
    true: Float[Tensor, "n attributes"],
    others_said: Float[Tensor, "m attributes"] | None = None,
    others_true: Float[Tensor, "m attributes"] | None = None,
    *,
    delta: float,
) -> Float[Tensor, " attributes"]:
    """How far images are from the order of their attributes, by attribute (eq. 10).

    Mean over ordered pairs (p, q) of |tanh(delta (said_p - said_q)) - sgn(true_p - true_q)|: 0 in
    the right order with wide gaps, about 2 in the reverse, 0 of an image with itself. It is float32
    under autocast too. Of several processes each has pairs of its own.

    Args:
        said: Proxies, a^.
        true: Attributes, a, in any scale; NaN where unknown. Pairs with an unknown are left out,
            and an attribute without any pair is 0, in value and gradient.
        others_said: Of images that take the place of q; the images themselves by default.
        others_true: Of the same.
        delta: Sharpness.

    >>> a = torch.tensor([[1.0], [2.0]])
    >>> attribute_regularisation(-a, a, delta=100.0)  # pairs: 0, 2, 2, 0
    tensor([1.])
    """
    said = said.to(torch.promote_types(said.dtype, torch.float32))
    q_said = said if others_said is None else others_said.to(said.dtype)
    q_true = true if others_true is None else others_true
    apart = true[:, None] - q_true
    known = ~apart.isnan()
    off = (torch.tanh(delta * (said[:, None] - q_said)) - apart.sign().to(said.dtype)).abs()
    # filled, not multiplied: a NaN times 0 would stay one, in the gradient too
    return off.masked_fill(~known, 0.0).sum((0, 1)) / known.sum((0, 1)).clamp(min=1)


def group_sparsity(
    w: Float[Tensor, "attributes atoms"], *, rows: float, columns: float
) -> Float[Tensor, ""]:
    """L_GS as printed (eq. 12): rows Σ_m |W_m:|_1 + columns Σ_n |W_:n|_1.

    Both sums are that of all entries, so that it is (rows + columns) |W|_1 and knows neither rows
    nor columns; `group_lasso` does.

    >>> group_sparsity(torch.tensor([[1.0, -2.0]]), rows=10.0, columns=10.0)
    tensor(60.)
    """
    return (rows + columns) * w.abs().sum()


def group_lasso(
    w: Float[Tensor, "attributes atoms"], *, rows: float, columns: float
) -> Float[Tensor, ""]:
    """Euclidean norms of rows and of columns, summed: whole rows and columns become 0.

    Yuan, Lin, Model Selection and Estimation in Regression with Grouped Variables, JRSS B 68(1),
    2006, doi:10.1111/j.1467-9868.2005.00532.x, without weights for the size of a group. Where a row
    or column is 0 its norm has the gradient 0.

    >>> group_lasso(torch.tensor([[3.0, 4.0]]), rows=2.0, columns=1.0)  # 2 · 5 + 3 + 4
    tensor(17.)
    """
    norm = torch.linalg.vector_norm
    return rows * norm(w, dim=1).sum() + columns * norm(w, dim=0).sum()


def shrink(
    w: Float[Tensor, "attributes atoms"], threshold: float
) -> Float[Tensor, "attributes atoms"]:
    """The W' that minimises |W' - W|² / 2 + threshold |W'|_1: every entry so much nearer to 0.

    >>> shrink(torch.tensor([[3.0, 0.5, -2.0]]), 1.0)
    tensor([[ 2.,  0., -1.]])
    """
    return F.softshrink(w, threshold)


def kept_rows(w: Float[Tensor, "attributes atoms"], k: int) -> Bool[Tensor, "attributes atoms"]:
    """The k entries of largest magnitude in every row; of equal ones the first.

    >>> kept_rows(torch.tensor([[1.0, -2.0, 2.0]]), 1).tolist()
    [[False, True, False]]
    """
    places = w.abs().argsort(dim=1, descending=True, stable=True)[:, :k]
    return torch.zeros_like(w, dtype=torch.bool).scatter_(1, places, value=True)


def usage(z: Float[Tensor, "b k *n"]) -> Float[Tensor, "b k"]:
    """Share of every atom in an image: its mean magnitude over the grid (eq. 7), divided by all.

    Shares sum to 1. A code of zeros, which has none, uses all atoms alike, with gradient 0.

    >>> usage(torch.tensor([[[1.0, -1.0], [3.0, 3.0]]]))
    tensor([[0.2500, 0.7500]])
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    u = z.abs().reshape(*z.shape[:2], -1).mean(2)
    total = u.sum(1, keepdim=True)
    used = total > EMPTY
    return torch.where(used, u / torch.where(used, total, 1.0), 1 / u.shape[1])
