from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from scipy import ndimage

from septum.contract import BadInput
from septum.data.phantom import (
    CLASSES,
    Cine,
    Heart,
    Look,
    draw,
    draw_cine,
    sample_beating_heart,
    sample_look,
)
from septum.data.phantom.heart import pose_at, walls
from septum.data.phantom.speckle import look_up, sow
from septum.data.phantom.tissue import MYOCARDIUM, direction
from septum.data.phantom.ultrasound import blur
from septum.data.phantom.views import fan_of, plane_of

CLEAR = Look(noise_db=-60.0, clutter_db=-60.0, haze_db=0.0, dropout_db=0.0)
PASSING = {"phase", "cycle", "volume_ml", "wall_now_mm", "valve_open"}


def area(cine: Cine, frame: int) -> int:
    return int((cine.masks[frame] == CLASSES.index("left_ventricle")).sum())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("view", ["A4C", "A2C", "SAX_MID"])
def test_frames_are_what_is_drawn_as_stills_but_for_single_speckles(seed: int, view: str) -> None:
    rng = np.random.default_rng(seed)
    heart = sample_beating_heart(rng)
    look = sample_look(rng, heart=heart, most_lean_deg=15.0)
    film = {"frames": 24, "rate_hz": 33.0, "rate_per_min": 64.0}
    cine = draw_cine(heart, look, view=view, start=0.7, **film)

    for k in (0, 4, 9, 20):  # 9 and 20 are in the second beat
        still = draw(heart, look, view=view, phase=float(cine.cycles[k]), size=(112, 112))
        smooth = [
            ndimage.gaussian_filter(f.astype(float), 2) for f in (cine.images[k], still.image)
        ]
        np.testing.assert_array_equal(cine.masks[k], still.mask)
        np.testing.assert_array_equal(cine.sector, still.sector)
        assert not cine.images[k][~cine.sector].any()
        assert np.corrcoef(*(f[still.sector] for f in smooth))[0, 1] > 0.9
        assert np.mean(smooth[0] - smooth[1]) == pytest.approx(0, abs=4)
        lasting = {name: fact for name, fact in still.facts.items() if name not in PASSING}
        assert cine.facts.items() >= lasting.items()


def test_the_same_arguments_draw_the_same_film() -> None:
    film = {"frames": 20, "rate_hz": 50.0, "rate_per_min": 60.0, "size": (48, 48)}
    first, again, other = (
        draw_cine(Heart(), Look(speckle_seed=seed), **film).images for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0.3


@pytest.mark.parametrize("size", [(112, 112), (224, 224)])
def test_uniform_tissue_is_as_bright_in_a_film_as_in_a_still(size: tuple[int, int]) -> None:
    """And its envelope is Rayleigh: mean over spread sqrt(pi / (4 - pi)) = 1.913."""
    look = replace(CLEAR, texture_db=0.0)
    fan, pose = fan_of(look, size), pose_at(Heart(), 0.0)
    plane = plane_of("A4C", pose, look)
    tissue = np.full(fan.beam_x.shape, MYOCARDIUM, np.uint8)
    points = plane(fan.beam_x + np.float32(1.3), fan.beam_y - np.float32(0.7))
    rows: list[np.ndarray] = []
    for seed in range(8):
        ground = sow(plane, replace(look, speckle_seed=seed), fan)
        scatter, _ = look_up(ground, tissue, points, beat=0.1)
        rows.append(np.abs(blur(scatter, look, fan))[8:-8, 6:-6])

    power = np.mean(np.square(rows), axis=(0, 2))
    assert power.mean() == pytest.approx(
        1, abs=0.15
    )  # between two points of a lattice less is left
    assert max(t.mean() for t in np.array_split(power, 3)) < 1.25 * power.mean()
    assert np.mean(rows) / np.std(rows) == pytest.approx(1.913, abs=0.1)


def test_frames_are_as_far_apart_as_the_rates_say() -> None:
    """At 40 Hz and 75 beats per minute a beat lasts 0.8 s, that is 32 frames."""
    cine = draw_cine(
        Heart(), Look(), frames=70, rate_hz=40.0, rate_per_min=75.0, size=(32, 32), start=0.25
    )

    np.testing.assert_allclose(cine.cycles, (0.25 + np.arange(70) / 32) % 1, atol=1e-12)
    assert cine.images.shape == cine.masks.shape == (70, 32, 32)
    assert cine.facts["frame_rate_hz"] == 40
    assert cine.facts["heart_rate_per_min"] == 75
    assert PASSING.isdisjoint(cine.facts)


@pytest.mark.parametrize(
    ("start", "ends"), [(0.0, (0, 18)), (0.3, (35, 53)), (0.99, (0, 18)), (0.981, (1, 19))]
)
def test_the_ends_of_systole_are_the_nearest_frames(start: float, ends: tuple[int, int]) -> None:
    """50 frames a beat: end systole comes 18 frames after end diastole."""
    film = {"frames": 60, "rate_hz": 50.0, "rate_per_min": 60.0}
    cine = draw_cine(Heart(), Look(), size=(48, 48), start=start, **film)

    assert (cine.ed_frame, cine.es_frame) == ends
    areas = [area(cine, k) for k in range(60)]
    assert areas[cine.ed_frame] == pytest.approx(max(areas), rel=0.01)
    assert areas[cine.es_frame] == pytest.approx(min(areas), rel=0.02)


@pytest.mark.parametrize("ef_percent", [10.0, 45.0, 80.0])
def test_the_ejection_fraction_can_be_seen(ef_percent: float) -> None:
    """Of a solid of revolution, 1 - EF is area ratio squared over length ratio."""
    heart = Heart(ef_percent=ef_percent)
    cine = draw_cine(heart, Look(), frames=10, rate_hz=25.0, rate_per_min=60.0, size=(256, 256))
    shortening = 1 - 0.28 * ef_percent / 100
    ratio = area(cine, cine.es_frame) / area(cine, cine.ed_frame)

    assert 100 * (1 - ratio**2 / shortening) == pytest.approx(ef_percent, abs=2.5)
    assert cine.facts["ef_percent"] == ef_percent


@pytest.mark.parametrize("angle_deg", [30.0, 210.0])
def test_speckle_moves_with_the_tissue(angle_deg: float) -> None:
    """Block matching from frame to frame finds where a point in the middle of the wall went.

    Its way follows from level and angle, which a material point keeps, and from the share of the
    wall inside it, which keeps its volume.
    """
    heart = Heart(ef_percent=70.0)
    look = replace(CLEAR, texture_db=0.0, specular=0.0, lateral_deg=0.4, dynamic_range_db=40.0)
    film = {"frames": 10, "rate_hz": 25.0, "rate_per_min": 60.0, "size": (320, 320)}
    cine = draw_cine(heart, look, **film)
    first, last = 1, 4  # of a systole of 9 frames

    def middle(frame: int) -> tuple[float, float]:
        """Pixel of the point of the A4C plane that halves the wall at the level 0.6."""
        pose = pose_at(heart, float(cine.cycles[frame]))
        endo, epi = (float(r[0]) for r in walls(pose, np.full(1, 0.6, np.float32), 0.0))
        u, v = direction(angle_deg)
        radius = np.sqrt((endo**2 + epi**2) / 2)
        place = np.array([radius * u, radius * v, 0.6 * pose.length_mm])
        return fan_of(look, film["size"]).to_px(*plane_of("A4C", pose, look).project(place))

    start, end = middle(first), middle(last)
    place = round(start[0]), round(start[1])
    for k in range(first, last):
        place = follow(cine.images[k], cine.images[k + 1], *place)
    assert np.hypot(*np.subtract(end, start)) > 6
    assert np.hypot(*np.subtract(end, place)) < 2.5


def follow(old: np.ndarray, new: np.ndarray, x: int, y: int) -> tuple[int, int]:
    """Where the block round a pixel went: largest correlation within 6 pixels."""
    half, reach = 8, 6

    def block(image: np.ndarray, x: int, y: int) -> np.ndarray:
        return image[y - half : y + half + 1, x - half : x + half + 1].ravel().astype(float)

    places = [(x + i, y + j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    return max(places, key=lambda p: np.corrcoef(block(old, x, y), block(new, *p))[0, 1])


def test_a_beat_later_the_tissue_is_the_same_and_noise_and_blood_are_new() -> None:
    noisy = replace(Look(), noise_db=-10.0, clutter_db=-60.0)
    film = {"frames": 60, "rate_hz": 50.0, "rate_per_min": 60.0}  # 50 frames a beat
    plain, loud = (draw_cine(Heart(), look, size=(128, 128), **film) for look in (CLEAR, noisy))

    np.testing.assert_array_equal(plain.masks[3], plain.masks[53])
    muscle = plain.masks[3] == CLASSES.index("myocardium")
    y, x = ndimage.center_of_mass(plain.masks[3] == CLASSES.index("left_ventricle"))
    blood = np.zeros_like(muscle)
    blood[round(y) - 10 : round(y) + 10, round(x) - 6 : round(x) + 6] = True  # no muscle hangs here
    assert likeness(plain, muscle) > 0.98
    assert abs(likeness(plain, blood)) < 0.25
    assert 0.25 < likeness(loud, muscle) < 0.95


def likeness(cine: Cine, where: np.ndarray) -> float:
    """Correlation of the frames 3 and 53 between neighbours, without smooth differences."""
    sharp = [
        image - ndimage.gaussian_filter(image.astype(float), 3) for image in cine.images[3::50]
    ]
    return float(np.corrcoef(sharp[0][where], sharp[1][where])[0, 1])


def test_a_leaning_plane_foreshortens_as_much_as_it_says() -> None:
    """The cavity in the image, from apex to annulus, in mm, against the long axis of the heart."""
    lengths = {}
    for lean in (-15.0, 0.0, 15.0):
        look = Look(probe_lean_deg=lean)
        cine = draw_cine(Heart(), look, frames=10, rate_hz=25.0, rate_per_min=60.0, size=(300, 300))
        rows = np.nonzero((cine.masks[0] == CLASSES.index("left_ventricle")).any(1))[0]
        lengths[lean] = np.ptp(rows) * float(cine.facts["spacing_y_mm"])
        told = float(cine.facts["foreshortening_percent"])
        assert lengths[lean] == pytest.approx(86 * (1 - told / 100), rel=0.04)

    assert lengths[15] == pytest.approx(lengths[-15], rel=0.01)
    assert lengths[15] < 0.85 * lengths[0]


def test_a_short_axis_is_not_foreshortened() -> None:
    film = {"frames": 20, "rate_hz": 50.0, "rate_per_min": 60.0, "size": (48, 48)}
    plain, leaning = (
        draw_cine(Heart(), Look(probe_lean_deg=lean), view="SAX_MID", **film)
        for lean in (0.0, 15.0)
    )

    np.testing.assert_array_equal(plain.images, leaning.images)
    assert "foreshortening_percent" not in plain.facts


def test_a_leaning_plane_misses_the_apex() -> None:
    upright, leaning = (
        draw(Heart(), Look(probe_lean_deg=lean), view="A4C", phase="ED") for lean in (0.0, 15.0)
    )
    inside = [
        ndimage.binary_dilation(f.mask == CLASSES.index("left_ventricle"), iterations=3)[
            round(f.landmarks["apex"][1]), round(f.landmarks["apex"][0])
        ]
        for f in (upright, leaning)
    ]
    assert inside == [True, False]


@pytest.mark.parametrize(
    ("film", "told"),
    [
        ({"frames": 10, "rate_hz": 50.0, "rate_per_min": 60.0}, "no end diastole"),
        ({"frames": 60, "rate_hz": 50.0, "rate_per_min": 60.0, "start": 0.1}, "draw more frames"),
        ({"frames": 0, "rate_hz": 50.0, "rate_per_min": 60.0}, "0 frames"),
        ({"frames": 60, "rate_hz": 0.0, "rate_per_min": 60.0}, "0 Hz"),
        ({"frames": 60, "rate_hz": 50.0, "rate_per_min": -60.0}, "-60 beats"),
    ],
)
def test_a_film_without_a_systole_is_bad_input(film: dict[str, float], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        draw_cine(Heart(), Look(), **film)


def test_an_unknown_view_is_bad_input() -> None:
    with pytest.raises(BadInput, match="'A5C'"):
        draw_cine(Heart(), Look(), view="A5C", frames=60, rate_hz=50.0, rate_per_min=60.0)


@pytest.mark.slow
def test_sixty_frames_a_second_are_drawn_on_one_core() -> None:
    draw_cine(Heart(), Look(), frames=20, rate_hz=50.0, rate_per_min=60.0)
    heart = sample_beating_heart(np.random.default_rng(0), pathologies=("infarct",))
    before = process_time()
    draw_cine(heart, Look(), frames=180, rate_hz=50.0, rate_per_min=70.0)
    assert 180 / (process_time() - before) > 60
