"""Moving a batch."""

from dataclasses import replace

import torch

from septum.contract import Batch


def on(batch: Batch, device: torch.device) -> Batch:
    """The batch with all its tensors on a device.

    >>> on(Batch(image=torch.zeros(1, 1, 2, 2)), torch.device("meta")).image.device
    device(type='meta')
    """
    return replace(
        batch,
        image=batch.image.to(device),
        sector=None if batch.sector is None else batch.sector.to(device),
        mask=None if batch.mask is None else batch.mask.to(device),
        labels={name: value.to(device) for name, value in batch.labels.items()},
        unpaired=None if batch.unpaired is None else batch.unpaired.to(device),
    )
