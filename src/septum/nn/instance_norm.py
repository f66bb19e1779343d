"""Instance norm that keeps the channels-last layout on a CPU.

Torch's own turns channels-last images into contiguous ones and back. For the few, wide maps of
ultrasound networks that costs more than the convolution between two norms. Here a channels-last
image is seen as rows of `w * c` neighbours in memory, so that every operation runs over long
vectors.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5
"""Added to the variance."""


class InstanceNorm(nn.Module):
    """Every channel of every image to zero mean and unit variance over its places.

    No affine part and no running statistics: the same in training and use.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Statistics are float32 in any precision."""
        by_rows = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
        # autograd's apply is untyped
        return _ByRows.apply(x) if by_rows else F.instance_norm(x, eps=EPSILON)  # pyright: ignore[reportReturnType]


class _ByRows(torch.autograd.Function):
    """y = (x - mean) / std; dx = (dy - mean(dy) - y mean(dy y)) / std."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = _rows(x)
        mean = _mean(rows, x.shape[1])
        variance = _mean(rows * rows, x.shape[1]) - mean**2
        scale = (variance.clamp(min=0) + EPSILON).rsqrt()
        y = (rows * _along(scale, rows)).sub_(_along(mean * scale, rows))
        ctx.save_for_backward(y, scale)
        ctx.size = x.shape
        return _image(y, x.shape)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Tensor:
        y, scale = ctx.saved_tensors
        g = _rows(grad_outputs[0])
        mean, slope = _mean(g, ctx.size[1]), _mean(g * y, ctx.size[1])
        g = (y * _along(-slope, y)).add_(g).sub_(_along(mean, g)).mul_(_along(scale, g))
        return _image(g, ctx.size)


def _rows(x: Tensor) -> Float[Tensor, "b h wc"]:
    b, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(b, h, w * c)


def _image(rows: Float[Tensor, "b h wc"], size: torch.Size) -> Tensor:
    b, c, h, w = size
    return rows.view(b, h, w, c).permute(0, 3, 1, 2)


def _mean(rows: Float[Tensor, "b h wc"], channels: int) -> Float[Tensor, "b c"]:
    # sums are taken in float32 whatever the type; a column's is rounded to bf16, their sum is not
    columns = rows.sum(dim=1).unflatten(1, (-1, channels))
    wide = torch.promote_types(rows.dtype, torch.float32)
    return columns.sum(dim=1, dtype=wide) / (rows.shape[1] * columns.shape[1])


def _along(value: Float[Tensor, "b c"], rows: Float[Tensor, "b h wc"]) -> Float[Tensor, "b 1 wc"]:
    return value.to(rows.dtype).repeat(1, rows.shape[2] // value.shape[1])[:, None]
