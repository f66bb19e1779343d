"""The pictures of codes: what is rendered from one, and from those between two."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from septum.tasks.drawing import show

ERROR = "magma"
"""Black at 0, and ever lighter."""
GAP = 3
"""White pixels between images of a strip."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An image and its reconstruction, in [0, 1], under a name."""

    image: Float[Tensor, "H W"]
    again: Float[Tensor, "H W"]
    name: str


@dataclass(frozen=True, kw_only=True)
class Way:
    """Images from one to another, in [0, 1].

    Attributes:
        notes: One below each image.
    """

    images: Float[Tensor, "steps H W"]
    name: str
    notes: Sequence[str]


def middle(image: Float[Tensor, "1 *d h w"]) -> Float[Tensor, "h w"]:
    """The image, or the middle slice of a volume.

    >>> import torch
    >>> middle(torch.arange(3.0).view(1, 3, 1, 1))
    tensor([[1.]])
    """
    slices = image.flatten(0, -3) if image.ndim > 3 else image
    return slices[len(slices) // 2]


def reconstructions(rows: Sequence[Comparison]) -> Figure:
    """Image, reconstruction and absolute difference, a row each; differences have one scale."""
    height, width = rows[0].image.shape
    figure = Figure(figsize=(7.2, 2.1 * len(rows) * height / width + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    gaps = [(row.image - row.again).abs() for row in rows]
    colours = ScalarMappable(Normalize(0, max(float(gap.max()) for gap in gaps) or 1.0), ERROR)
    for (first, second, third), row, gap in zip(grid, rows, gaps, strict=True):
        show(first, row.image)
        show(second, row.again)
        show(third, gap)
        third.images[0].set(cmap=ERROR, norm=colours.norm)
        first.set_ylabel(row.name, fontsize="small")
    for axes, head in zip(grid[0], ("image", "reconstruction", "|difference|"), strict=True):
        axes.set_title(head, fontsize="small")
    figure.colorbar(colours, ax=grid[:, 2], shrink=min(1.0, 2 / len(rows)), aspect=30)
    return figure


def interpolations(rows: Sequence[Way], *, shares: Sequence[float]) -> Figure:
    """A way per row, its notes below; heads are the shares of the code at its end."""
    height, width = rows[0].images.shape[1:]
    size = (1.25 * len(shares) + 0.4, (1.25 * height / width + 0.25) * len(rows) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    step = width + GAP
    centres = [step * i + (width - 1) / 2 for i in range(len(shares))]
    for axes, row in zip(grid, rows, strict=True):
        strip = F.pad(row.images, (0, GAP), value=1.0)
        show(axes, strip.movedim(0, 1).flatten(1)[:, :-GAP])
        axes.set_xticks(centres, row.notes, fontsize="x-small")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_ylabel(row.name, fontsize="small")
    above = grid[0].secondary_xaxis("top")
    above.set_xticks(centres, [f"{share:g}" for share in shares], fontsize="small")
    above.tick_params(length=0)
    above.spines[:].set_visible(False)
    return figure
