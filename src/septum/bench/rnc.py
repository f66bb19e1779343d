"""Rank-N-Contrast: the sorted rows of ours beside the masked form, at two sizes of batch.

The plain form is a mask of n x n per positive: what is nearer to an anchor than it is drops out of
the sum. With 32 clips both sides give the loss and its gradient. With 4,096 the plain side gives
the loss alone, and a few of its positives are timed and multiplied up; ours gives both, whole.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.losses.rank_n_contrast import rank_n_contrast

LENGTH = 512
"""Numbers of an embedding."""
FEW, MANY = 32, 4096
POSITIVES = 64
"""Of the many that the plain side is timed on."""
TURNS, ROUNDS = 20, 3


def rows(setting: Setting) -> Sequence[Row]:
    """Seconds of either side, how many times faster ours is, and the peak memory of ours.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled statistic), `unit`, `n`.
    """
    del setting
    few = f"RnC of {FEW} clips, loss and gradient"
    many = f"RnC of {MANY} clips (plain: loss alone, {POSITIVES} positives multiplied up)"
    peak = torch.tensor([timing.alone(peak_mb, MANY)], dtype=torch.float64).numpy()
    return [
        *timing.side_by_side(few, few_seconds, FEW, rounds=ROUNDS),
        *timing.side_by_side(many, many_seconds, MANY, POSITIVES, rounds=ROUNDS),
        timing.row(f"peak memory of {MANY} clips", max, peak, unit="MB"),
    ]


def clips(count: int) -> tuple[Float[Tensor, "n e"], Float[Tensor, " n"]]:
    """Embeddings of two views of films, and what they are to be ordered by."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, LENGTH, generator=generator)
    return features, (10 + 70 * torch.rand(count // 2, generator=generator)).repeat(2)


def plain(
    features: Float[Tensor, "n e"], labels: Float[Tensor, " n"], positives: Sequence[int]
) -> Float[Tensor, ""]:
    """Share of the loss of some positives, by a mask each."""
    n = len(features)
    s = -torch.cdist(features, features)
    apart, far = s.exp() * (1 - torch.eye(n)), (labels[:, None] - labels).abs()
    total = features.new_zeros(())
    for j in positives:
        sums = (apart * (far >= far[:, j : j + 1])).sum(1)
        terms = sums.log() - s[:, j]
        total = total + terms.sum() - terms[j]
    return total / (n * (n - 1))


def few_seconds(side: str, count: int) -> list[float]:
    """How long a loss and its gradient take on one core, turn after turn."""
    torch.set_num_threads(1)
    features, labels = clips(count)
    features.requires_grad_()
    losses: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: plain(features, labels, range(count)),
        "septum": lambda: rank_n_contrast(features, labels),
    }
    return [timing.seconds(lambda: _with_gradient(losses[side])) for _ in range(TURNS + 1)][1:]


def many_seconds(side: str, count: int, positives: int) -> list[float]:
    """How long it takes on one core, once: all of ours, or the loss alone the plain way."""
    torch.set_num_threads(1)
    features, labels = clips(count)
    if side == "septum":
        features.requires_grad_()
        ours = partial(rank_n_contrast, features, labels)
        return [timing.seconds(lambda: _with_gradient(ours))]
    with torch.no_grad():
        taken = timing.seconds(lambda: plain(features, labels, range(positives)))
    return [taken * count / positives]


def peak_mb(count: int) -> float:
    """Peak memory of this process after the loss and its gradient."""
    many_seconds("septum", count, 0)
    return timing.peak_mb()


def _with_gradient(loss: Callable[[], Tensor]) -> None:
    loss().backward()
