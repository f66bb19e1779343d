import numpy as np
import pytest

from septum.data import phantom, sector


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture
def cone():
    y, x = np.indices((200, 240))
    angle, reach = np.arctan2(x - 120, y + 5), np.hypot(x - 120, y + 5)
    return (np.abs(angle) < 0.6) & (reach < 190)


@pytest.fixture
def speckle(cone):
    return (np.random.default_rng(0).rayleigh(30, cone.shape).clip(0, 255) * cone).astype(np.uint8)


def test_a_cone_is_found(cone, speckle):
    assert overlap(sector.find(speckle), cone) > 0.99


def test_dark_chambers_noise_and_texts_do_not_matter(cone, speckle):
    speckle[60:120, 90:150] = 0
    speckle[:8, :30] = 250
    speckle[~cone & (np.arange(240) % 7 == 0)] |= 3
    assert overlap(sector.find(speckle), cone) > 0.99


def test_a_sector_parted_by_a_shadow_is_one(cone, speckle):
    speckle[:, 112:128] = 0
    assert overlap(sector.find(speckle), cone) > 0.95


def test_without_signal_everything_is_sector():
    assert sector.find(np.zeros((8, 9), np.uint8)).all()


def test_a_line_is_its_own_sector():
    grey = np.zeros((9, 9), np.uint8)
    grey[4, 2:7] = 99
    np.testing.assert_array_equal(sector.find(grey), grey > 0)


def test_the_phantom_confirms_it():
    rng = np.random.default_rng(3)
    for view in ("A4C", "PLAX", "A2C"):
        frame = phantom.draw(
            phantom.sample_heart(rng), phantom.sample_look(rng), view=view, phase=0.3
        )
        assert overlap(sector.find(frame.image), frame.sector) > 0.95
