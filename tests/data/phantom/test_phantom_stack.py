from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

from septum.contract import BadInput
from septum.data.phantom import (
    MODALITIES,
    PLANES,
    STACK_CLASSES,
    Body,
    Heart,
    Scan,
    Stack,
    draw_stack,
    sample_body,
    sample_heart,
)
from septum.data.phantom.body import heart_axes

LV, MYOCARDIUM, RV, AORTA, PULMONARY = (
    STACK_CLASSES.index(name)
    for name in ("left_ventricle", "myocardium", "right_ventricle", "aorta", "pulmonary_artery")
)
INFARCT = Heart(
    ef_percent=35.0,
    lv_diameter_mm=54.0,
    infarct_angle_deg=110.0,
    infarct_level=0.5,
    infarct_half_width_deg=50.0,
)


def stack(heart: Heart = Heart(), scan: Scan = Scan(), **how) -> Stack:  # noqa: B008 - both frozen
    options = {"plane": "short_axis", "phase": "ED", "size": (80, 80), "slices": 10, **how}
    return draw_stack(heart, Body(), scan, **options)


def counted_ml(drawn: Stack, index: int) -> float:
    voxel = np.prod([float(drawn.facts[f"spacing_{axis}_mm"]) for axis in "zyx"])
    return float(np.count_nonzero(drawn.mask == index) * voxel / 1000)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("heart", [Heart(), INFARCT], ids=["normal", "infarct"])
def test_volumes_are_voxel_counts(plane: str, heart: Heart) -> None:
    diastole, systole = (
        stack(heart, plane=plane, phase=phase, slices=36, size=(80, 80)) for phase in ("ED", "ES")
    )
    edv, esv = counted_ml(diastole, LV), counted_ml(systole, LV)

    assert diastole.facts["volume_ml"] == diastole.facts["edv_ml"] == pytest.approx(edv, rel=0.03)
    assert systole.facts["volume_ml"] == systole.facts["esv_ml"] == pytest.approx(esv, rel=0.03)
    assert heart.ef_percent == pytest.approx(100 * (1 - esv / edv), abs=1.5)
    muscle = [counted_ml(drawn, MYOCARDIUM) for drawn in (diastole, systole)]
    assert diastole.facts["myocardium_ml"] == pytest.approx(np.mean(muscle), rel=0.06)


def test_a_shell_has_the_volume_of_its_formula() -> None:
    """Truncated spheroids, semi-axes 60 and 25 inside, 70 and 35 outside, cut 30 past a middle."""

    def cap_ml(radius: float, half: float) -> float:
        return np.pi * radius**2 * (30 - 30**3 / (3 * half**2) + 2 / 3 * half) / 1000

    heart = Heart(lv_length_mm=90.0, lv_diameter_mm=50.0, wall_mm=10.0)
    facts = stack(heart, slices=1).facts
    assert facts["myocardium_ml"] == pytest.approx(cap_ml(35, 70) - cap_ml(25, 60), rel=1e-3)
    assert facts["myocardium_g"] == pytest.approx(1.05 * float(facts["myocardium_ml"]))


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_an_axial_stack_shows_every_class(modality: str) -> None:
    for seed in range(2):
        heart = sample_heart(np.random.default_rng(seed))
        body = sample_body(np.random.default_rng(seed))
        drawn = draw_stack(
            heart, body, Scan(modality=modality), plane="axial", phase="ED", slices=14
        )
        assert np.bincount(drawn.mask.ravel(), minlength=8).min() > 100


def test_a_short_axis_stack_runs_from_base_to_apex() -> None:
    mask = stack().mask
    ventricle = (mask == LV).sum(axis=(1, 2))

    assert ventricle[0] == 0  # above the annulus, where the atria are
    assert (mask[0] == STACK_CLASSES.index("left_atrium")).any()
    assert (np.diff(ventricle[3:]) <= 0).all()  # narrower from the widest level on
    assert ventricle[-1] == 0
    assert (mask[-1] == MYOCARDIUM).any()


def middle(drawn: Stack, index: int) -> np.ndarray:
    """Slice, row and column of the middle of a class."""
    return np.array(ndimage.center_of_mass(drawn.mask == index))


def test_the_heart_lies_as_radiologists_see_it() -> None:
    short, axial = stack(), stack(plane="axial", slices=16)

    assert middle(short, RV)[2] < middle(short, LV)[2] - 8  # septum at the left
    _, y, x = middle(axial, LV) - middle(axial, RV)
    assert x > 0  # the left ventricle is on the subject's left
    assert y > 0  # and behind the right one
    above = middle(axial, PULMONARY)
    assert above[0] > middle(axial, LV)[0]
    assert above[2] > middle(axial, AORTA)[2]  # the trunk is left of the ascending aorta


def test_the_pulmonary_artery_leaves_the_right_ventricle_and_passes_behind_the_aorta() -> None:
    mask = stack(plane="axial", slices=30).mask
    beside = ndimage.binary_dilation(mask == PULMONARY, iterations=2)
    assert (mask[beside] == RV).any()
    parts, count = ndimage.label((mask == PULMONARY) | (mask == RV))
    sizes = np.bincount(parts.ravel())[1:]
    assert count >= 1
    assert sizes.max() > 0.98 * sizes.sum()

    _, rows, columns = np.nonzero(mask == PULMONARY)
    aorta = middle(Stack(image=mask, mask=mask, facts={}), AORTA)
    assert (rows[columns < aorta[2]] > aorta[1]).all()


def test_the_axes_of_the_heart_are_at_right_angles_and_mirror_the_body() -> None:
    axes = heart_axes(sample_body(np.random.default_rng(3)))

    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(-1)
    angles = np.degrees(np.arccos(np.abs(heart_axes(Body())[2])))
    assert ((angles > 40) & (angles < 65)).all()  # long axis to the axes of the body


@pytest.mark.parametrize("plane", PLANES)
def test_neighbouring_slices_overlap(plane: str) -> None:
    mask = stack(plane=plane, slices=16).mask == LV
    shown = [k for k in range(16) if mask[k].any()]

    assert shown == list(range(shown[0], shown[-1] + 1))
    for k in shown[:-1]:
        smaller = min(mask[k].sum(), mask[k + 1].sum())
        assert (mask[k] & mask[k + 1]).sum() > 0.6 * smaller


def test_a_hypertrophic_wall_is_thicker() -> None:
    def shell_mm(heart: Heart) -> float:
        """Difference of the radii of discs as large as epicardium and endocardium."""
        drawn = stack(heart)
        ring = drawn.mask[5]
        areas = [
            np.count_nonzero(ring == LV),
            np.count_nonzero((ring == LV) | (ring == MYOCARDIUM)),
        ]
        inner, outer = np.sqrt(np.array(areas) / np.pi) * float(drawn.facts["spacing_y_mm"])
        return float(outer - inner)

    assert shell_mm(Heart()) == pytest.approx(9.5, abs=1)
    assert shell_mm(Heart(wall_mm=15.0)) == pytest.approx(15, abs=1)


def test_modality_is_a_look_and_the_rest_is_anatomy() -> None:
    drawn = [stack(scan=Scan(modality=modality)) for modality in MODALITIES]

    assert [(d.facts["modality"], d.facts["sequence"]) for d in drawn] == [
        ("MR", "cine"),
        ("MR", "LGE"),
        ("CT", "CT"),
    ]
    for other in drawn[1:]:
        np.testing.assert_array_equal(drawn[0].mask, other.mask)


def test_the_field_of_view_moves_as_the_scan_says() -> None:
    spacing = float(stack().facts["spacing_y_mm"])
    still = middle(stack(), LV)
    moved = middle(stack(scan=Scan(shift_right_mm=4 * spacing, shift_down_mm=-6 * spacing)), LV)
    np.testing.assert_allclose(moved - still, (0, -6, 4), atol=0.1)

    def angle_deg(drawn: Stack) -> float:
        _, down, right = middle(drawn, LV) - middle(drawn, RV)
        return float(np.degrees(np.arctan2(down, right)))

    turned = angle_deg(stack(scan=Scan(rotation_deg=20.0)))
    assert abs(turned - angle_deg(stack())) == pytest.approx(20, abs=1)


def test_the_same_arguments_draw_the_same_stack_and_facts_hold_every_factor() -> None:
    first, again = stack(INFARCT), stack(INFARCT)

    np.testing.assert_array_equal(first.image, again.image)
    assert first.facts == again.facts
    factors = {**asdict(INFARCT), **asdict(Body()), **asdict(Scan())}
    assert first.facts.items() >= {k: v for k, v in factors.items() if k != "modality"}.items()
    assert first.facts["phase"] == "ED"
    assert float(first.facts["scar_percent"]) > 5


def test_noise_differs_over_the_cycle_and_not_over_the_place() -> None:
    diastole, later = (stack(phase=phase, size=(64, 64), slices=3) for phase in ("ED", 1e-3))

    assert later.facts["phase"] == ""
    assert (diastole.image != later.image).mean() > 0.3


@pytest.mark.parametrize(("plane", "phase"), [("coronal", "ED"), ("axial", "EDD")])
def test_an_unknown_plane_or_phase_is_bad_input(plane: str, phase: str) -> None:
    with pytest.raises(BadInput, match="choose from"):
        stack(plane=plane, phase=phase)


def test_thin_slices_have_sharper_walls_than_thick_ones() -> None:
    """Where the wall is oblique, near the apex, a thick slice averages blood and muscle."""
    thin, thick = (
        stack(scan=replace(Scan(noise_signal=0.0, bias_share=0.0), thickness_mm=mm))
        for mm in (1.0, 10.0)
    )
    ring = ndimage.binary_dilation(thin.mask[7] == LV, iterations=2)
    edges = [np.hypot(*np.gradient(d.image[7].astype(float)))[ring].max() for d in (thin, thick)]

    assert edges[0] > 1.1 * edges[1]
