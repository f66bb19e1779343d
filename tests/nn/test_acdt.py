"""The deformable block against a plain one, convolutions, loops and `grid_sample`."""

import math

import pytest
import torch
from torch.nn import functional as F

from septum.nn import acdt
from septum.nn.acdt import AcdtBlock, deformed, taps
from septum.nn.vit import Block

WAYS = (acdt.by_rows, acdt.by_grid_sample)
GRID = (4, 6)


def block(organs=3, width=16):
    torch.manual_seed(0)
    return AcdtBlock(width=width, heads=2, organs=organs, reach=2.0)


def bent(organs=3):
    """A block that displaces."""
    found = block(organs)
    torch.nn.init.normal_(found.displace[-1].weight, std=0.5)
    torch.nn.init.normal_(found.weight)
    return found


def tokens(width=16, count=3):
    return torch.randn(
        count, 1 + math.prod(GRID), width, generator=torch.Generator().manual_seed(1)
    )


def still(count, grid=GRID):
    """Regular taps everywhere."""
    return taps()[None, :, :, None, None].expand(count, -1, -1, *grid)


def drawn(dtype=torch.float64, grid=GRID):
    """Cells, offsets far from integers, some of them outside, and weights."""
    torch.manual_seed(2)
    offsets = torch.randint(-3, 3, (2, 9, 2, *grid)) + torch.rand(2, 9, 2, *grid) * 0.6 + 0.2
    cells, weight = torch.randn(2, 4, *grid), torch.randn(4, 9)
    return [t.to(dtype).requires_grad_() for t in (cells, offsets, weight)]


def one_hot(index, organs=3):
    return F.one_hot(torch.tensor(index), organs).float()


# the sampling


def test_no_displacement_is_a_depth_wise_convolution():
    cells, _, weight = drawn()
    kernel = weight.unflatten(1, (1, 3, 3))
    wanted = F.conv2d(cells, kernel, padding=1, groups=4)
    for way in WAYS:
        torch.testing.assert_close(way(cells, still(2).double(), weight), wanted)


def test_a_displacement_of_whole_cells_is_a_shifted_convolution_inside():
    cells, _, weight = drawn(grid=(7, 8))
    kernel = weight.unflatten(1, (1, 3, 3))
    down, right = 1, -2
    whole = F.conv2d(cells, kernel, padding=1, groups=4)
    wanted = whole.roll((-down, -right), dims=(2, 3))[:, :, 1:5, 3:7]
    moved = still(2, (7, 8)).double() + torch.tensor([down, right])[:, None, None]
    for way in WAYS:
        torch.testing.assert_close(way(cells, moved, weight)[:, :, 1:5, 3:7], wanted)


def test_samples_are_bilinear_and_black_outside():
    """Cell by cell, by the formula."""
    cells, offsets, weight = drawn()
    h, w = GRID
    wanted = torch.zeros_like(cells)
    for b, k, i, j in torch.cartesian_prod(*map(torch.arange, (2, 9, h, w))).tolist():
        y, x = (torch.tensor([i, j]) + offsets[b, k, :, i, j]).tolist()
        for row, column in ((r, c) for r in range(h) for c in range(w)):
            share = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
            wanted[b, :, i, j] += weight[:, k] * share * cells[b, :, row, column]
    for way in WAYS:
        torch.testing.assert_close(way(cells, offsets, weight), wanted)


def test_gradients_are_right_where_offsets_are_not_whole():
    for way in WAYS:
        assert torch.autograd.gradcheck(way, drawn(grid=(2, 3)))


@pytest.mark.parametrize("grid", [(4, 6), (1, 3), (5, 1)])
def test_both_ways_have_the_same_gradients(grid):
    given = drawn(grid=grid)
    found = [way(*given) for way in WAYS]
    torch.testing.assert_close(*found)
    gradients = [torch.autograd.grad(y.square().sum(), given) for y in found]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_does_not_vanish_on_the_kink_where_training_begins():
    """It is that to the right of it: the difference of two neighbours."""
    cells, _, _ = drawn()
    offsets = still(2).double().clone().requires_grad_()
    weight = F.one_hot(torch.tensor([acdt.CENTRE] * 4), 9).double()
    deformed(cells, offsets, weight).sum().backward()
    wanted = cells.diff(dim=3, append=torch.zeros(2, 4, 4, 1)).sum(1)
    torch.testing.assert_close(offsets.grad[:, acdt.CENTRE, 1], wanted)


def test_offsets_stay_exact_under_autocast():
    """At cell 300 half precision would miss by a whole cell."""
    cells = torch.arange(400.0).view(1, 1, 1, 400)
    offsets = torch.zeros(1, 9, 2, 1, 400)
    offsets[:, acdt.CENTRE, 1] = 0.25
    weight = F.one_hot(torch.tensor([acdt.CENTRE]), 9).float()
    for way in (*WAYS, deformed):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = way(cells, offsets, weight)
        torch.testing.assert_close(y[..., :399], cells[..., :399] + 0.25, rtol=1e-5, atol=1e-4)


# the block


def test_at_first_it_is_the_block_of_a_vit():
    plain, deforming, x = Block(width=16, heads=2), block(), tokens()
    missing, unexpected = deforming.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"context", "displace", "weight"}
    y = deforming(x, GRID, one_hot([0, 1, 2]))
    torch.testing.assert_close(y, plain(x), rtol=0, atol=1e-6)


def test_grid_sample_gives_that_block_too_and_is_called_once(monkeypatch):
    calls, genuine = [], F.grid_sample
    monkeypatch.setattr(acdt, "by_rows", acdt.by_grid_sample)
    monkeypatch.setattr(F, "grid_sample", lambda *a, **k: calls.append(a) or genuine(*a, **k))
    plain, deforming, x = Block(width=16, heads=2), block(), tokens()
    deforming.load_state_dict(plain.state_dict(), strict=False)
    y = deforming(x, GRID, one_hot([0, 1, 2]))
    assert len(calls) == 1
    torch.testing.assert_close(y, plain(x), rtol=0, atol=1e-5)


def test_an_organ_is_seen_only_through_its_context_and_the_displacement():
    x, organs = tokens(), (one_hot([0, 1, 2]), one_hot([1, 2, 0]))
    for silent in ("context", "displace", None):
        deforming = bent()
        for parameter in () if silent is None else getattr(deforming, silent).parameters():
            torch.nn.init.zeros_(parameter)
        one, other = (deforming(x, GRID, organ) for organ in organs)
        assert torch.equal(one, other) == (silent is not None)


def test_one_step_is_enough_to_see_the_organ():
    deforming, x = block(), tokens()
    one, other = one_hot([0, 1, 2]), one_hot([1, 2, 0])
    assert torch.equal(deforming(x, GRID, one), deforming(x, GRID, other))
    optimiser = torch.optim.SGD(deforming.parameters(), lr=0.1)
    deforming(x, GRID, one).square().mean().backward()
    optimiser.step()
    assert not torch.allclose(deforming(x, GRID, one), deforming(x, GRID, other))


def test_organs_have_no_order():
    deforming, x, organ = bent(), tokens(), one_hot([0, 1, 2])
    before = deforming(x, GRID, organ)
    order = [2, 0, 1]
    deforming.context = torch.nn.ParameterList(deforming.context[i] for i in order)
    torch.testing.assert_close(deforming(x, GRID, organ[:, order]), before)


def test_an_unknown_organ_adds_nothing():
    without, known, x = bent(organs=0), bent(), tokens()
    without.load_state_dict({k: v for k, v in known.state_dict().items() if "context" not in k})
    y = known(x, GRID, torch.zeros(3, 3))
    torch.testing.assert_close(y, without(x, GRID, torch.zeros(3, 0)))


def test_offsets_are_bounded_displacements_of_a_regular_grid():
    deforming, x = bent(), tokens()[:, 1:].mT.unflatten(2, GRID)
    torch.testing.assert_close(block().offsets(x, one_hot([0, 1, 2])), still(3))
    torch.nn.init.normal_(deforming.displace[-1].weight, std=100.0)
    moved = deforming.offsets(x, one_hot([0, 1, 2])) - still(3)
    assert moved.abs().max() <= deforming.reach
    assert moved.abs().max() > 0.99 * deforming.reach
    assert taps().tolist()[acdt.CENTRE] == [0, 0]


def test_class_token_is_not_sampled():
    """Where the centre tap looks far outside, [CLS] is all that is left to see."""
    deforming, x = block(), tokens()
    deforming.reach = 10.0
    torch.nn.init.constant_(deforming.displace[-1].bias, 9.0)
    y = deforming(x, GRID, one_hot([0, 1, 2]))
    black = deforming.norm1(x) * (torch.arange(x.shape[1]) == 0)[:, None]
    x = x + deforming.attn(deforming.norm1(x), black)
    torch.testing.assert_close(y, x + deforming.mlp(deforming.norm2(x)))


def test_half_precision_is_near_full_precision():
    deforming, x, organ = bent(), tokens(), one_hot([0, 1, 2])
    wanted = deforming(x, GRID, organ)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = deforming(x, GRID, organ)
    assert found.dtype == torch.float32
    assert (found - wanted).std() < 0.03 * wanted.std()
