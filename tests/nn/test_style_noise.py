import pytest
import torch

from septum.nn.style_noise import noisy


@pytest.fixture(scope="module")
def drawn():
    """Style and noise, independent and of unit variance."""
    return torch.randn(2, 4, 8, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.6, 2.0])
def test_unit_variance_stays(drawn, beta):
    assert noisy(*drawn, beta).var().item() == pytest.approx(1, abs=0.02)


def test_equation_7_by_hand(drawn):
    style, noise = drawn

    # 1 / sqrt(1 + .75^2) = .8
    torch.testing.assert_close(noisy(style, noise, 0.75), 0.8 * style + 0.6 * noise)


def test_every_image_may_have_its_own_strength(drawn):
    style, noise = drawn
    betas = [0.0, 0.1, 0.4, 3.0]

    together = noisy(style, noise, torch.tensor(betas))

    for i, beta in enumerate(betas):
        torch.testing.assert_close(together[i], noisy(style[i : i + 1], noise[i : i + 1], beta)[0])
    torch.testing.assert_close(together[0], style[0])
