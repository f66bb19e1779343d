"""A batch of which some images have a mask, as models see it that learn to segment.

batch --annotated--> images and masks --one_hot--> structures
      --others-----> images alone
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Samples
from septum.nn import rotation


def annotated(batch: Batch) -> Batch:
    """The images that have a mask; perhaps none."""
    if batch.mask is None:
        return rows(batch, torch.zeros(len(batch.image), dtype=torch.bool))
    return rows(batch, (batch.mask >= 0).flatten(1).any(1))


def others(batch: Batch) -> Batch:
    """The images that have none; perhaps none."""
    if batch.mask is None:
        return batch
    return rows(batch, ~(batch.mask >= 0).flatten(1).any(1))


def rows(batch: Batch, keep: Tensor) -> Batch:
    """Some of the images, with what is known of them."""
    return replace(
        batch,
        image=batch.image[keep],
        sector=None if batch.sector is None else batch.sector[keep],
        mask=None if batch.mask is None else batch.mask[keep],
        labels={name: value[keep] for name, value in batch.labels.items()},
        texts={name: _kept(values, keep) for name, values in batch.texts.items()},
        ids=_kept(batch.ids, keep),
    )


def _kept(words: Sequence[str], keep: Tensor) -> list[str]:
    return [word for word, kept in zip(words, keep.tolist(), strict=True) if kept]


def turned(batch: Batch, degrees: float) -> Batch:
    """Every image turned by an angle up to `degrees` either way, its mask with it."""
    if not degrees:
        return batch
    angle = rotation.sample(len(batch.image), degrees, batch.image.device)
    mask = None if batch.mask is None else rotation.turned_mask(batch.mask, angle)
    return replace(batch, image=rotation.turned(batch.image, angle), mask=mask)


def turned_mask(mask: Int[Tensor, "b h w"], degrees: float) -> Int[Tensor, "b h w"]:
    """Masks without images, every one turned by an angle up to `degrees` either way."""
    if not degrees:
        return mask
    return rotation.turned_mask(mask, rotation.sample(len(mask), degrees, mask.device))


def structures(mask: Int[Tensor, "b h w"], count: int) -> Float[Tensor, "b l h w"]:
    """One map per structure, without the background; 0 all over where nothing is known.

    >>> structures(torch.tensor([[[0, 1, 2, -1]]]), 2)[0, :, 0].tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    hot = F.one_hot(mask.clamp(min=0), count + 1)[..., 1:]
    return hot.permute(0, 3, 1, 2).float()


def learns_from(samples: Samples, *, multiple: int) -> tuple[int, tuple[int, int]]:
    """How many structures there are to segment, and the height and width of the images.

    Raises:
        BadInput: There are no masks, or the sides are no multiples of this number of pixels.
    """
    count = len(samples.classes) - 1
    height, width = samples.batch([0]).image.shape[-2:]
    if not count:
        raise BadInput(
            f"{samples.name} has no masks with common classes to learn from; choose a data set "
            "that has, such as acdc, camus or phantom, or name common classes by --classes."
        )
    if height % multiple or width % multiple:
        raise BadInput(
            f"Images of {height} x {width} pixels do not fit a network that halves them; prepare "
            f"them at multiples of {multiple}."
        )
    return count, (height, width)
