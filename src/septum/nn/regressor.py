"""Heads that turn an embedding into one number."""

from torch import nn


def shallow(width: int, *, start: float, dropout: float = 0.4) -> nn.Sequential:
    """F_R of CoReEcho (arXiv:2403.10164, section 2.1): two layers, norm and dropout before each.

    Args:
        width: Numbers of an embedding.
        dropout: Share of the numbers that a layer does not see in training.
        start: Bias of the last layer: the mean of what is to be estimated.
    """
    return nn.Sequential(
        nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, width),
        nn.BatchNorm1d(width), nn.GELU(), nn.Dropout(dropout), linear(width, start=start),
    )  # fmt: skip


def linear(width: int, *, start: float) -> nn.Linear:
    """One layer whose bias begins at `start`.

    >>> linear(4, start=55.5).bias.tolist()
    [55.5]
    """
    layer = nn.Linear(width, 1)
    nn.init.constant_(layer.bias, start)
    return layer
