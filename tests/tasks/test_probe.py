import pytest
import torch
from torch.nn import functional as F

from septum.metrics.overlap import dice_loss_soft
from septum.tasks.probe import Kernel, Probe, fit, predicted


def noisy(n=16, d=2, classes=3):
    """Maps, and a target that they explain in part."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, 6, 7, generator=draw)
    mixed = torch.einsum("ndhw,dc->nchw", x, torch.randn(d, classes, generator=draw))
    return x, (2 * mixed + torch.randn(n, classes, 6, 7, generator=draw)).softmax(1)


def test_shares_are_a_convolution_with_softmax():
    x = torch.rand(2, 3, 6, 7, generator=torch.manual_seed(0))
    weight, bias = torch.rand(4, 3, 3, 3), torch.rand(4)

    shares = Kernel(weight=weight, bias=bias).shares(x)

    window = F.pad(x, (1, 1, 1, 1))[0, :, 2:5, 5:8]  # round row 2, column 5
    logits = (weight * window).sum((1, 2, 3)) + bias
    assert torch.allclose(shares[0, :, 2, 5], logits.softmax(0), atol=1e-6)


def test_a_widened_kernel_predicts_the_same():
    x = torch.rand(2, 3, 6, 7, generator=torch.manual_seed(0))
    kernel = Kernel(weight=torch.rand(4, 3, 3, 3), bias=torch.rand(4))

    wide = kernel.widened(7)

    assert wide.weight.shape == (4, 3, 7, 7)
    assert torch.allclose(wide.shares(x), kernel.shares(x), atol=1e-6)


def test_the_fit_is_as_good_as_a_quasi_newton_method_s():
    x, target = noisy()
    start = Kernel(weight=torch.zeros(3, 2, 1, 1), bias=torch.zeros(3))

    kernel = fit(start, x, target, probe=Probe(batch_size=16), seed=0)

    other = torch.nn.Conv2d(2, 3, 1)
    optimiser = torch.optim.LBFGS(other.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = dice_loss_soft(other(x).softmax(1), target).mean()
        value.backward()
        return value

    optimiser.step(loss)
    ours = dice_loss_soft(kernel.shares(x), target).mean().item()
    assert ours == pytest.approx(loss().item(), abs=3e-3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_scale_and_offset_of_features_do_not_matter(scale: float):
    x, target = noisy()
    probe = Probe(sides=(1, 3), steps=30)
    ((_, plain), (_, wide)) = predicted(x, target, x, probe=probe, seed=0)

    ((_, scaled), (_, scaled_wide)) = predicted(
        scale * x + 5 * scale, target, scale * x + 5 * scale, probe=probe, seed=0
    )

    assert torch.allclose(scaled, plain, atol=2e-3)
    assert torch.allclose(scaled_wide, wide, atol=2e-3)


def test_channels_that_never_change_do_no_harm():
    x, target = noisy()
    constant = torch.full_like(x[:, :1], 7.0)
    probe = Probe(sides=(1,), steps=60)

    ((_, without),) = predicted(x, target, x, probe=probe, seed=0)
    ((_, shares),) = predicted(
        torch.cat([x, constant], 1), target, torch.cat([x, constant], 1), probe=probe, seed=0
    )

    loss, expected = dice_loss_soft(shares, target).mean(), dice_loss_soft(without, target).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=2e-3)


def test_a_rule_that_a_kernel_can_state_is_found():
    """Content one cell beside the truth, where the Dice loss alone ends in local minima."""
    draw = torch.Generator().manual_seed(0)
    index = torch.zeros(96, 8, 9, dtype=torch.int64)
    for grid in index:
        top, left = torch.randint(1, 4, (2,), generator=draw).tolist()
        grid[top : top + 2, left : left + 3] = 1
        grid[top + 3, left + 1 : left + 4] = 2
    target = F.one_hot(index, 3).movedim(-1, 1).float()
    beside = target.roll(1, dims=3)

    found = dict(predicted(beside, target, beside, probe=Probe(sides=(1, 3), steps=150), seed=0))

    losses = {side: dice_loss_soft(shares, target).mean() for side, shares in found.items()}
    assert losses[1] > 0.2
    assert losses[3] < 0.005
