"""Spectra and statistics of speckle, against numpy, scipy and printed distributions."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import get_window

from septum.metrics import speckle

RNG = np.random.default_rng


def stacked(*planes):
    return torch.from_numpy(np.stack(planes)[:, None])


def grains(sigma, size=(256, 256), seed=0):
    """Gaussian-filtered noise of variance 1 around 10."""
    x = gaussian_filter(RNG(seed).normal(size=size), sigma, mode="wrap")
    return 10 + (x - x.mean()) / x.std()


def found(image, *inside, **options):
    return {k: v.tolist() for k, v in speckle.statistics(image, *inside, **options).items()}


@pytest.mark.parametrize("size", [(32, 32), (24, 41)])
def test_the_mean_power_is_the_variance_under_the_squared_window(size):
    image = torch.from_numpy(RNG(0).uniform(size=(2, 1, *size)))
    window = np.outer(*(get_window("hann", n) for n in size))
    for plane, power in zip(image[:, 0].numpy(), speckle.power(image), strict=True):
        off = plane - np.average(plane, weights=window)
        assert power.mean().item() == pytest.approx(np.average(off**2, weights=window**2))
        assert power[0, 0].item() == pytest.approx(0, abs=1e-20)


def test_rings_are_a_loop_over_frequencies():
    h, w = 20, 33
    image = torch.from_numpy(RNG(1).uniform(size=(1, 1, h, w)))
    power = speckle.power(image)[0]
    rings = [[] for _ in range(10)]
    for y, x in np.ndindex(h, w):
        radius = math.hypot(np.fft.fftfreq(h)[y], np.fft.fftfreq(w)[x])
        if 1 <= round(radius * h) <= 10:
            rings[round(radius * h) - 1].append(power[y, x].item())
    np.testing.assert_allclose(speckle.radial_power(image)[0], [np.mean(ring) for ring in rings])
    assert speckle.frequencies(h, w).tolist() == pytest.approx([k / 20 for k in range(1, 11)])


def test_white_noise_has_its_variance_at_every_frequency_but_the_lowest():
    noise = torch.from_numpy(RNG(2).normal(5, 0.3, (600, 1, 32, 32)))
    heard = speckle.radial_power(noise).mean(0) / 0.3**2
    np.testing.assert_allclose(heard[1:], 1, rtol=0.06)
    # of Hann's coefficients 1, -1/2 and those of its square 1, -2/3: 7/12 and 121/144
    assert heard[0].item() == pytest.approx((7 / 12 + 121 / 144) / 2, rel=0.06)


@pytest.mark.parametrize("turn", [0.0, 0.5, math.pi / 2])
@pytest.mark.parametrize("cycles", [6, 15, 28])
def test_a_wave_is_heard_at_its_frequency_whatever_its_direction(cycles, turn):
    y, x = np.mgrid[:64, :64]
    wave = np.sin(2 * np.pi * cycles / 64 * (x * math.cos(turn) + y * math.sin(turn)))
    power = speckle.radial_power(stacked(wave))[0]
    assert speckle.frequencies(64, 64)[power.argmax()].item() == cycles / 64


def test_a_louder_image_is_as_many_decibels_away_at_every_frequency():
    image = torch.from_numpy(RNG(3).uniform(size=(2, 1, 32, 40)))
    away = speckle.spectral_distance_db(
        image, image * torch.tensor([0.5, 2.0])[:, None, None, None]
    )
    assert away.tolist() == pytest.approx([20 * math.log10(2)] * 2)
    assert speckle.spectral_distance_db(image, image + 0.1).tolist() == pytest.approx([0, 0])


def test_a_blurred_image_is_as_far_away_as_the_transfer_of_its_blur():
    sigma, size = 0.8, 64
    sharp = 10 * RNG(4).normal(size=(40, size, size))
    blurred = gaussian_filter(sharp, (0, sigma, sigma), mode="wrap")
    away = speckle.spectral_distance_db(stacked(*sharp), stacked(*blurred)).mean()
    f = np.arange(1, size // 2 + 1) / size
    loss_db = 10 / math.log(10) * (2 * np.pi * f * sigma) ** 2
    assert away.item() == pytest.approx(loss_db.mean(), rel=0.05)


def test_nothing_is_quieter_than_rounding():
    noise = torch.from_numpy(RNG(5).uniform(size=(1, 1, 64, 64)))
    rounding = (noise * 255).round() / 255 - noise
    assert speckle.radial_power(rounding).mean().item() == pytest.approx(speckle.FLOOR, rel=0.1)
    silent = torch.zeros_like(noise)
    assert speckle.spectral_distance_db(silent, 1e-4 * noise).tolist() == [0]


def test_fully_developed_speckle_has_the_ratio_of_a_rayleigh_distribution():
    envelope = RNG(6).rayleigh(size=(256, 256))
    [ratio] = found(stacked(envelope), window_px=32)["speckle_snr"]
    assert ratio == pytest.approx(math.sqrt(math.pi / (4 - math.pi)), rel=0.01)


def test_the_ratio_is_the_median_over_overlapping_windows():
    image = RNG(7).uniform(size=(24, 32))
    cut = [image[y : y + 8, x : x + 8] for y in range(0, 17, 4) for x in range(0, 25, 4)]
    expected = np.median([tile.mean() / tile.std(ddof=1) for tile in cut])
    assert found(stacked(image), window_px=8)["speckle_snr"] == pytest.approx([expected])


@pytest.mark.parametrize(("down", "across"), [(0.8, 1.5), (1.5, 1.0), (2.0, 2.0)])
def test_the_grain_of_filtered_noise_is_as_wide_as_its_filter_twice_over(down, across):
    seen = found(stacked(*(grains((down, across), seed=k) for k in range(4))), window_px=64)
    fwhm = 4 * math.sqrt(math.log(2))
    assert np.mean(seen["axial_width_px"]) == pytest.approx(fwhm * down, rel=0.05)
    assert np.mean(seen["lateral_width_px"]) == pytest.approx(fwhm * across, rel=0.05)


def test_grain_wider_than_half_a_window_has_an_end():
    slope = np.tile(np.arange(64.0), (64, 1))
    seen = found(stacked(slope, slope.T))
    assert all(2 < value <= speckle.WINDOW_PX for value in seen["lateral_width_px"])
    assert seen["axial_width_px"] == pytest.approx(seen["lateral_width_px"][::-1])


def test_half_of_a_sum_of_waves_is_high():
    _, x = np.mgrid[:64, :64]
    low, high = (np.sin(2 * np.pi * f * x) for f in (4 / 32, 12 / 32))
    share = found(stacked(low, high, low + high, 2 * low + high), window_px=32)["high_share"]
    assert share == pytest.approx([0, 1, 0.5, 0.2], abs=0.01)


def test_nothing_outside_the_sector_counts():
    image = stacked(grains(1.0, (96, 96)))
    inside = torch.zeros(1, 1, 96, 96, dtype=torch.bool)
    inside[..., 16:80, 24:88] = True
    outside = torch.where(inside, image, 1e3 * torch.rand(1, 1, 96, 96).double())
    assert found(outside, inside) == found(image, inside)
    cropped = found(image[..., 16:80, 24:88])
    for name, values in found(image, inside).items():
        assert values == pytest.approx(cropped[name]), name


def test_flat_windows_do_not_count():
    image = grains(1.0, (64, 64))
    flat = np.concatenate([image, np.full((48, 64), 0.4)])
    inside = torch.ones(1, 1, 112, 64, dtype=torch.bool)
    inside[..., 64, :] = False  # no window has both
    for name, values in found(stacked(flat), inside).items():
        assert values == pytest.approx(found(stacked(image))[name]), name


def test_where_no_window_fits_nothing_is_known():
    image = stacked(grains(1.0, (48, 48)), grains(1.0, (48, 48)))
    inside = torch.ones(2, 1, 48, 48, dtype=torch.bool)
    inside[0, ..., ::5] = False
    for values in found(image, inside).values():
        assert math.isnan(values[0])
        assert math.isfinite(values[1])
