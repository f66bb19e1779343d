import pytest
import torch
from torch.distributions import Normal, kl_divergence

from septum.losses import anatomy as losses


def test_dice_of_a_hand_computed_pair():
    drawn = torch.tensor([[[[1.0, 0.5]], [[0.0, 0.0]]], [[[0.0, 0.0]], [[0.0, 1.0]]]])
    truth = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.0, 0.0]], [[0.0, 1.0]]]])
    # one ratio per image, over both structures: 2 (1 + .1) / (2 + 1.5 + .1), 2 (1 + .1) / (2 + .1)
    ratios = (2.2 / 3.6, 2.2 / 2.1)
    assert losses.dice(drawn, truth).item() == pytest.approx(1 - sum(ratios) / 2)


def test_dice_of_equal_large_masks_is_nearly_0():
    mask = torch.zeros(2, 3, 32, 32)
    mask[:, 0, :16] = mask[:, 2, 16:] = 1
    assert losses.dice(mask, mask).item() == pytest.approx(0, abs=1e-4)


def test_dice_of_two_empty_masks_is_the_least_there_is():
    empty = torch.zeros(1, 3, 8, 8)
    assert losses.dice(empty, empty).item() == -1


def test_dice_is_one_ratio_and_not_a_mean_over_structures():
    truth = torch.zeros(1, 2, 8, 8)
    truth[0, 0] = 1
    drawn = truth.clone()
    drawn[0, 1, 0, 0] = 1  # one pixel of an absent structure
    assert losses.dice(drawn, truth).item() < 0.01


def test_kl_is_that_of_torch():
    mean, log_variance = torch.randn(5, 8), torch.randn(5, 8)
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(losses.kl_to_unit(mean, log_variance), wanted)
    assert losses.kl_to_unit(torch.zeros(3, 4), torch.zeros(3, 4)) == 0


@pytest.mark.parametrize(
    ("score", "goal", "wanted"), [(0.5, 1.0, 0.25), (0.5, 0.0, 0.25), (1.0, 0.0, 1.0)]
)
def test_least_squares(score, goal, wanted):
    assert losses.towards(torch.full((4, 1), score), goal).item() == wanted


def test_sums_are_kept_in_full_precision():
    x = torch.full((1, 1, 64, 64), 1.0, dtype=torch.bfloat16)
    assert losses.absolute(x, torch.zeros_like(x)).dtype == torch.float32
    assert losses.kl_to_unit(x[:, 0, 0], x[:, 0, 0]).dtype == torch.float32
