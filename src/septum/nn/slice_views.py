"""Flips, quarter turns and shifts: views of slices in which neither sizes nor shapes change."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from septum.contract import Batch
from septum.nn.ranks import draw


def sample(count: int, share: float, device: torch.device) -> Int[Tensor, "count 3"]:
    """How images are shown: by the rows, by the columns, and quarter turns.

    Args:
        count: Images.
        share: Probability of each of the two flips and of a turn, which is one of three.
        device: Where.

    >>> sample(2, 0.0, torch.device("cpu"))
    tensor([[0, 0, 0],
            [0, 0, 0]])
    """
    u = draw(torch.rand, (count, 4), device=device)
    flips = (u[:, :2] < share).long()
    turns = (u[:, 2] < share).long() * (1 + (3 * u[:, 3]).long().clamp(max=2))
    return torch.cat([flips, turns[:, None]], dim=1)


def shown(image: Tensor, view: Int[Tensor, "b 3"]) -> Tensor:
    """Images or masks `b *any h w` in their views; height and width are equal where any is turned.

    >>> shown(torch.tensor([[[1, 2], [3, 4]]]), torch.tensor([[1, 0, 0]]))
    tensor([[[3, 4],
             [1, 2]]])
    """
    rows, columns, turns = (which.view(-1, *[1] * (image.dim() - 1)) for which in view.unbind(1))
    found = torch.where(rows > 0, image.flip(-2), image)
    found = torch.where(columns > 0, found.flip(-1), found)
    for turn in (1, 2, 3):
        if bool((turns == turn).any()):
            found = torch.where(turns == turn, torch.rot90(found, turn, (-2, -1)), found)
    return found


def shifted(image: Tensor, by: Int[Tensor, "b 2"]) -> Tensor:
    """Images or masks `b *any h w`, moved down and to the right by so many pixels; edges repeat.

    >>> shifted(torch.tensor([[[1, 2], [3, 4]]]), torch.tensor([[0, 1]]))
    tensor([[[1, 1],
             [3, 3]]])
    """
    height, width = image.shape[-2:]
    rows = (torch.arange(height, device=image.device) - by[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width, device=image.device) - by[:, 1:]).clamp(0, width - 1)
    flat = image.flatten(1, -3) if image.dim() > 3 else image[:, None]
    each = torch.arange(len(image), device=image.device)[:, None, None]
    found = flat.movedim(1, -1)[each, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    return found.reshape(image.shape)


def viewed(batch: Batch, share: float, *, shift_px: int = 0) -> Batch:
    """A batch in random views, masks with their images; labels are taken not to change.

    Args:
        batch: Slices, or volumes of them.
        share: Of flips and turns, as for `sample`.
        shift_px: Furthest shift along an axis, either way.
    """
    count, where = len(batch.image), batch.image.device
    view = sample(count, share, where)
    if batch.image.shape[-1] != batch.image.shape[-2]:
        view[:, 2] = 2 * (view[:, 2] % 2)  # quarter turns would lie across
    by = torch.round((2 * draw(torch.rand, (count, 2), device=where) - 1) * shift_px).long()
    mask = None if batch.mask is None else shifted(shown(batch.mask, view), by)
    return replace(batch, image=shifted(shown(batch.image, view), by), mask=mask)
