"""Networks round the sparse codes: sizes, blocks against plain formulas, ranges, gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.nn.lista import Lista
from septum.nn.sparse_parts import (
    START,
    Decoder,
    Doubling,
    Encoder,
    NonLocal,
    Residual,
    Thresholds,
    down,
)

PAPER = {"widths": (128, 512), "channels": 256}
TINY = {"widths": (16, 32), "channels": 24, "groups": 4}
DIMS = pytest.mark.parametrize("dims", [2, 3])


def millions(*parts):
    return sum(p.numel() for part in parts for p in part.parameters()) / 1e6


@pytest.mark.parametrize(
    ("dims", "expected"),
    [(2, (12.34, 6.64, 3.83, 0.13, 22.95)), (3, (34.9, 17.7, 10.9, 0.13, 63.6))],
)
def test_the_published_widths_have_the_published_numbers_of_parameters(dims, expected):
    with torch.device("meta"):
        parts = [Encoder(**PAPER, dims=dims), Decoder(**PAPER, dims=dims)]
        parts += [Thresholds(256, 512, dims=dims), Lista(256, 512)]
    found = [*map(millions, parts), millions(*parts)]
    assert found == pytest.approx(expected, abs=0.005 if dims == 2 else 0.05)


@pytest.mark.parametrize(
    ("image", "grid"), [((256, 256), (32, 32)), ((64, 96), (8, 12)), ((80, 80, 80), (10, 10, 10))]
)
def test_shapes_at_the_published_widths(image, grid):
    dims = len(grid)
    with torch.device("meta"):
        x = torch.zeros(2, 1, *image)
        e = Encoder(**PAPER, dims=dims)(x)
        alpha = Thresholds(256, 512, dims=dims)(e)
        y = Decoder(**PAPER, dims=dims)(e)
    assert e.shape == (2, 256, *grid)
    assert alpha.shape == (2, 512, *grid)
    assert y.shape == x.shape


@DIMS
def test_from_an_image_through_its_codes_to_an_image(dims):
    torch.manual_seed(0)
    encoder, decoder = Encoder(**TINY, dims=dims), Decoder(**TINY, dims=dims)
    thresholds, lista = Thresholds(24, 48, dims=dims), Lista(24, 48, signed=False)
    x = torch.rand(2, 1, *[16] * dims)
    e = encoder(x)
    alpha = thresholds(e)
    z = lista(e, alpha)
    y = decoder(lista.synthesise(z))
    assert ((y > 0) & (y < 1)).all()
    (y.square().sum() + (alpha * z).sum()).backward()
    for part in (encoder, decoder, thresholds, lista):
        for name, p in part.named_parameters():
            assert p.grad is not None, name
            assert p.grad.abs().sum() > 0, name


def test_untaught_thresholds_are_small_and_none_is_below_0():
    torch.manual_seed(0)
    thresholds = Thresholds(64, 128)
    e = 0.35 * torch.randn(4, 64, 8, 8)
    assert thresholds(e).mean().item() == pytest.approx(START, rel=0.1)
    for wild in (thresholds(1e4 * e), thresholds(-1e4 * e)):
        assert (wild >= 0).all()
        assert wild.isfinite().all()
        assert wild.std() > 1


@DIMS
def test_doubling_is_the_transposed_convolution(dims):
    torch.manual_seed(0)
    doubling, x = Doubling(3, 5, dims=dims), torch.randn(2, 3, 2, 3, 4)[(..., *[0] * (3 - dims))]
    kernel = doubling.cell.weight.view(*[2] * dims, 5, 3).movedim((-1, -2), (0, 1))
    transposed = (F.conv_transpose2d, F.conv_transpose3d)[dims - 2]
    torch.testing.assert_close(doubling(x), transposed(x, kernel, stride=2))


def test_places_attend_to_places():
    torch.manual_seed(0)
    block, x = NonLocal(6, dims=2).double(), torch.randn(2, 6, 3, 4, dtype=torch.float64)
    block.triple.weight.data *= 3
    theta, phi, g = block.triple.weight[:, :, 0, 0].chunk(3)
    for image, found in zip(x, block(x), strict=True):
        places = image.flatten(1).T
        votes = (places @ theta.T) @ (places @ phi.T).T
        shares = votes.exp() / votes.exp().sum(dim=1, keepdim=True)  # over those attended to
        seen = shares @ places @ g.T @ block.last.weight[:, :, 0, 0].T
        torch.testing.assert_close(found.flatten(1).T, places + seen)


def test_a_residual_block_keeps_what_its_relu_clips():
    block, x = Residual(4, dims=2), torch.randn(1, 4, 5, 5)
    nn.init.zeros_(block.body[-1].weight)
    assert (x < 0).any()
    assert torch.equal(block(x.clone()), x)


def test_picking_the_largest_before_the_relu_is_the_same():
    torch.manual_seed(0)
    block, x = down(3, 4, dims=2), torch.randn(2, 3, 6, 8)
    block[1].weight.data = torch.tensor([1.0, -1.0, 0.5, -2.0])
    expected = F.max_pool2d(F.relu(block[1](block[0](x))), 2)
    torch.testing.assert_close(block(x), expected)
    assert (expected == 0).any()


def test_bf16_says_the_same():
    torch.manual_seed(0)
    encoder, decoder = Encoder(**TINY), Decoder(**TINY)
    x = torch.rand(2, 1, 32, 32).to(memory_format=torch.channels_last)
    e = encoder(x)
    plain = decoder(e)
    with torch.autocast("cpu", torch.bfloat16):
        found = decoder(encoder(x))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, plain, atol=0.03, rtol=0)
    assert e.is_contiguous(memory_format=torch.channels_last)
