from dataclasses import replace

import numpy as np
import pytest

from septum.data.phantom import CLASSES, Heart, Look, draw
from septum.data.phantom.tissue import LV, MYOCARDIUM, Points
from septum.data.phantom.ultrasound import blur, compress, echo, scatterers, window
from septum.data.phantom.views import fan_of

QUIET = Look(noise_db=-90.0, clutter_db=-90.0, haze_db=0.0, texture_db=0.0, dropout_db=0.0)
SIZE = (128, 160)


def patch(look: Look, *, code: int = MYOCARDIUM, cycle: float = 0.0) -> np.ndarray:
    """Intensity of a block of one tissue that fills the sector."""
    fan = fan_of(look, SIZE)
    block = Points(fan.beam_x, np.zeros_like(fan.beam_x), fan.beam_y)
    tissue = np.full(fan.beam_x.shape, code, np.uint8)
    return np.abs(echo(tissue, block, look, fan, cycle=cycle)) ** 2


def test_uniform_tissue_is_equally_bright_at_every_depth() -> None:
    look = replace(QUIET, attenuation_db_per_cm=0.0, tgc_db_per_cm=0.0)
    rows = np.mean([patch(replace(look, speckle_seed=s)) for s in range(12)], axis=(0, 2))

    assert np.mean(rows) == pytest.approx(1, abs=0.1)
    thirds = [part.mean() for part in np.array_split(rows[8:-8], 3)]
    assert max(thirds) < 1.25 * min(thirds)


def test_attenuation_and_its_compensation_are_decibels_per_centimetre() -> None:
    look = Look(attenuation_db_per_cm=2.0, tgc_db_per_cm=0.5, haze_db=0.0, dropout_db=0.0)
    fan = fan_of(look, SIZE)
    level_db = 20 * np.log10(window(look, fan))

    np.testing.assert_allclose(
        level_db, np.broadcast_to(-0.15 * fan.range_mm, level_db.shape), atol=1e-4
    )


def test_a_shadow_hides_its_beams_alone() -> None:
    clear, shaded = (
        window(replace(QUIET, shadow_width_deg=width, shadow_angle=0.5), fan_of(QUIET, SIZE))
        for width in (0.0, 10.0)
    )
    loss_db = (20 * np.log10(clear / shaded))[50]
    degrees = np.degrees(fan_of(QUIET, SIZE).angle[0])

    assert loss_db[np.argmin(np.abs(degrees - 20))] == pytest.approx(20, abs=0.2)
    assert loss_db[np.abs(degrees - 20) > 9].max() < 0.1


def test_compression_puts_muscle_in_the_middle() -> None:
    look = Look(dynamic_range_db=50.0, gamma=1.0)
    grey = compress(np.float32([1, 10**2.5, 10**-2.5, 10, 1e9]), look)

    np.testing.assert_allclose(grey, 255 * np.array([0.5, 1, 0, 0.7, 1]), atol=0.01)
    np.testing.assert_allclose(compress(np.float32([1]), replace(look, gain_db=5.0)), 255 * 0.6)


def test_the_point_spread_widens_away_from_the_focus() -> None:
    look = replace(QUIET, focus_mm=80.0, depth_mm=160.0)
    fan = fan_of(look, SIZE)
    field = np.zeros(fan.beam_x.shape, np.complex64)
    middle = field.shape[1] // 2
    field[:, middle] = 1
    power = np.abs(blur(field, look, fan)) ** 2
    spread = (power * (fan.angle - fan.angle[0, middle]) ** 2).sum(1) / power.sum(1)

    focus = int(np.argmin(np.abs(fan.range_mm - 80)))
    assert np.degrees(np.sqrt(2 * spread[focus])) == pytest.approx(look.lateral_deg, rel=0.05)
    assert spread[focus // 3] > 1.5 * spread[focus]


def test_scatterers_are_circular_gaussian_and_named_by_their_seed() -> None:
    rng = np.random.default_rng(0)
    places = Points(*rng.uniform(-80, 80, (3, 40_000)).astype(np.float32))
    one, same, other = (scatterers(places, seed) for seed in (1, 1, 2))

    assert np.mean(np.abs(one) ** 2) == pytest.approx(1, abs=0.02)
    assert np.abs(np.mean(one**2)) < 0.02
    assert np.abs(np.mean(one)) < 0.02
    np.testing.assert_array_equal(one, same)
    assert np.abs(np.mean(one * other.conj())) < 0.02


def correlation(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    return float(np.corrcoef(first[where], second[where])[0, 1])


def test_speckle_lasts_while_the_tissue_hardly_moves() -> None:
    look = replace(QUIET, speckle_seed=3)
    still, later = (draw(Heart(), look, view="A4C", phase=p) for p in (0.0, 0.08))
    fresh = draw(Heart(), replace(look, speckle_seed=4), view="A4C", phase=0.0)
    wall = (still.mask == later.mask) & (still.mask == CLASSES.index("myocardium"))

    assert correlation(still.image, later.image, wall) > 0.25
    assert abs(correlation(still.image, fresh.image, wall)) < 0.15


def test_blood_is_new_in_every_frame_and_muscle_is_not() -> None:
    blood, muscle = (
        np.corrcoef(*(patch(QUIET, code=code, cycle=cycle).ravel() for cycle in (0.0, 0.08)))[0, 1]
        for code in (LV, MYOCARDIUM)
    )

    assert abs(blood) < 0.1
    assert muscle == pytest.approx(1, abs=0.01)
