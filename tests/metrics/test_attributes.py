"""Attributes of rings whose numbers are known by hand, of phantoms, and of real label maps."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from septum.data import phantom, read
from septum.data.manifest import records
from septum.data.phantom import injury
from septum.metrics import attributes
from septum.metrics.attributes import Usable, named, named_volume, of_slice, of_volume, usable

CLASSES = ("background", "left_ventricle", "myocardium", "infarction", "no_reflow")
LV, WALL, DEAD, NO_REFLOW = range(1, 5)


def ring(inner, outer, *, middle=(31.3, 32.2), apart=(0.0, 0.0), pixel=(1.0, 1.0), size=(64, 64)):
    """A round cavity in a round ventricle whose middle is `apart` from its own; in mm."""
    row, column = np.mgrid[: size[0], : size[1]].astype(float)
    y, x = (row - middle[0]) * pixel[0], (column - middle[1]) * pixel[1]
    mask = np.zeros(size, np.uint8)
    mask[(y - apart[0]) ** 2 + (x - apart[1]) ** 2 <= outer**2] = WALL
    mask[y**2 + x**2 <= inner**2] = LV
    return mask


def sector(mask, *, middle=(31.3, 32.2), from_deg, to_deg):
    """Where a mask is wall within these angles, seen from the middle."""
    row, column = np.mgrid[: mask.shape[0], : mask.shape[1]]
    angle = np.degrees(np.arctan2(row - middle[0], column - middle[1])) % 360
    return (mask == WALL) & (angle >= from_deg) & (angle < to_deg)


@pytest.mark.parametrize(("inner", "outer"), [(4, 6.5), (7, 13), (9.3, 12.1), (12, 20), (17, 19)])
@pytest.mark.parametrize("middle", [(31.5, 31.5), (31.1, 32.3), (30.75, 31.9)])
def test_a_ring_is_as_thick_as_it_is(inner, outer, middle):
    found = of_slice(ring(inner, outer, middle=middle), CLASSES, pixel_mm=None)

    assert found["wall_thickness_mean_px"] == pytest.approx(outer - inner, abs=0.3)
    assert found["wall_thickness_min_px"] == pytest.approx(outer - inner, abs=0.6)
    assert found["left_ventricle_area_px"] == pytest.approx(np.pi * inner**2, rel=0.08)
    assert found["eccentricity"] < 0.35  # axes of .94


@pytest.mark.parametrize("turn_deg", [0, 33, 160, 290])
def test_a_cavity_off_the_middle_leaves_the_thin_side_that_is_left(turn_deg):
    way = np.array([np.sin(np.deg2rad(turn_deg)), np.cos(np.deg2rad(turn_deg))])
    found = of_slice(ring(9, 15, apart=tuple(3 * way)), CLASSES, pixel_mm=None)

    # from a point of the inner circle to the nearest of the outer one: 15 - |point - middle of it|
    total, _ = quad(lambda t: 15 - math.hypot(9 * math.cos(t) - 3, 9 * math.sin(t)), 0, 2 * np.pi)
    assert found["wall_thickness_min_px"] == pytest.approx(15 - 9 - 3, abs=0.5)
    assert found["wall_thickness_mean_px"] == pytest.approx(total / (2 * np.pi), abs=0.2)


def test_a_wall_seen_at_a_slant_is_not_too_thick():
    """Cavity and ventricle are long boxes; along rays to its far ends the wall is up to 3 x 4."""
    mask = np.zeros((64, 64), np.uint8)
    mask[22:42, 8:56] = WALL
    mask[26:38, 12:52] = LV

    found = of_slice(mask, CLASSES, pixel_mm=None)

    assert found["wall_thickness_mean_px"] == pytest.approx(4, abs=0.2)
    assert found["wall_thickness_min_px"] == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("pixel", [(1.0, 2.0), (1.7, 0.8)])
def test_pixels_that_are_not_square_change_nothing(pixel):
    size = tuple(math.ceil(60 / side) for side in pixel)
    middle = tuple(29.6 / side for side in pixel)
    mask = ring(11, 19, middle=middle, apart=(0.0, 2.0), pixel=pixel, size=size)

    found = of_slice(mask, CLASSES, pixel_mm=pixel)

    assert found["left_ventricle_area_mm2"] == pytest.approx(np.pi * 11**2, rel=0.03)
    assert found["myocardium_area_mm2"] == pytest.approx(np.pi * (19**2 - 11**2), rel=0.03)
    assert found["wall_thickness_min_mm"] == pytest.approx(6, abs=max(pixel) / 2)
    assert found["wall_thickness_mean_mm"] == pytest.approx(8, abs=max(pixel) / 5)
    assert found["eccentricity"] < 0.2


def test_attributes_in_mm_are_those_in_pixels_times_the_spacing():
    mask = ring(8, 14)
    mask[sector(mask, from_deg=10, to_deg=80)] = DEAD
    pixels = of_slice(mask, CLASSES, pixel_mm=None)
    in_mm = of_slice(mask, CLASSES, pixel_mm=(1.5, 1.5))

    assert tuple(pixels) == named(CLASSES, in_mm=False)
    assert tuple(in_mm) == named(CLASSES, in_mm=True)
    for a, b in zip(pixels, in_mm, strict=True):
        scale = {"px": 1.5, "mm2": 2.25}.get(b.rsplit("_")[-1] if "mm2" in b else a[-2:], 1.0)
        assert in_mm[b] == pytest.approx(scale * pixels[a], rel=1e-9)


def test_eccentricity_is_that_of_an_ellipse():
    row, column = np.mgrid[:64, :64] - 31.5
    turned = row * np.cos(0.6) + column * np.sin(0.6), column * np.cos(0.6) - row * np.sin(0.6)
    mask = ((turned[0] / 10) ** 2 + (turned[1] / 20) ** 2 <= 1).astype(np.uint8)

    found = of_slice(mask, CLASSES, pixel_mm=None)

    assert found["eccentricity"] == pytest.approx(math.sqrt(1 - (10 / 20) ** 2), abs=0.01)


def test_eccentricity_of_a_box_by_hand():
    mask = np.zeros((9, 9), np.uint8)
    mask[2:5, 1:7] = LV  # variances of a box: side² / 12
    for pixel_mm, wide in (((1.0, 1.0), 6 / 3), ((1.0, 2.0), 12 / 3)):
        found = of_slice(mask, CLASSES, pixel_mm=pixel_mm)
        assert found["eccentricity"] == pytest.approx(math.sqrt(1 - 1 / wide**2))


def test_areas_and_shares_are_counts():
    mask = np.zeros((8, 10), np.int64)
    mask[0, :6], mask[1, :8], mask[2, :3], mask[3, :1] = LV, WALL, DEAD, NO_REFLOW
    found = of_slice(mask, CLASSES, pixel_mm=(2.0, 0.5))

    assert found["left_ventricle_area_mm2"] == 6
    assert found["myocardium_area_mm2"] == 12
    assert found["infarction_area_mm2"] == 4
    assert found["no_reflow_area_mm2"] == 1
    assert found["infarct_share_percent"] == pytest.approx(100 / 3)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_transmurality_is_the_share_of_the_infarcted_sectors_wall(share):
    """The inner part of the wall is infarct over a quarter of the ring: of 8 pixels."""
    mask = ring(8, 16)
    inner = ring(8 + 8 * share, 30) == LV
    dead = sector(mask, from_deg=20, to_deg=110) & inner
    mask[dead] = DEAD

    found = of_slice(mask, CLASSES, pixel_mm=None)
    assert found["transmurality_percent"] == pytest.approx(100 * share, abs=4)
    assert found["infarct_share_percent"] < 30

    mask[dead & (np.indices(mask.shape)[0] > 36)] = NO_REFLOW
    same = of_slice(mask, CLASSES, pixel_mm=None)
    assert same["transmurality_percent"] == found["transmurality_percent"]
    assert same["infarct_share_percent"] == found["infarct_share_percent"]
    assert same["no_reflow_area_px"] == np.count_nonzero(mask == NO_REFLOW) > 0


def test_a_wall_without_infarct_has_no_transmurality_and_no_wall_has_an_unknown_one():
    healthy = of_slice(ring(8, 14), CLASSES, pixel_mm=None)
    assert healthy["transmurality_percent"] == healthy["infarct_share_percent"] == 0
    bare = of_slice(np.where(ring(8, 14) == LV, LV, 0), CLASSES, pixel_mm=None)
    areas = {name for name in named(CLASSES, in_mm=False) if "area" in name}
    assert {*bare} == {*areas, "eccentricity"}


def test_an_open_ring_has_no_thickness_but_all_else():
    mask = ring(8, 14)
    mask[sector(mask, from_deg=10, to_deg=45)] = 0
    mask[sector(mask, from_deg=180, to_deg=230)] = DEAD

    found = of_slice(mask, CLASSES, pixel_mm=None)

    missing = {*named(CLASSES, in_mm=False)} - {*found}
    assert missing == {"wall_thickness_mean_px", "wall_thickness_min_px"}
    # rays along both edges of the infarct meet some of the muscle beside it
    assert found["transmurality_percent"] == pytest.approx(100, abs=8)


def test_an_infarct_without_a_cavity_has_a_size_alone():
    mask = np.where(ring(8, 14) > 0, DEAD, 0)
    found = of_slice(mask, CLASSES, pixel_mm=None)
    assert found["infarct_share_percent"] == 100
    assert found["left_ventricle_area_px"] == 0
    assert not {"transmurality_percent", "eccentricity", "wall_thickness_min_px"} & {*found}


def test_a_crescent_round_its_middle_has_no_thickness():
    """The middle of the cavity is wall: rays into its opening meet no blood."""
    mask = ring(14, 20)
    mask[(ring(9, 30) == LV) | sector(ring(1, 20), from_deg=300, to_deg=360)] = WALL

    assert "wall_thickness_mean_px" not in of_slice(mask, CLASSES, pixel_mm=None)


def test_specks_do_not_change_the_wall():
    mask = ring(8, 14)
    stained = mask.copy()
    stained[2:4, 2:4], stained[60, 50:55] = WALL, LV
    clean, found = (of_slice(m, CLASSES, pixel_mm=None) for m in (mask, stained))

    shape = ("wall_thickness_mean_px", "wall_thickness_min_px", "eccentricity")
    assert [found[k] for k in shape] == pytest.approx([clean[k] for k in shape])
    assert found["left_ventricle_area_px"] == clean["left_ventricle_area_px"] + 5


def test_where_the_ventricle_lies_does_not_matter():
    mask = ring(8, 14, middle=(16, 17))
    mask[sector(mask, middle=(16, 17), from_deg=20, to_deg=90)] = DEAD
    there = of_slice(mask, CLASSES, pixel_mm=None)
    assert of_slice(np.roll(mask, (30, 29), (0, 1)), CLASSES, pixel_mm=None) == there
    assert of_slice(mask[2:31, 3:32], CLASSES, pixel_mm=None) == there


@pytest.mark.parametrize("code", [-1, 5, 255])
def test_nothing_is_known_of_a_mask_with_foreign_codes(code):
    mask = ring(8, 14).astype(np.int64)
    mask[0, 0] = code
    assert of_slice(mask, CLASSES, pixel_mm=None) == {}
    assert of_volume([ring(8, 14), mask], CLASSES, voxel_mm=None) == {}


def test_classes_say_which_attributes_there_are():
    assert named(CLASSES, in_mm=True) == (
        "left_ventricle_area_mm2",
        "myocardium_area_mm2",
        "wall_thickness_mean_mm",
        "wall_thickness_min_mm",
        "infarction_area_mm2",
        "no_reflow_area_mm2",
        "infarct_share_percent",
        "transmurality_percent",
        "eccentricity",
    )
    healthy = tuple(n for n in named(CLASSES, in_mm=False) if n[:2] not in ("in", "no", "tr"))
    assert named(CLASSES[:3], in_mm=False) == healthy
    assert named(("background", "lesion"), in_mm=False) == ()
    found = of_slice(ring(8, 14), CLASSES[:3], pixel_mm=None)
    assert tuple(found) == named(CLASSES[:3], in_mm=False)
    volume = of_volume([ring(8, 14)], CLASSES, voxel_mm=(9.0, 1.5, 1.5))
    assert tuple(volume) == named_volume(CLASSES, in_mm=True)


def test_a_volume_is_made_of_its_slices():
    base, middle, apex = ring(10, 15), ring(9, 16), np.where(ring(4, 9) == WALL, WALL, 0)
    middle[sector(middle, from_deg=0, to_deg=60)] = DEAD
    base[sector(base, from_deg=10, to_deg=35) & (ring(12, 30) == LV)] = DEAD
    stack = [base, middle, apex.astype(np.uint8)]
    each = [of_slice(mask, CLASSES, pixel_mm=(1.5, 2.0)) for mask in stack]

    found = of_volume(stack, CLASSES, voxel_mm=(8.0, 1.5, 2.0))

    voxels = np.stack(stack)
    ml = 8.0 * 1.5 * 2.0 / 1000
    blood, wall, dead = ((voxels == LV).sum(), (voxels >= WALL).sum(), (voxels == DEAD).sum())
    assert found["left_ventricle_volume_ml"] == pytest.approx(ml * blood)
    assert found["myocardium_volume_ml"] == pytest.approx(ml * wall)
    assert found["infarction_volume_ml"] == pytest.approx(ml * dead)
    assert found["no_reflow_volume_ml"] == 0
    assert found["infarct_share_percent"] == pytest.approx(100 * dead / wall)
    assert "eccentricity" not in each[2]
    for name in ("wall_thickness_mean_mm", "eccentricity", "transmurality_percent"):
        assert found[name] == pytest.approx((each[0][name] + each[1][name]) / 2)
    assert found["wall_thickness_min_mm"] == min(each[k]["wall_thickness_min_mm"] for k in (0, 1))

    counted = of_volume(stack, CLASSES, voxel_mm=None)
    assert counted["left_ventricle_volume_voxels"] == (voxels == LV).sum()
    assert "wall_thickness_mean_px" in counted


def test_a_healthy_volume_has_no_transmurality_and_no_slices_no_volume():
    assert of_volume([ring(8, 14)] * 2, CLASSES, voxel_mm=None)["transmurality_percent"] == 0
    assert of_volume([], CLASSES, voxel_mm=None) == {}


HEARTS = {
    "normal": phantom.Heart(),
    "large": phantom.Heart(lv_length_mm=96.0, lv_diameter_mm=60.0, wall_mm=8.0, ef_percent=30.0),
}


@pytest.mark.parametrize("kind", ["normal", pytest.param("large", marks=pytest.mark.slow)])
def test_volumes_and_walls_of_phantoms_are_their_own(kind):
    drawn = phantom.draw_stack(
        HEARTS[kind],
        phantom.Body(),
        phantom.Scan(modality="LGE"),
        plane="short_axis",
        phase="ED",
        size=(128, 128),
        slices=20,
    )
    facts = {k: v for k, v in drawn.facts.items() if isinstance(v, float)}
    spacing = tuple(facts[f"spacing_{axis}_mm"] for axis in "zyx")

    found = of_volume(drawn.mask, phantom.STACK_CLASSES, voxel_mm=spacing)

    assert found["left_ventricle_volume_ml"] == pytest.approx(facts["volume_ml"], rel=0.04)
    assert found["myocardium_volume_ml"] == pytest.approx(facts["myocardium_ml"], rel=0.06)
    # of slices through the middle of the ventricle, where its wall is upright
    walls = [of_slice(m, phantom.STACK_CLASSES, pixel_mm=spacing[1:]) for m in drawn.mask]
    middle = max(walls, key=lambda one: one["left_ventricle_area_mm2"])
    assert middle["wall_thickness_mean_mm"] == pytest.approx(facts["wall_now_mm"], abs=0.8)


@pytest.mark.slow
@pytest.mark.parametrize(("half_width", "depth", "core"), [(60.0, 0.5, 0.0), (90.0, 1.0, 0.8)])
def test_infarcts_of_phantoms_have_their_size_and_depth(half_width, depth, core):
    heart = phantom.Heart(
        ef_percent=35.0,
        lv_diameter_mm=54.0,
        infarct_angle_deg=110.0,
        infarct_half_width_deg=half_width,
    )
    late = injury.draw_late(
        heart,
        injury.Injury(depth_share=depth, core_share=core),
        phantom.Body(),
        phantom.Scan(modality="LGE"),
        size=(96, 96),
        slices=12,
    )

    found = of_volume(late.mask, injury.LATE_CLASSES, voxel_mm=late.spacing_mm)

    for name, truth in late.facts.items():
        assert found[name] == pytest.approx(truth, rel=0.04)
    # as deep as drawn in its middle, less so towards its border
    assert 75 * depth < found["transmurality_percent"] < 100 * depth


def test_real_label_maps_are_measured_and_counted_as_published(shared_data):
    chosen = list(records(shared_data / "emidec"))[::40]
    for record in chosen:
        assert record.mask is not None
        found = of_slice(read.mask(record.mask), CLASSES, pixel_mm=None)
        assert found["left_ventricle_area_px"] == record.labels["px_lv"]
        assert found["no_reflow_area_px"] == record.labels["px_mvo"]
        assert 2 < found["wall_thickness_min_px"] < found["wall_thickness_mean_px"] < 30


SUBJECTS = [f"P{k // 4}" for k in range(40)]


def columns(**more):
    rng = np.random.default_rng(0)
    return {"area_mm2": rng.normal(size=40), "wall_mm": rng.normal(size=40), **more}


def test_sound_attributes_are_used_without_a_word():
    rng = np.random.default_rng(3)
    early, late = rng.normal(size=(2, 40))
    early[24:], late[:16], late[16:24] = np.nan, np.nan, early[16:24]
    assert usable(columns(), SUBJECTS) == Usable(names=("area_mm2", "wall_mm"), remarks=())
    # equal where both are known, but that are eight images
    assert usable(columns(a=early, b=late), SUBJECTS).names[2:] == ("a", "b")


def test_constant_attributes_are_left_out():
    gaps = np.full(40, 7.5)
    gaps[:5] = np.nan
    found = usable(columns(age_years=np.full(40, 60.0), gap_mm=gaps, none=np.zeros(40)), SUBJECTS)
    assert found.names == ("area_mm2", "wall_mm")
    assert found.remarks == (
        "age_years is left out: it is 60 in all 40 images where it is known.",
        "gap_mm is left out: it is 7.5 in all 35 images where it is known.",
        "none is left out: it is 0 in all 40 images where it is known.",
    )


def test_collinear_attributes_are_left_out_and_the_first_is_kept():
    sound = columns()
    mass = 1.05 * sound["wall_mm"]
    mass[::4] = np.nan
    noise = np.random.default_rng(1).normal(size=40)
    alike, minus = sound["area_mm2"] + 0.2 * noise, 3 - sound["area_mm2"]
    found = usable({**sound, "mass_g": mass, "minus": minus, "alike": alike}, SUBJECTS)
    assert found.names == ("area_mm2", "wall_mm", "alike")
    assert found.remarks == (
        "mass_g is left out: it says what wall_mm says (correlation 1.00000 over 30 images).",
        "minus is left out: it says what area_mm2 says (correlation -1.00000 over 40 images).",
    )


def test_the_rest_may_follow_what_is_left_out():
    """An attribute that is not used takes none with it."""
    noise = np.random.default_rng(2).normal(size=40)
    few = np.where(np.arange(40) < 9, noise, np.nan)
    assert usable(columns(few=few, more=noise), SUBJECTS).names == ("area_mm2", "wall_mm", "more")


def test_attributes_known_of_some_are_kept_with_a_remark():
    partly = np.random.default_rng(1).normal(size=40)
    partly[:9], partly[20] = np.nan, np.inf
    found = usable(columns(ef_percent=partly), SUBJECTS)
    assert found.names[-1] == "ef_percent"
    assert found.remarks == (
        "ef_percent is unknown in 10 of 40 images, of 4 of 10 subjects; it is learnt from the "
        "others.",
    )


@pytest.mark.parametrize(("known", "used"), [(0, False), (9, False), (10, True)])
def test_attributes_known_of_too_few_images_are_left_out(known, used):
    rare = np.full(40, np.nan)
    rare[:known] = np.arange(known) ** 2
    found = usable(columns(rare=rare), SUBJECTS)
    assert ("rare" in found.names) is used
    assert used or found.remarks == (
        f"rare is left out: it is known of {known} images, and at least {attributes.FEWEST} are "
        "needed.",
    )
