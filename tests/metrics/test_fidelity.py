"""Likeness of two images, against numpy, scipy and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from septum.metrics import fidelity


def images(*size, seed=0):
    return torch.rand(*size, generator=torch.manual_seed(seed))


def noisy(image, seed=1):
    shaken = image + 0.1 * torch.randn(image.shape, generator=torch.manual_seed(seed))
    return shaken.clamp(0, 1)


STILLS = images(3, 1, 20, 24)
VOLUMES = images(2, 1, 4, 16, 20)


@pytest.mark.parametrize("image", [STILLS, VOLUMES], ids=["2-D", "3-D"])
def test_psnr_is_that_of_every_image_by_itself(image):
    again = noisy(image)

    apart = (image - again).numpy().astype(float)
    expected = [10 * math.log10(1 / np.mean(one**2)) for one in apart]
    np.testing.assert_allclose(fidelity.psnr_db(image, again), expected, rtol=1e-5)


def test_psnr_of_equal_images_is_a_number():
    assert fidelity.psnr_db(STILLS, STILLS).tolist() == [fidelity.MOST_DB] * 3


def printed_ssim(x, y):
    """Eq. 13 of Wang et al., with scipy's window, reflected like torch reflects."""

    def blurred(z):
        return gaussian_filter(z, 1.5, mode="mirror", truncate=3.5)

    mx, my = blurred(x), blurred(y)
    vx, vy = blurred(x * x) - mx**2, blurred(y * y) - my**2
    both = blurred(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    found = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return found.mean()


def test_ssim_is_the_printed_formula():
    again = noisy(STILLS)
    pairs = zip(STILLS[:, 0].double().numpy(), again[:, 0].double().numpy(), strict=True)
    expected = [printed_ssim(x, y) for x, y in pairs]
    np.testing.assert_allclose(fidelity.ssim(STILLS, again), expected, rtol=1e-5)


def test_ssim_of_a_volume_is_the_mean_over_its_slices():
    again = noisy(VOLUMES)
    expected = [
        np.mean([printed_ssim(x, y) for x, y in zip(a, b, strict=True)])
        for a, b in zip(VOLUMES[:, 0].double().numpy(), again[:, 0].double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(fidelity.ssim(VOLUMES, again), expected, rtol=1e-5)
    assert fidelity.ssim(VOLUMES, VOLUMES).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("image", [images(3, 1, 64, 64), images(2, 1, 5, 30, 30)])
def test_nmi_is_that_of_scikit_learn(image):
    again = noisy(image)

    expected = []
    for x, y in zip(image.flatten(1).numpy(), again.flatten(1).numpy(), strict=True):
        a, b = (np.minimum(np.floor(z * 100), 99) for z in (x, y))
        h = [entropy(np.unique(z, return_counts=True)[1]) for z in (a, b)]
        expected.append(sum(h) / (sum(h) - mutual_info_score(a, b)))
    np.testing.assert_allclose(fidelity.nmi(image, again), expected, rtol=1e-5)


def test_nmi_is_2_for_the_image_and_its_negative_and_1_for_what_tells_nothing():
    levels = torch.arange(100).div(100).add(0.005).repeat(50).view(1, 1, 50, 100)
    told = torch.tensor([0.1, 0.9]).repeat_interleave(2500).view(1, 1, 50, 100)

    assert fidelity.nmi(levels, levels).item() == 2
    assert fidelity.nmi(levels, 1 - levels).item() == pytest.approx(2)
    assert fidelity.nmi(levels, told).item() == pytest.approx(1)


def test_nmi_of_flat_images():
    flat = torch.full_like(STILLS, 0.3)

    assert fidelity.nmi(flat, flat + 0.5).tolist() == [2, 2, 2]
    assert fidelity.nmi(flat, STILLS).tolist() == [1, 1, 1]


def test_nmi_counts_what_is_out_of_range_at_the_ends():
    far = torch.where(STILLS > 0.5, 1.5, -0.5)

    assert fidelity.nmi(far, far.clamp(0, 1)).tolist() == [2, 2, 2]


def test_perceptual_distance_is_the_loop_over_levels_and_places():
    one, other = (
        [images(2, c, s, s, seed=seed + c) - 0.5 for c, s in ((3, 4), (5, 2))] for seed in (0, 9)
    )

    expected = []
    for i in range(2):
        levels = []
        for a, b in zip(one, other, strict=True):
            places = [
                (a[i, :, y, x] / a[i, :, y, x].norm() - b[i, :, y, x] / b[i, :, y, x].norm())
                .square()
                .sum()
                .item()
                for y, x in np.ndindex(*a.shape[2:])
            ]
            levels.append(np.mean(places))
        expected.append(np.mean(levels))
    np.testing.assert_allclose(fidelity.perceptual(one, other), expected, rtol=1e-5)


def test_perceptual_distance_sees_directions_alone_and_bears_silence():
    maps = [images(2, 3, 4, 4)]

    assert fidelity.perceptual(maps, [7 * maps[0]]).abs().max() < 1e-12
    assert fidelity.perceptual(maps, [-maps[0]]).tolist() == pytest.approx([4, 4])
    assert fidelity.perceptual(maps, [0 * maps[0]]).tolist() == pytest.approx([1, 1])


def test_slices_of_a_volume_follow_one_another():
    found = fidelity.slices(VOLUMES)

    assert found.shape == (8, 1, 16, 20)
    assert torch.equal(found[5, 0], VOLUMES[1, 0, 1])
    assert torch.equal(fidelity.slices(STILLS), STILLS)
