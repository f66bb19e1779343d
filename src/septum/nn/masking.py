"""Which patches of an image are hidden, and its pixels patch by patch.

Chance is drawn in `sample`; images are taken apart and put together without any.

    image --patched--> patches      hidden --sample, u x u cells at a time
    image, drawn patches, hidden --filled--> image: the real pixels, and drawn ones where hidden

Units of 32 pixels are those of SimMIM (Xie et al., CVPR 2022, arXiv:2111.09886, section 3.2), 60 %
of them hidden as in USFM, which took them over for ultrasound (Jiao et al., Medical Image Analysis
96, 2024, arXiv:2401.00153).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from septum.contract import BadInput
from septum.nn.ranks import draw


def sample(
    count: int, grid: tuple[int, int], *, share: float, unit: int, device: torch.device
) -> Bool[Tensor, "b h w"]:
    """True at the hidden cells of every image: as many whole units in each, drawn without a bias.

    Args:
        count: Images of this process.
        grid: Rows and columns of cells.
        share: Of the units that are hidden, in [0, 1]; rounded to a whole number of units.
        unit: Side of a unit in cells. Units at the lower and right edge are cut where the grid
            ends.
        device: Of the masks.

    >>> sample(2, (6, 4), share=0.5, unit=2, device=torch.device("cpu")).sum((1, 2)).tolist()
    [12, 12]
    """
    h, w = grid
    rows, columns = -(-h // unit), -(-w // unit)
    u = draw(torch.rand, (count, rows * columns), device=device)
    rank = u.argsort(dim=1).argsort(dim=1)
    hidden = (rank < round(share * rows * columns)).unflatten(1, (rows, columns))
    wide = hidden.repeat_interleave(unit, 1).repeat_interleave(unit, 2)
    return wide[:, :h, :w]


def patched(image: Float[Tensor, "b 1 H W"], patch_px: int) -> Float[Tensor, "b h w p"]:
    """The pixels of every patch, row by row.

    Raises:
        BadInput: If the sides are no multiples of a patch.

    >>> patched(torch.arange(8.0).view(1, 1, 2, 4), 2).tolist()
    [[[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]]
    """
    height, width = image.shape[2:]
    if height % patch_px or width % patch_px:
        raise BadInput(
            f"Images of {height} x {width} pixels do not fall into patches of {patch_px} x "
            f"{patch_px}; prepare them at multiples of {patch_px}."
        )
    cut = image[:, 0].unflatten(2, (-1, patch_px)).unflatten(1, (-1, patch_px))
    return cut.transpose(2, 3).flatten(3)


def joined(patches: Float[Tensor, "b h w p"], patch_px: int) -> Float[Tensor, "b 1 H W"]:
    """The image of its patches: the inverse of `patched`."""
    square = patches.unflatten(3, (patch_px, patch_px)).transpose(2, 3)
    return square.flatten(3).flatten(1, 2)[:, None]


def filled(
    image: Float[Tensor, "b 1 H W"],
    drawn: Float[Tensor, "b h w p"],
    hidden: Bool[Tensor, "b h w"],
    patch_px: int,
) -> Float[Tensor, "b 1 H W"]:
    """The image with the drawn patches where it was hidden, in the precision of the image."""
    where = hidden.repeat_interleave(patch_px, 1).repeat_interleave(patch_px, 2)[:, None]
    return torch.where(where, joined(drawn, patch_px).to(image.dtype), image)
