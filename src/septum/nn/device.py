"""Where a model works, and moving a batch there."""

from dataclasses import replace

import torch
from torch import nn

from septum.contract import Batch


def device_of(model: object) -> torch.device:
    """Where the model works: where its parameters lie, or the CPU if it has none."""
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device


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
