from math import pi

import numpy as np
import pytest
from scipy import stats

from septum.contract import BadInput
from septum.data.phantom import PATHOLOGIES, PHASES, Heart, sample_beating_heart, sample_heart
from septum.data.phantom.heart import pose_at, reach_mm, scar_percent, volume_ml
from septum.data.phantom.tissue import (
    CLASS_OF_TISSUE,
    CLASSES,
    MYOCARDIUM,
    SCAR,
    Points,
    around,
    material_at,
    tissue_at,
)

LV, WALL, LA = (CLASSES.index(n) for n in ("left_ventricle", "myocardium", "left_atrium"))
INFARCT = {"infarct_angle_deg": 110.0, "infarct_level": 0.4, "infarct_half_width_deg": 45.0}
HEARTS = {
    "normal": Heart(),
    "hypertrophic": Heart(wall_mm=16.0, lv_diameter_mm=40.0, ef_percent=70.0),
    "infarct": Heart(ef_percent=35.0, lv_diameter_mm=54.0, **INFARCT),
}


def tissues(heart: Heart, phase: float) -> np.ndarray:
    """Tissue codes on voxels of 1 microlitre round the left heart."""
    axes = np.arange(-46, 46), np.arange(-46, 46), np.arange(-24, 146)
    x, y, z = np.meshgrid(*(a.astype(np.float32) + 0.5 for a in axes), indexing="ij")
    return tissue_at(around(pose_at(heart, phase), Points(x, y, z)))


def voxels_ml(heart: Heart, phase: float, index: int) -> float:
    return np.count_nonzero(CLASS_OF_TISSUE[tissues(heart, phase)] == index) / 1000


@pytest.mark.parametrize("heart", HEARTS.values(), ids=HEARTS)
def test_volume_is_the_voxel_count_and_gives_the_ejection_fraction(heart: Heart) -> None:
    diastole, systole = (voxels_ml(heart, PHASES[name], LV) for name in ("ED", "ES"))

    assert volume_ml(pose_at(heart, PHASES["ED"])) == pytest.approx(diastole, rel=0.02)
    assert volume_ml(pose_at(heart, PHASES["ES"])) == pytest.approx(systole, rel=0.02)
    assert heart.ef_percent == pytest.approx(100 * (1 - systole / diastole), abs=0.5)


@pytest.mark.parametrize("heart", HEARTS.values(), ids=HEARTS)
def test_myocardium_keeps_its_volume(heart: Heart) -> None:
    volumes = [voxels_ml(heart, phase, WALL) for phase in (0.0, 0.2, 0.36, 0.7)]

    assert max(volumes) < 1.03 * min(volumes)


def test_end_diastolic_volume_is_that_of_a_truncated_spheroid() -> None:
    heart = Heart(lv_length_mm=90.0, lv_diameter_mm=50.0)

    # Semi-axes 60 and 25; the integral of 1 - (t - 1)^2 from the apex at 0 to the annulus at 1.5.
    integral = 1.5**2 - 1.5**3 / 3
    assert volume_ml(pose_at(heart, 0.0)) == pytest.approx(pi * 25**2 * 60 * integral / 1e3)


def test_atrium_fills_while_the_ventricle_empties() -> None:
    assert voxels_ml(Heart(), PHASES["ES"], LA) > 1.3 * voxels_ml(Heart(), PHASES["ED"], LA)


def test_scar_is_the_voxel_count() -> None:
    codes = tissues(HEARTS["infarct"], 0.0)
    scar, healthy = (np.count_nonzero(codes == code) for code in (SCAR, MYOCARDIUM))

    assert scar_percent(HEARTS["infarct"]) == pytest.approx(100 * scar / (scar + healthy), abs=1)
    assert scar_percent(HEARTS["normal"]) == 0


def wall_radius(heart: Heart, phase: float, angle_deg: float) -> float:
    """Radius of the endocardium at level 0.4."""
    pose = pose_at(heart, phase)
    u, v = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return float(
        around(pose, Points(*(np.array([c]) for c in (u, v, 0.4 * pose.length_mm)))).endo[0]
    )


def test_infarct_does_not_contract_and_the_opposite_wall_does() -> None:
    heart = HEARTS["infarct"]

    assert wall_radius(heart, 0.36, 110) == pytest.approx(wall_radius(heart, 0.0, 110), rel=1e-3)
    assert wall_radius(heart, 0.36, 290) < 0.85 * wall_radius(heart, 0.0, 290)


def test_an_ejection_fraction_out_of_reach_is_bad_input() -> None:
    with pytest.raises(BadInput, match="70 percent"):
        pose_at(Heart(ef_percent=70.0, infarct_half_width_deg=100.0), PHASES["ES"])


def test_every_sampled_heart_beats() -> None:
    for seed in range(200):
        heart = sample_heart(np.random.default_rng(seed))
        diastole, systole = (volume_ml(pose_at(heart, PHASES[name])) for name in ("ED", "ES"))
        assert heart.ef_percent == pytest.approx(100 * (1 - systole / diastole), abs=0.1)


@pytest.mark.parametrize("pathology", PATHOLOGIES)
def test_a_named_pathology_is_drawn(pathology: str) -> None:
    heart = sample_heart(np.random.default_rng(3), pathology=pathology)

    assert heart.pathology == pathology
    assert (scar_percent(heart) > 2) == (pathology == "infarct")
    assert (heart.wall_mm > 11.6) == (pathology == "hypertrophic")


def test_valves_take_turns() -> None:
    openings = {
        name: (pose_at(Heart(), at).mitral, pose_at(Heart(), at).aortic)
        for name, at in PHASES.items()
    }

    assert openings == {
        "ED": (0, 0),
        "mid_systole": (0, 1),
        "ES": (0, 0),
        "mid_diastole": (1, 0),
    }


def wall_points(heart: Heart, phase: float) -> Points:
    """Points of the wall away from its surfaces."""
    pose = pose_at(heart, phase)
    rng = np.random.default_rng(0)
    level, angle = rng.uniform(0.1, 0.9, 500), rng.uniform(0, 2 * pi, 500)
    z = level * pose.length_mm
    near = around(pose, Points(np.cos(angle), np.sin(angle), z))
    radius = near.endo + rng.uniform(0.1, 0.9, 500) * (near.epi - near.endo)
    return Points(radius * np.cos(angle), radius * np.sin(angle), z)


def test_material_coordinates_start_as_places() -> None:
    points = wall_points(Heart(), 0.0)
    material = material_at(around(pose_at(Heart(), 0.0), points))

    for axis in ("x", "y", "z"):
        np.testing.assert_allclose(getattr(material, axis), getattr(points, axis), atol=1e-3)


def test_the_motion_of_the_wall_keeps_every_volume() -> None:
    """The Jacobian of the map back to end diastole, by central differences, is 1."""
    pose, points, step = pose_at(Heart(), 0.3), wall_points(Heart(), 0.3), 0.01
    place = np.stack([points.x, points.y, points.z]).astype(np.float64)
    jacobian = np.empty((3, 3, place.shape[1]))
    for axis in range(3):
        offset = np.zeros((3, 1))
        offset[axis] = step
        ahead, behind = (
            material_at(around(pose, Points(*(place + sign * offset)))) for sign in (1, -1)
        )
        for row, name in enumerate("xyz"):
            jacobian[row, axis] = (getattr(ahead, name) - getattr(behind, name)) / (2 * step)

    np.testing.assert_allclose(np.linalg.det(jacobian.transpose(2, 0, 1)), 1, atol=0.02)


def test_ejection_fractions_of_beating_hearts_are_uniform_and_can_be_reached() -> None:
    hearts = [sample_beating_heart(np.random.default_rng([4, k])) for k in range(600)]
    drawn = np.array([heart.ef_percent for heart in hearts])

    assert stats.kstest(drawn, stats.uniform(10, 70).cdf).pvalue > 0.01
    for heart in hearts[:200]:
        volumes = [volume_ml(pose_at(heart, PHASES[name])) for name in ("ED", "ES")]
        ef_percent = 100 * (1 - volumes[1] / volumes[0])
        assert ef_percent == pytest.approx(heart.ef_percent, abs=0.1)
    sizes = np.array([heart.lv_diameter_mm for heart in hearts])
    assert -0.8 < stats.spearmanr(drawn, sizes).statistic < -0.4  # weak hearts are often large
    assert {heart.pathology for heart in hearts} == set(PATHOLOGIES)


def test_the_reach_is_where_the_spheroid_ends() -> None:
    """Walk from the middle of the annulus until a point is outside of the wall."""
    heart = Heart()
    long_axis = heart.lv_length_mm / 1.5
    for lean_deg, outside in ((0.0, 0.0), (12.0, 0.0), (12.0, 9.5), (-25.0, 4.0)):
        way = np.linspace(0, 120, 120_001)
        z = heart.lv_length_mm - way * np.cos(np.radians(lean_deg)) - long_axis
        x = way * np.sin(np.radians(lean_deg))
        a, b = long_axis + outside, heart.lv_diameter_mm / 2 + outside
        walked = way[((z / a) ** 2 + (x / b) ** 2 < 1).nonzero()[0].max()]
        assert reach_mm(heart, lean_deg, outside_mm=outside) == pytest.approx(walked, abs=0.01)
