import numpy as np
import pytest
from PIL import Image

from septum.tasks import landmarks

CLASSES = ("background", "left_ventricle", "left_atrium")


def half_ellipse(*, centre=(60, 100), radii=(20, 70), size=(200, 120)) -> np.ndarray:
    """Ventricle: upper half of an ellipse over y = centre; atrium: a box of its width below."""
    y, x = np.mgrid[: size[0], : size[1]]
    (cx, cy), (rx, ry) = centre, radii
    mask = np.zeros(size, np.int64)
    mask[(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1) & (y <= cy)] = 1
    mask[(abs(x - cx) <= rx) & (y > cy) & (y <= cy + 40)] = 2
    return mask


def test_the_points_of_a_half_ellipse():
    points = landmarks.derived(half_ellipse(), CLASSES)

    # at half the height of an ellipse its half-width is √3/2 of the whole
    half = 20 * np.sqrt(3) / 2
    expected = [[40, 100], [80, 100], [60, 30], [60 - half, 65], [60 + half, 65]]
    assert points == pytest.approx(np.array(expected), abs=1.5)


def test_names_are_in_the_order_of_the_points():
    assert landmarks.NAMES == (
        "left_annulus", "right_annulus", "apex", "mid_septum", "mid_free_wall"
    )  # fmt: skip


def test_a_tilted_heart_turns_its_points():
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y, x = np.mgrid[:240, :240]
    back = np.stack([x - 120, y - 120], -1) @ turn + 120  # inverse of the turn about the middle
    upright = half_ellipse(centre=(120, 150), radii=(20, 90), size=(240, 240))
    at = back.round().astype(int).clip(0, 239)

    points = landmarks.derived(upright[at[..., 1], at[..., 0]], CLASSES)

    expected = (landmarks.derived(upright, CLASSES) - 120) @ turn.T + 120
    assert points == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("name", ["left_ventricle", "lv_endocardium"])
def test_the_ventricle_may_be_called(name):
    assert np.isfinite(landmarks.derived(half_ellipse(), ("background", name, "left_atrium"))).all()


def test_specks_of_the_same_class_do_not_matter():
    speckled = half_ellipse()
    speckled[2:5, 2:5] = 1
    speckled[195:198, 100:103] = 2

    assert (
        landmarks.derived(speckled, CLASSES) == landmarks.derived(half_ellipse(), CLASSES)
    ).all()


@pytest.mark.parametrize("missing", [1, 2])
def test_no_ventricle_or_no_atrium_is_nan(missing):
    mask = half_ellipse()
    mask[mask == missing] = 0

    assert np.isnan(landmarks.derived(mask, CLASSES)).all()
    assert landmarks.derived(mask, CLASSES).shape == (5, 2)


def test_a_gap_between_ventricle_and_atrium_is_nan():
    mask = half_ellipse()
    mask[98:106] = 0

    assert np.isnan(landmarks.derived(mask, CLASSES)).all()


def test_labels_are_taken_as_they_stand(toys):
    labels = {"apex_x_px": 12.5, "apex_y_px": 3.0, "left_annulus_x_px": "unknown"}

    points = landmarks.stated([toys.record("a", **labels), toys.record("b")])

    assert points.shape == (2, 5, 2)
    assert points[0, 2].tolist() == [12.5, 3.0]
    assert np.isnan(points).sum() == 2 * 5 * 2 - 2


def test_real_hearts_stand_upright(shared_data):
    folder = shared_data / "camus" / "masks"
    if not folder.is_dir():
        pytest.skip("skipped: no CAMUS")
    classes = ("background", "lv_endocardium", "myocardium", "left_atrium")
    for path in sorted(folder.glob("*.png"))[::40]:
        with Image.open(path) as image:
            left, right, apex, septum, wall = landmarks.derived(np.asarray(image, int), classes)
        assert apex[1] < septum[1] < left[1], path
        assert apex[1] < wall[1] < right[1], path
        assert left[0] < right[0], path
        assert septum[0] < wall[0], path
