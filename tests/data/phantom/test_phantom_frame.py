from dataclasses import asdict

import numpy as np
import pytest
from scipy import ndimage

from septum.contract import BadInput
from septum.data.phantom import (
    CLASSES,
    LANDMARKS,
    PHASES,
    VIEWS,
    Frame,
    Heart,
    Look,
    draw,
    frames_per_second,
    sample_heart,
    sample_look,
)

SEEN = {
    "A2C": {"left_ventricle", "myocardium", "left_atrium"},
    "A3C": {"left_ventricle", "myocardium", "left_atrium", "aorta"},
    "A4C": set(CLASSES) - {"aorta", "background"},
    "PLAX": {"left_ventricle", "myocardium", "left_atrium", "right_ventricle", "aorta"},
    "SAX_BASE": {"left_atrium", "right_atrium", "right_ventricle", "aorta"},
    "SAX_MID": {"left_ventricle", "myocardium", "right_ventricle"},
    "SAX_APEX": {"left_ventricle", "myocardium"},
}


def centre(frame: Frame, name: str) -> tuple[float, float]:
    """Row and column of the middle of a class."""
    return ndimage.center_of_mass(frame.mask == CLASSES.index(name))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_its_chambers(view: str) -> None:
    frame = draw(Heart(), Look(), view=view, phase="ED")
    counts = np.bincount(frame.mask[frame.sector], minlength=len(CLASSES))

    assert {name for name, n in zip(CLASSES, counts, strict=True) if n > 150} >= SEEN[view]


def test_the_four_chambers_are_where_they_belong() -> None:
    frame = draw(Heart(), Look(), view="A4C", phase="ED")
    lv, rv, la, ra = (
        centre(frame, name)
        for name in ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium")
    )

    assert rv[1] < lv[1]
    assert ra[1] < la[1]
    assert la[0] > lv[0]
    assert ra[0] > rv[0]


def test_blood_is_darker_than_muscle() -> None:
    frame = draw(Heart(), Look(), view="A4C", phase="ED")
    blood, muscle = (
        frame.image[frame.mask == CLASSES.index(n)] for n in ("left_ventricle", "myocardium")
    )

    assert muscle.mean() > blood.mean() + 40


@pytest.mark.parametrize("view", ["A2C", "A3C", "A4C"])
@pytest.mark.parametrize("phase", ["ED", "ES"])
@pytest.mark.parametrize("seed", range(3))
def test_landmarks_lie_on_the_edge_of_the_left_ventricle(view: str, phase: str, seed: int) -> None:
    heart = sample_heart(np.random.default_rng(seed))
    look = sample_look(np.random.default_rng(seed), heart=heart)
    frame = draw(heart, look, view=view, phase=phase, size=(320, 400))
    ventricle = frame.mask == CLASSES.index("left_ventricle")
    edge = ventricle & ~ndimage.binary_erosion(ventricle)
    away = ndimage.distance_transform_edt(~edge)

    points = frame.landmarks
    assert tuple(points) == LANDMARKS
    places = [(round(y), round(x)) for x, y in points.values()]
    shown = [place for place in places if frame.sector[place]]
    assert len(shown) >= 4  # a narrow sector may cut off a wall
    assert max(away[place] for place in shown) <= 2.5
    assert points["left_annulus"][0] < points["right_annulus"][0]
    assert points["mid_septum"][0] < points["mid_free_wall"][0]
    assert points["apex"][1] < points["mid_septum"][1] < points["left_annulus"][1]


def test_only_apical_views_have_landmarks_and_only_three_a_valve() -> None:
    frames = {view: draw(Heart(), Look(), view=view, phase="ED") for view in VIEWS}

    assert {v for v, f in frames.items() if f.landmarks} == {"A2C", "A3C", "A4C"}
    assert {v for v, f in frames.items() if f.valve_box} == {"PLAX", "A3C", "SAX_BASE"}


@pytest.mark.parametrize("view", ["PLAX", "A3C", "SAX_BASE"])
@pytest.mark.parametrize("phase", ["ED", "mid_systole"])
def test_the_valve_box_holds_aorta(view: str, phase: str) -> None:
    frame = draw(Heart(), Look(), view=view, phase=phase)
    assert frame.valve_box is not None
    x0, y0, x1, y1 = frame.valve_box

    assert 8 < x1 - x0 < 80
    assert 8 < y1 - y0 < 80
    assert np.mean(frame.mask[y0:y1, x0:x1] == CLASSES.index("aorta")) > 0.3
    assert frame.valve_open == (phase == "mid_systole")


def test_an_open_valve_looks_open() -> None:
    """Across the root, the closed cusps meet in the middle and the open ones do not."""
    level = {}
    for phase in ("ED", "mid_systole"):
        frame = draw(Heart(), Look(noise_db=-60.0), view="SAX_BASE", phase=phase)
        assert frame.valve_box is not None
        x0, y0, x1, y1 = frame.valve_box
        x, y = (x0 + x1) // 2, (y0 + y1) // 2
        level[phase] = frame.image[y - 4 : y + 5, x - 4 : x + 5].mean()

    assert level["ED"] > level["mid_systole"] + 30


def test_outside_the_sector_there_is_nothing() -> None:
    frame = draw(Heart(), Look(), view="A2C", phase="ED")

    assert not frame.image[~frame.sector].any()
    assert not frame.mask[~frame.sector].any()
    assert 0.3 < frame.sector.mean() < 0.8


def test_the_same_arguments_draw_the_same_frame_at_any_size() -> None:
    heart, look = sample_heart(np.random.default_rng(1)), sample_look(np.random.default_rng(1))
    first, again = (draw(heart, look, view="A4C", phase=0.1, size=(96, 120)) for _ in range(2))

    assert first.image.shape == first.mask.shape == first.sector.shape == (96, 120)
    np.testing.assert_array_equal(first.image, again.image)
    assert first.facts == again.facts


def test_facts_hold_every_factor() -> None:
    facts = draw(Heart(), Look(), view="A4C", phase="ES").facts

    assert facts.items() >= {**asdict(Heart()), **asdict(Look())}.items()
    assert facts["volume_ml"] == facts["esv_ml"]
    assert facts["phase"] == "ES"
    assert facts["cycle"] == PHASES["ES"]


def test_style_leaves_the_truth_alone() -> None:
    plain, styled = (
        draw(Heart(), look, view="A4C", phase="ED")
        for look in (Look(), Look(gain_db=6.0, speckle_seed=5, shadow_width_deg=12.0))
    )

    np.testing.assert_array_equal(plain.mask, styled.mask)
    assert plain.landmarks == styled.landmarks
    assert np.abs(plain.image.astype(int) - styled.image).mean() > 10


@pytest.mark.parametrize(("view", "phase"), [("A5C", "ED"), ("A4C", "EDD")])
def test_an_unknown_view_or_phase_is_bad_input(view: str, phase: str) -> None:
    with pytest.raises(BadInput, match="choose from"):
        draw(Heart(), Look(), view=view, phase=phase)


@pytest.mark.slow
def test_drawing_keeps_up_with_training() -> None:
    assert frames_per_second() > 20
