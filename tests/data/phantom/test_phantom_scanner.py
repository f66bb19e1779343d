from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from septum.contract import BadInput
from septum.data.phantom import (
    MODALITIES,
    STACK_CLASSES,
    Body,
    Heart,
    Scan,
    draw_stack,
    sample_body,
    sample_heart,
    sample_scan,
)
from septum.data.phantom import tissue as t
from septum.data.phantom.body import AIR, FLUID, LUNG
from septum.data.phantom.heart import pose_at
from septum.data.phantom.planes import grid_of
from septum.data.phantom.scanner import acquire, grey_levels, signals
from septum.data.phantom.stack import tissue_in

SIZE = (64, 64)
FLAT = np.zeros((2, 120, 120), np.float32)


def uniform(code: int) -> np.ndarray:
    return np.full((2, 5, 120, 120), code, np.uint8)


def scan_of(modality: str, **factors) -> Scan:
    return replace(sample_scan(np.random.default_rng(0), modality=modality), **factors)


def means(modality: str, seed: int) -> dict[str, float]:
    """Mean grey level of voxels of one tissue throughout, by name."""
    heart = sample_heart(np.random.default_rng(seed), pathology="infarct")
    body = sample_body(np.random.default_rng(seed))
    scan = sample_scan(np.random.default_rng(seed), modality=modality)
    drawn = draw_stack(heart, body, scan, plane="short_axis", phase="ED", size=SIZE, slices=6)
    grid = grid_of("short_axis", heart, body, scan, size=SIZE, slices=6)
    tissue = tissue_in(grid, pose_at(heart, 0.0), body)
    codes = {"blood": t.LV, "right": t.RV, "muscle": t.MYOCARDIUM, "scar": t.SCAR, "fat": t.FAT}
    pure = {name: (tissue == code).all(axis=1) for name, code in {**codes, "lung": LUNG}.items()}
    return {name: float(drawn.image[here].mean()) for name, here in pure.items()}


@pytest.mark.parametrize("seed", range(2))
def test_contrasts_are_those_of_the_physics(seed: int) -> None:
    cine, late, ct = (means(modality, seed) for modality in ("MR", "LGE", "CT"))

    assert cine["blood"] > 1.5 * cine["muscle"] > 1.5 * cine["lung"]
    assert cine["fat"] > cine["muscle"]
    assert late["scar"] > late["blood"] > late["muscle"]
    assert ct["blood"] > ct["muscle"] > ct["fat"] > ct["lung"]
    assert ct["right"] > ct["muscle"] > ct["scar"]


@pytest.mark.parametrize("modality", ["MR", "LGE"])
def test_air_follows_the_rayleigh_distribution(modality: str) -> None:
    scan = scan_of(modality)
    noise = acquire(uniform(AIR), FLAT, scan, pixel_mm=2.0, cycle=0.0)

    assert (
        stats.kstest(noise.ravel()[::7], stats.rayleigh(scale=scan.noise_signal).cdf).pvalue > 0.01
    )


def test_blood_follows_the_rice_distribution() -> None:
    scan = scan_of("MR", bias_share=0.0, noise_signal=0.4)
    found = acquire(uniform(t.LV), FLAT, scan, pixel_mm=2.0, cycle=0.0)
    shape = scan.left_blood_signal / scan.noise_signal

    rice = stats.rice(shape, scale=scan.noise_signal)
    assert stats.kstest(found.ravel()[::7], rice.cdf).pvalue > 0.01


def test_ct_measures_water_as_water_with_gaussian_noise() -> None:
    scan = scan_of("CT", fluid_signal=0.0, noise_signal=20.0, blur_mm=0.8)
    found = acquire(uniform(FLUID), FLAT, scan, pixel_mm=1.0, cycle=0.0)

    assert found.mean() == pytest.approx(0, abs=1)
    assert found.std() == pytest.approx(20, rel=0.03)
    assert stats.kstest(found[:, ::8, ::8].ravel(), stats.norm(0, 20).cdf).pvalue > 0.01
    beside = np.corrcoef(found[:, :, 1:].ravel(), found[:, :, :-1].ravel())[0, 1]
    assert beside == pytest.approx(np.exp(-1 / (4 * 0.8**2)), abs=0.03)  # of a Gaussian kernel


def test_a_voxel_of_two_tissues_measures_their_mean_and_opposed_fat_cancels() -> None:
    tissue = uniform(t.LV)
    tissue[:, 3:] = t.MYOCARDIUM
    quiet = Scan(noise_signal=0.0, bias_share=0.0, fat_signal=-1.5)
    mixed = acquire(tissue, FLAT, quiet, pixel_mm=2.0, cycle=0.0)
    np.testing.assert_allclose(mixed, 0.6 * 1.0 + 0.4 * 0.36, rtol=1e-5)

    tissue[:, 3:] = t.FAT
    np.testing.assert_allclose(acquire(tissue, FLAT, quiet, pixel_mm=2.0, cycle=0.0), 0, atol=1e-6)


def test_the_bias_field_brightens_its_end() -> None:
    quiet = Scan(noise_signal=0.0, bias_share=0.5, bias_angle_deg=90.0)
    found = acquire(uniform(t.LV), FLAT, quiet, pixel_mm=2.0, cycle=0.0)

    np.testing.assert_allclose(found[:, -1], np.exp(0.5), rtol=1e-5)
    np.testing.assert_allclose(found[:, 0], np.exp(-0.5), rtol=1e-5)


def test_grey_levels_span_the_percentiles_of_the_whole_stack() -> None:
    signal = np.linspace(0, 1, 2 * 50 * 50, dtype=np.float32).reshape(2, 50, 50)
    grey = grey_levels(signal, Scan())

    np.testing.assert_array_equal(grey == 0, signal < 0.05 + 0.9 / 510)
    np.testing.assert_array_equal(grey == 255, signal > 0.95 - 0.9 / 510)
    assert grey[0].max() < grey[1].min() + 2  # not per slice

    windowed = grey_levels(signal, Scan(window_high_signal=0.5))
    assert windowed[1].min() == 255  # all above the window are white


def test_every_tissue_has_a_signal_and_ct_states_hounsfield_units() -> None:
    table = signals(scan_of("CT"))

    assert -1100 < table.min() == table[AIR]
    assert 300 < table[t.LV] < 500
    assert 100 < table[t.RV] < table[t.LV]
    assert set(signals(Scan())[[t.LV, t.LA, t.AORTA]]) == {1.0}


def test_samples_differ_and_repeat() -> None:
    for modality in MODALITIES:
        one, two, again = (
            sample_scan(np.random.default_rng(seed), modality=modality) for seed in (1, 2, 1)
        )
        assert one == again != two
    with pytest.raises(BadInput, match="'PET'"):
        sample_scan(np.random.default_rng(0), modality="PET")


def test_axial_fields_hardly_turn() -> None:
    turns = {
        plane: np.std(
            [sample_scan(np.random.default_rng(k), plane=plane).rotation_deg for k in range(60)]
        )
        for plane in ("short_axis", "axial")
    }
    assert turns["axial"] < 4
    assert turns["short_axis"] > 15


def test_the_mottle_lies_still_and_the_mask_is_of_the_middle() -> None:
    heart, scan = Heart(), Scan()
    grid = grid_of("short_axis", heart, Body(), scan, size=(48, 48), slices=4)
    tissue = tissue_in(grid, pose_at(heart, 0.0), Body())
    drawn = draw_stack(heart, Body(), scan, plane="short_axis", phase="ED", size=(48, 48), slices=4)

    assert tissue.shape == (4, 5, 48, 48)
    ventricle = drawn.mask == STACK_CLASSES.index("left_ventricle")
    inside = np.isin(tissue[:, 2], (t.LV, t.PAPILLARY, t.MITRAL))
    np.testing.assert_array_equal(ventricle, inside)
