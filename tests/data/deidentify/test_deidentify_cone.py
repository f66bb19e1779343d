import numpy as np
import pytest
from PIL import Image

from septum.data import sector
from septum.data.deidentify import cone as found


def test_most_of_a_cone_and_nothing_else_is_kept(cone):
    frames, inside = cone()
    kept = found.find(frames[0])
    assert not (kept & ~inside).any()
    assert (kept & inside).sum() > 0.85 * inside.sum()


@pytest.mark.parametrize("size", [10, 18, 32])
@pytest.mark.parametrize("grey", [70, 150, 255])
def test_text_round_the_cone_is_not_kept(cone, write_over, size, grey):
    frames, inside = cone()
    shown = frames
    for row in range(0, 300, int(1.2 * size)):
        shown = write_over(shown, "SMITHERSON 1954-03-02", (5, row), size, grey)
    written = (shown != frames)[0] & ~inside
    assert written.sum() > 1000
    assert not (found.find(shown[0]) & written).any()


def test_dark_text_on_a_white_banner_is_not_kept(cone, write_over):
    frames, _ = cone()
    banner = 255 - write_over(
        np.zeros((1, 50, 400), np.uint8), "SMITHERSON WILHELMINA", (9, 12), 24
    )
    frames[:, :50] = banner
    assert not found.find(frames[0])[:50].any()


def test_what_is_above_the_arc_of_a_curved_probe_is_not_kept():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :400]
    radius = np.hypot(y + 60, x - 200)
    inside = (radius > 140) & (radius < 300) & (abs(x - 200) < 0.7 * (y + 60))
    frame = np.where(inside, 60 + rng.integers(0, 60, inside.shape), 0).astype(np.uint8)
    frame[66:72, 180:220] = 255  # within the hull of the annulus
    assert sector.find(frame)[66:72, 180:220].all()
    assert not found.find(frame)[66:72, 180:220].any()


@pytest.mark.parametrize("frame", ["black", "white", "full", "text"])
def test_where_there_is_no_cone_none_is_found(frame, write_over):
    frames = {
        "black": np.zeros((1, 120, 160), np.uint8),
        "white": np.full((1, 120, 160), 255, np.uint8),
        "full": np.random.default_rng(0).integers(40, 120, (1, 120, 160), np.uint8),
        "text": write_over(
            np.zeros((1, 120, 160), np.uint8), "SMITHERSON\n1954-03-02\n" * 3, (4, 4)
        ),
    }[frame]
    assert not found.find(frames[0]).any()


@pytest.mark.slow
def test_text_round_real_cones_is_not_kept(shared_data, write_over):
    paths = sorted((shared_data / "camus" / "images").glob("*.png"))[::120]
    leaks, shares = [], []
    for path in paths:
        frames = np.pad(
            np.asarray(Image.open(path).convert("L"))[None], ((0, 0), (60, 20), (150, 150))
        )
        inside = sector.find(frames[0])
        shown = frames
        for row in range(0, 300, 22):
            shown = write_over(shown, "SMITHERSON WILHELMINA 1954-03-02 MRN-778899", (4, row), 14)
        kept = found.find(np.where(inside, frames[0], shown[0]))
        leaks.append(int((kept & ~inside & (shown[0] > 0)).sum()))
        shares.append((kept & inside).sum() / inside.sum())
    assert max(leaks) == 0
    assert np.median(shares) > 0.85
