import numpy as np
import pytest

from septum.data import phantom
from septum.metrics.disks import biplane, disks, ef_percent, single_plane


def half_ellipse(width, length, *, tilt_deg=0.0, size=(240, 200), spacing=(1.0, 1.0)):
    """A ventricle, apex up, `width` across its flat base and `length` high, in units of spacing."""
    y, x = np.mgrid[: size[0], : size[1]]
    x = x * spacing[1] - size[1] * spacing[1] / 2
    y = 0.8 * size[0] * spacing[0] - y * spacing[0]
    turn = np.deg2rad(tilt_deg)
    across, up = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    return ((across / (width / 2)) ** 2 + (up / length) ** 2 <= 1) & (up >= 0)


def half_ellipsoid(a, b, length):
    """Volume of half an ellipsoid with diameters a and b across its base: 2/3 π (a/2) (b/2) L."""
    return np.pi / 6 * a * b * length


@pytest.mark.parametrize("tilt_deg", [-25, 0, 10, 30])
def test_half_an_ellipsoid_has_its_volume_however_it_is_tilted(tilt_deg):
    a = disks(half_ellipse(80, 130, tilt_deg=tilt_deg))
    b = disks(half_ellipse(60, 120, tilt_deg=tilt_deg))

    assert a.length == pytest.approx(130, rel=0.012)
    assert single_plane(a) == pytest.approx(half_ellipsoid(80, 80, 130), rel=0.02)
    assert biplane(a, b) == pytest.approx(half_ellipsoid(80, 60, 130), rel=0.02)
    assert biplane(a, b) == biplane(b, a)


def test_the_axis_runs_from_the_middle_of_the_base_to_the_apex():
    found = disks(half_ellipse(80, 130, size=(240, 200)))

    # the base is at row 192, the axis at column 100, the apex at row 62
    assert found.base == pytest.approx([100, 192], abs=1)
    assert found.apex == pytest.approx([100, 62], abs=1)


def test_diameters_are_those_of_the_slices():
    found = disks(half_ellipse(80, 130))

    height = (np.arange(20) + 0.5) / 20
    assert found.diameters == pytest.approx(80 * np.sqrt(1 - height**2), abs=2)  # pixels
    assert len(disks(half_ellipse(80, 130), count=7).diameters) == 7


def test_pixels_that_are_not_square_change_nothing():
    spacing = (0.5, 1.25)
    mask = half_ellipse(80, 130, tilt_deg=20, size=(480, 160), spacing=spacing)

    found = disks(mask, spacing=spacing)

    assert single_plane(found) == pytest.approx(half_ellipsoid(80, 80, 130), rel=0.02)
    assert single_plane(disks(mask)) != pytest.approx(half_ellipsoid(80, 80, 130), rel=0.2)


def test_volume_grows_with_the_cube_of_the_unit():
    mask = half_ellipse(40, 70)

    assert single_plane(disks(mask, spacing=(2.0, 2.0))) == pytest.approx(
        8 * single_plane(disks(mask))
    )


def test_only_the_largest_part_counts():
    mask = half_ellipse(80, 130)
    stained = mask.copy()
    stained[:9, :9] = True  # above the apex
    stained[235:, 150:] = True

    assert single_plane(disks(stained)) == single_plane(disks(mask))


def test_a_hole_in_the_cavity_is_not_blood():
    mask = half_ellipse(80, 130)
    holed = mask.copy()
    holed[150:160, 95:105] = False

    lost = disks(mask).diameters - disks(holed).diameters
    assert lost.max() == pytest.approx(10, abs=0.5)
    assert lost.min() == pytest.approx(0, abs=1e-9)


def test_an_empty_mask_has_no_disks_and_a_pixel_is_a_square():
    mask = np.zeros((8, 8), bool)
    assert disks(mask) is None

    mask[3, 4] = True
    assert 0 < single_plane(disks(mask)) < 3


@pytest.mark.parametrize("percent", [15.0, 40.0, 75.0])
def test_ef_of_a_phantom_is_its_own(percent):
    """Two planes through the axis of a ventricle that contracts alike all round."""
    heart, cavity = phantom.Heart(ef_percent=percent), phantom.CLASSES.index("left_ventricle")

    def volume(phase):
        frames = [
            phantom.draw(heart, phantom.Look(), view=view, phase=phase, size=(160, 200))
            for view in ("A2C", "A4C")
        ]
        return biplane(*(disks(frame.mask == cavity) for frame in frames))

    assert ef_percent(volume("ED"), volume("ES")) == pytest.approx(percent, abs=1)
