import numpy as np
import pytest
from PIL import Image, ImageDraw

from septum.data.phantom import CLASSES, Heart, Look, draw, sample_beating_heart, sample_look, trace

LV, LA = (CLASSES.index(name) for name in ("left_ventricle", "left_atrium"))


def upright() -> np.ndarray:
    """A cavity of 21 columns (20 to 40) and 40 rows (10 to 49), and an atrium below it."""
    mask = np.zeros((80, 60), np.uint8)
    mask[10:50, 20:41] = LV
    mask[50:70, 20:41] = LA
    return mask


def test_a_rectangle_by_hand() -> None:
    """Its far corner is taken for the apex: the axis leads to (30, 49.5), where the two touch."""
    apex_x, apex_y, base_x, base_y = trace(upright())[0]

    assert (base_x, base_y) == pytest.approx((30, 49.5))
    assert (min(apex_x, 60 - apex_x), apex_y) == pytest.approx((20, 10), abs=0.6)


def test_chords_of_an_ellipse_by_formula() -> None:
    """Half an ellipse of semi-axes 40 and 16 px, apex up: 2 b sqrt(1 - (y / a)^2) wide."""
    y, x = np.mgrid[:80, :61]
    mask = np.zeros(y.shape, np.uint8)
    mask[((x - 30) / 16) ** 2 + ((y - 50) / 40) ** 2 <= 1] = LV
    mask[51:][mask[51:] == LV] = LA
    axis, *chords = trace(mask)

    np.testing.assert_allclose(axis, [30, 10, 30, 50.5], atol=0.6)
    assert len(chords) == 20
    away = (np.arange(20) + 0.5) / 20 * 40.5 - 40
    np.testing.assert_allclose([c[1] - 50 for c in chords], away, atol=0.6)
    widths = 32 * np.sqrt(1 - (away / 40) ** 2)
    np.testing.assert_allclose([c[2] - c[0] for c in chords], widths, atol=1.6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("view", ["A4C", "A2C"])
def test_chords_cross_the_axis_at_right_angles_and_enclose_the_cavity(seed: int, view: str) -> None:
    rng = np.random.default_rng(seed)
    heart = sample_beating_heart(rng)
    look = sample_look(rng, heart=heart, most_lean_deg=15.0)
    mask = draw(heart, look, view=view, phase=("ED", "ES")[seed % 2], size=(112, 112)).mask
    axis, *chords = trace(mask)

    assert axis[1] < axis[3]  # the apex is above the annulus
    along = axis[2:] - axis[:2]
    for chord in chords:
        assert abs(along @ (chord[2:] - chord[:2])) < 1e-6 * along @ along
        assert chord[0] < chord[2]
    outline = [tuple(c[:2]) for c in chords] + [tuple(c[2:]) for c in reversed(chords)]
    drawn = Image.new("L", mask.shape[::-1])
    ImageDraw.Draw(drawn).polygon(outline, fill=1)
    inside = np.asarray(drawn) == 1
    overlap = 2 * (inside & (mask == LV)).sum() / (inside.sum() + (mask == LV).sum())
    assert overlap > 0.93


@pytest.mark.parametrize("ef_percent", [15.0, 45.0, 75.0])
def test_disks_across_the_axis_give_the_volume(ef_percent: float) -> None:
    """Method of disks, Lang et al. 2015: pi / 4 times the sum of squared chords times height."""
    heart = Heart(ef_percent=ef_percent)
    for phase, volume in (("ED", "edv_ml"), ("ES", "esv_ml")):
        frame = draw(heart, Look(), view="A4C", phase=phase, size=(256, 256))
        axis, *chords = trace(frame.mask) * float(frame.facts["spacing_x_mm"])
        height = np.hypot(*(axis[2:] - axis[:2])) / 20
        disks = np.pi / 4 * sum(np.sum((c[2:] - c[:2]) ** 2) for c in chords) * height / 1000
        assert disks == pytest.approx(float(frame.facts[volume]), rel=0.06)
