"""The head, part by part against the operations that it is made of."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.nn import upernet
from septum.nn.upernet import UPerNet

WIDTH = 32


def built(*, classes=3, dropout=0.0):
    torch.manual_seed(0)
    return UPerNet(c_in=16, width=WIDTH, classes=classes, dropout=dropout, auxiliary_width=16)


def levels(*sides, count=2):
    torch.manual_seed(1)
    return [torch.randn(count, 16, *sides) for _ in range(4)]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 12, 24])
def test_levels_are_blocks_in_order_and_end_with_the_last(depth):
    at = upernet.spread(depth)
    assert list(at) == sorted(at)
    assert at[0] >= 0
    assert at[-1] == depth - 1


@pytest.mark.parametrize(("grid", "half"), [((8, 8), (4, 4)), ((7, 9), (4, 5)), ((1, 1), (1, 1))])
def test_maps_are_brought_to_a_quarter_half_one_and_twice_the_stride(grid, half):
    h, w = grid
    maps = upernet.Scales(16)(levels(*grid))
    assert [tuple(m.shape[2:]) for m in maps] == [(4 * h, 4 * w), (2 * h, 2 * w), grid, half]


def test_the_third_map_is_left_alone_and_the_fourth_is_the_largest_of_four():
    given = levels(4, 4)
    _, _, third, fourth = upernet.Scales(16)(given)
    assert third is given[2]
    torch.testing.assert_close(
        fourth, given[3].unflatten(2, (2, 2)).unflatten(4, (2, 2)).amax((3, 5))
    )


def test_a_doubled_map_is_a_tile_of_two_by_two_per_cell():
    scales = upernet.Scales(16)
    given = levels(3, 3)
    found = scales.two(given[1])
    weight, bias = scales.two.weight, scales.two.bias
    at = torch.einsum("bi,iokl->bokl", given[1][:, :, 1, 2], weight) + bias[:, None, None]
    torch.testing.assert_close(found[:, :, 2:4, 4:6], at)


def test_regions_are_means_beside_the_map():
    """Means of 1, 4, 9 and 36 regions, enlarged; here each cell of 6 x 6 is a region."""
    torch.manual_seed(0)
    regions, x = upernet.Regions(16, WIDTH), torch.randn(2, 16, 6, 6)
    seen = []
    regions.joined.register_forward_pre_hook(lambda _, args: seen.append(args[0]))

    regions(x)

    beside = seen[0].split([16, WIDTH, WIDTH, WIDTH, WIDTH], dim=1)
    assert torch.equal(beside[0], x)
    for n, layers, found in zip((1, 2, 3, 6), regions.means, beside[1:], strict=True):
        side = 6 // n
        mean = x.unflatten(2, (n, side)).unflatten(4, (n, side)).mean((3, 5))
        expected = F.interpolate(layers[1:](mean), (6, 6), mode="bilinear", align_corners=False)
        torch.testing.assert_close(found, expected)


def test_tops_are_added_on_the_way_down_and_all_are_fused():
    net, given = built().eval(), levels(4, 4)
    seen = []
    net.fusion.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net.fused(given)

    def enlarged(x, side):
        return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)

    c2, c3, c4, c5 = net.scales(given)
    p5 = net.regions(c5)
    p4 = net.beside[2](c4) + enlarged(p5, 4)
    p3 = net.beside[1](c3) + enlarged(p4, 8)
    p2 = net.beside[0](c2) + enlarged(p3, 16)
    smooth = [layer(p) for layer, p in zip(net.smooth, (p2, p3, p4), strict=True)]
    expected = torch.cat([enlarged(p, 16) for p in (*smooth, p5)], dim=1)
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (8, 8), (56, 40)])
def test_logits_have_the_size_of_the_image(size):
    net, given = built(), levels(size[0] // 8, size[1] // 8)
    assert net(given, size).shape == (2, 3, *size)
    assert net.aside(given, size).shape == (2, 3, *size)


def test_the_auxiliary_head_sees_the_third_map_alone():
    net, given = built(), [level.requires_grad_() for level in levels(4, 4)]
    net.aside(given, (16, 16)).sum().backward()
    assert [level.grad is not None for level in given] == [False, False, True, False]


def test_every_level_and_every_part_but_the_auxiliary_one_is_used():
    net, given = built(), [level.requires_grad_() for level in levels(4, 4)]
    net(given, (16, 16)).square().sum().backward()
    assert all(level.grad.flatten(1).any(1).all() for level in given)
    unused = {name for name, p in net.named_parameters() if p.grad is None}
    assert {name.split(".")[0] for name in unused} == {"auxiliary"}


def test_an_image_is_drawn_alike_beside_any_others():
    net, given = built().train(), levels(4, 4, count=3)
    together = net(given, (16, 16))
    alone = net([level[:1] for level in given], (16, 16))
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)


def test_dropout_is_for_training_alone():
    net, given = built(dropout=0.5), levels(4, 4)
    assert not torch.equal(net(given, (16, 16)), net(given, (16, 16)))
    net.eval()
    assert torch.equal(net(given, (16, 16)), net(given, (16, 16)))


def test_the_number_of_parameters_is_that_counted_by_hand():
    """Of the published head on ViT-B; a norm has twice its channels."""
    with torch.device("meta"):
        net = UPerNet(c_in=768, width=768, classes=4, dropout=0.1, auxiliary_width=256)
    d, norm = 768, 2 * 768
    scales = 3 * (4 * d * d + d) + norm
    regions = 4 * (d * d + norm) + 9 * (5 * d) * d + norm
    finer = 3 * (d * d + norm) + 3 * (9 * d * d + norm)
    last = 9 * (4 * d) * d + norm + 4 * (d + 1)
    auxiliary = 9 * d * 256 + 2 * 256 + 4 * (256 + 1)
    assert sum(p.numel() for p in net.parameters()) == scales + regions + finer + last + auxiliary
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
