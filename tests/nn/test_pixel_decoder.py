import pytest
import torch

from septum.nn import masking
from septum.nn.pixel_decoder import PixelDecoder
from septum.nn.vit import sincos


def decoder(**changes):
    torch.manual_seed(0)
    return PixelDecoder(
        **{"width": 12, "inner": 16, "depth": 2, "heads": 4, "patch_px": 4} | changes
    )


@pytest.mark.parametrize("grid", [(3, 5), (4, 4), (1, 2)])
def test_every_cell_becomes_the_pixels_of_its_patch(grid):
    patches = decoder()(torch.randn(2, 12, *grid))
    assert patches.shape == (2, *grid, 16)
    assert masking.joined(patches, 4).shape == (2, 1, 4 * grid[0], 4 * grid[1])


def test_without_blocks_it_is_two_layers_and_a_norm_at_every_place():
    bare = decoder(depth=0)
    cells = torch.randn(2, 12, 3, 5)
    patches = bare(cells)
    for b, y, x in ((0, 0, 0), (1, 2, 1), (1, 0, 4)):
        seen = bare.into.weight @ cells[b, :, y, x] + bare.into.bias + sincos(16, 3, 5)[0, :, y, x]
        seen = (seen - seen.mean()) / (seen.var(correction=0) + 1e-6).sqrt()
        expected = bare.last.weight @ seen + bare.last.bias
        torch.testing.assert_close(patches[b, y, x], expected)


def test_cells_look_at_one_another_within_an_image():
    cells = torch.randn(2, 12, 3, 4)
    shaken = cells.clone()
    shaken[0, :, 1, 2] += 1
    one, other = decoder()(cells), decoder()(shaken)
    assert ((one - other)[0].abs().amax(2) > 1e-6).all()
    torch.testing.assert_close(one[1], other[1])


def test_places_that_are_given_the_same_are_told_apart():
    patches = decoder()(torch.ones(1, 12, 3, 4)).flatten(1, 2)[0]
    apart = torch.cdist(patches, patches) + torch.eye(12)
    assert apart.min() > 1e-3


def test_the_default_of_the_paper_size_has_as_many_parameters_as_counted():
    with torch.device("meta"):
        wide = PixelDecoder(width=768, inner=512, depth=2, heads=8, patch_px=16)
    block = 4 * 512**2 + 4 * 512 + 8 * 512**2 + 5 * 512 + 4 * 512  # attention, MLP, two norms
    ends = 769 * 512 + 513 * 256 + 2 * 512
    assert sum(p.numel() for p in wide.parameters()) == 2 * block + ends


def test_the_last_layer_is_the_one_that_draws():
    it = decoder()
    with torch.no_grad():
        it.last.weight.zero_()
        it.last.bias.copy_(torch.arange(16.0))
    assert torch.equal(it(torch.randn(1, 12, 2, 2))[0, 1, 0], torch.arange(16.0))


def test_under_autocast_it_draws_the_same_but_for_rounding():
    it, cells = decoder(), torch.randn(2, 12, 3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        patches = it(cells)
    torch.testing.assert_close(patches.float(), it(cells), atol=0.03, rtol=0.03)
