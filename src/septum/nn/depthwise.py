"""Depth-wise convolutions of clips, with gradients that a processor finds fast.

Forwards torch has a fast kernel for them, backwards it falls back on a slow one. Both gradients are
convolutions again, and here they are asked for as such:

* that of the input is the same convolution with the kernel turned round;
* that of the kernel is, for every step in time, one of images, taken three columns of the kernel at
  a time: the widest that torch has a fast kernel for.

Elsewhere than on a processor it is torch's convolution.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

CLIPS_LAST = torch.channels_last_3d
COLUMNS = 3


def depthwise(x: Float[Tensor, "b c t h w"], conv: nn.Conv3d) -> Float[Tensor, "b c t h w"]:
    """What `conv` says: an odd cube from 3 on, a bias per channel, and as many cells as before."""
    if x.device.type != "cpu" or conv.bias is None:
        return conv(x)
    given = (x, conv.weight, conv.bias)
    if torch.is_autocast_enabled("cpu"):
        given = tuple(tensor.to(torch.get_autocast_dtype("cpu")) for tensor in given)
    # autograd's apply is untyped
    return _Depthwise.apply(*given)  # pyright: ignore[reportReturnType]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x = x.contiguous(memory_format=CLIPS_LAST)
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous(memory_format=CLIPS_LAST)
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _convolved(grad, weight.flip(2, 3, 4), None) if of_x else None,
            _of_kernel(x, grad, weight) if of_weight else None,
            grad.sum((0, 2, 3, 4)) if of_bias else None,
        )


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv3d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))


def _of_kernel(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Gradient of the loss by the kernel: every step in time and triple of columns by itself."""
    side, (t, width) = weight.shape[-1], (x.shape[2], x.shape[4])
    margin = side // 2
    around = F.pad(x.permute(2, 0, 3, 4, 1), (0, 0, margin, margin, 0, 0, 0, 0, margin, margin))
    wanted = _images(grad.permute(2, 0, 3, 4, 1))
    found = torch.empty_like(weight)
    for left in range(0, side - COLUMNS + 1, COLUMNS - 1):
        columns = around[..., left : left + width + COLUMNS - 1, :].contiguous()
        for i in range(side):
            found[:, :, i, :, left : left + COLUMNS] = _of_columns(
                _images(columns[i : i + t]), wanted, margin, weight[:, :, i, :, :COLUMNS]
            )
    return found


def _images(clips: Tensor) -> Tensor:
    """All frames of clips, `t b h w c`, as channels-last images."""
    return clips.flatten(0, 1).contiguous().permute(0, 3, 1, 2)


def _of_columns(x: Tensor, grad: Tensor, margin: int, like: Tensor) -> Tensor:
    """Gradient of images by a kernel of `side` rows and three columns."""
    # its stubs know no padding that differs between rows and columns
    return conv2d_weight(
        x,
        list(like.shape),
        grad,
        padding=(margin, 0),  # pyright: ignore[reportArgumentType]
        groups=len(like),
    )
