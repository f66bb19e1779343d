"""Losses on grids of discrete concepts and their styles (ConceptVAE, section 3.2).

Every mean is one of global sums, so that several processes minimise the loss of the whole batch.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from septum.nn.ranks import global_sum


def mean_where(value: Float[Tensor, "b h w"], where: Bool[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Mean of `value` over the places that hold; 0 where there are none.

    >>> mean_where(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[True, False]]])).item()
    1.0
    """
    return global_sum((value * where).sum()) / global_sum(where.sum().float()).clamp(min=1)


def categorical_kl(
    log_p: Float[Tensor, "*b c"], log_prior: Float[Tensor, " c"]
) -> Float[Tensor, "*b"]:
    """KL(p || prior) in nats from log-probabilities: finite in value and gradient at p = 0.

    >>> half = torch.tensor([0.5, 0.5]).log()
    >>> round(categorical_kl(torch.tensor([1.0, 1e-9]).log(), half).item(), 4)
    0.6931
    """
    log_p = log_p.float()
    return (log_p.exp() * (log_p - log_prior)).sum(dim=-1)


def smoothed_prior(allowed: Bool[Tensor, " c"], *, epsilon: float) -> Float[Tensor, " c"]:
    """Log of a prior uniform on the allowed classes, with `epsilon` spread over the others.

    The printed prior gives them no mass at all, which makes the divergence infinite.

    >>> smoothed_prior(torch.tensor([True, False, False]), epsilon=0.5).exp().tolist()
    [0.5, 0.25, 0.25]
    """
    inside, outside = allowed.sum(), (~allowed).sum()
    return torch.where(allowed, (1 - epsilon) / inside, epsilon / outside.clamp(min=1)).log()


def location_prior(
    log_p: Float[Tensor, "b c h w"], where: Bool[Tensor, "b 1 h w"], log_prior: Float[Tensor, " c"]
) -> Float[Tensor, ""]:
    """Mean KL of the concepts at the places that hold (Eq. 2, first line)."""
    return mean_where(categorical_kl(log_p.movedim(1, -1), log_prior), where[:, 0])


def prevalence(p: Float[Tensor, "b c h w"], where: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, " c"]:
    """Share of every concept over the places that hold (d of Eq. 2)."""
    total = global_sum((p.float() * where).sum(dim=(0, 2, 3)))
    return total / global_sum(where.sum().float()).clamp(min=1)


def batch_prior(
    p: Float[Tensor, "b c h w"], where: Bool[Tensor, "b 1 h w"], log_prior: Float[Tensor, " c"]
) -> Float[Tensor, ""]:
    """KL of the prevalence of concepts over the whole batch (Eq. 2, last line).

    0 where no place holds.
    """
    share = prevalence(p, where)
    held = share.sum() > 0
    return categorical_kl(share.clamp(min=1e-12).log(), log_prior) * held


def whitening(style: Float[Tensor, "b s h w"]) -> Float[Tensor, ""]:
    """Departure of styles from zero mean and unit covariance (L_style).

    `(|mean|^2 + |cov - I|_F^2) / S` over all places of the batch. Zero only when both hold;
    unchanged by a rotation of the styles.
    """
    mean, cov = moments(style)
    return ((mean**2).sum() + ((cov - torch.eye(len(mean), device=cov.device)) ** 2).sum()) / len(
        mean
    )


def moments(
    x: Float[Tensor, "b s h w"],
) -> tuple[Float[Tensor, " s"], Float[Tensor, "s s"]]:
    """Mean and covariance of channels over all places of the batch, in float32."""
    rows = x.float().movedim(1, -1).flatten(0, 2)
    count = global_sum(torch.tensor(float(len(rows)), device=x.device))
    mean = global_sum(rows.sum(dim=0)) / count
    return mean, global_sum((rows - mean).T @ (rows - mean)) / count


def consistency(
    log_p: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
    where: Bool[Tensor, "b h w"],
) -> Float[Tensor, ""]:
    """Cross-entropy of the concepts to the teacher's of the same place (L_cc).

    Mean over the places that hold; its minimum is the teacher's entropy, not 0.
    """
    return mean_where(-(target * log_p).sum(dim=1), where)


def transitions(
    concepts: Float[Tensor, "b c h w"], inside: Bool[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Mean squared difference of neighbouring one-hot concepts inside the sector (L_cluster).

    Twice the share of neighbours that differ: 0 on a constant map, 2 on a checkerboard.

    >>> map = torch.eye(2)[:, :, None, None].movedim(0, 2)[..., 0][None]
    >>> transitions(map.view(1, 2, 1, 2), torch.ones(1, 1, 1, 2, dtype=torch.bool)).item()
    2.0
    """
    total, count = concepts.new_zeros(()), concepts.new_zeros(())
    for dim in (2, 3):
        n = concepts.shape[dim]
        a, b = concepts.narrow(dim, 0, n - 1), concepts.narrow(dim, 1, n - 1)
        both = inside.narrow(dim, 0, n - 1) & inside.narrow(dim, 1, n - 1)
        total = total + (((a - b).float() ** 2) * both).sum()
        count = count + both.sum()
    return global_sum(total) / global_sum(count.float()).clamp(min=1)


def cross_covariance(
    style: Float[Tensor, "b s h w"], concepts: Float[Tensor, "b c h w"], *, window: int
) -> Float[Tensor, ""]:
    """Squared correlation of styles with the concepts around them.

    Mean over styles, sum over concepts and `window` x `window` neighbours; 0 when no style can
    be told linearly from any single neighbouring concept (XCov of Cheung et al., 2015,
    arXiv:1412.6583, carried from vectors to grids). Concepts are constants here: the penalty
    moves styles alone.
    """
    around = F.unfold(concepts.detach().float(), window, padding=window // 2)
    x = style.float().flatten(2).movedim(1, -1).flatten(0, 1)
    y = around.movedim(1, -1).flatten(0, 1)
    count = global_sum(torch.tensor(float(len(x)), device=x.device))
    x = x - global_sum(x.sum(dim=0)) / count
    y = y - global_sum(y.sum(dim=0)) / count
    cov = global_sum(y.T @ x) / count
    var_x = global_sum((x**2).sum(dim=0)) / count
    var_y = global_sum((y**2).sum(dim=0)) / count
    correlation = cov**2 / (var_x * var_y[:, None] + 1e-6)
    return correlation.sum() / x.shape[1]
