import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from septum.metrics.surface import hausdorff95_mm


def blobs(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping ellipsoids with ragged outlines."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    a, b = (
        sum(
            (axis - shift) ** 2
            for axis, shift in zip(axes, rng.uniform(-0.3, 0.3, 3), strict=False)
        )
        < 0.3 + 0.2 * rng.random(shape)
        for _ in range(2)
    )
    return a, b


def outline(mask: np.ndarray, spacing_mm) -> np.ndarray:
    """Points with a neighbour outside, one by one."""
    points = []
    for place in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                beside = place.copy()
                beside[axis] += step
                inside = 0 <= beside[axis] < mask.shape[axis] and mask[tuple(beside)]
                if not inside:
                    points.append(place * spacing_mm)
    return np.unique(points, axis=0)


def square(top: int, left: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((30, 30), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_two_parallel_lines():
    lines = np.zeros((2, 20, 20), bool)
    lines[0, 3], lines[1, 10] = True, True

    assert hausdorff95_mm(lines[0], lines[1], spacing_mm=(1.0, 1.0)) == 7
    assert hausdorff95_mm(lines[0], lines[1], spacing_mm=(0.5, 3.0)) == 3.5


def test_a_shifted_square_by_hand():
    """Of 36 outer pixels, 10 of the near side and 4 inside the other square are 3 away."""
    far = hausdorff95_mm(square(10, 10), square(10, 13), spacing_mm=(1.0, 1.0))
    rows = hausdorff95_mm(square(10, 10), square(13, 10), spacing_mm=(2.0, 1.0))

    assert far == 3
    assert rows == 6


def test_the_larger_direction_counts_and_a_twentieth_is_forgiven():
    """A line of 200 pixels against itself and one pixel 50 away: 0 one way, 1 of 201 the other."""
    line = np.zeros((60, 200), bool)
    line[0] = True
    speck = line.copy()
    speck[50, 0] = True
    half = line.copy()
    half[0, 100:] = False

    assert hausdorff95_mm(speck, line, spacing_mm=(1.0, 1.0)) == 0
    # the farther half lies 1 ... 100 away: rank 0.95 * 199 = 189.05 of 0 x 100, 1 ... 100
    assert hausdorff95_mm(half, line, spacing_mm=(1.0, 1.0)) == pytest.approx(90.05)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"), [((32, 26), (1.4, 0.8)), ((6, 17, 19), (10.0, 1.4, 1.1))]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_all_pairs_of_points(shape, spacing_mm, seed):
    p, t = blobs(shape, seed)

    pairs = cdist(outline(p, spacing_mm), outline(t, spacing_mm))
    expected = max(np.percentile(pairs.min(1), 95), np.percentile(pairs.min(0), 95))
    assert hausdorff95_mm(p, t, spacing_mm=spacing_mm) == pytest.approx(expected)
    assert hausdorff95_mm(t, p, spacing_mm=spacing_mm) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"), [((32, 26), (1.4, 0.8)), ((6, 17, 19), (10.0, 1.4, 1.1))]
)
@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
def test_equals_monai(shape, spacing_mm):
    monai = pytest.importorskip("monai.metrics", exc_type=ImportError)
    p, t = blobs(shape, seed=2)

    theirs = monai.compute_hausdorff_distance(
        torch.from_numpy(p)[None, None],
        torch.from_numpy(t)[None, None],
        include_background=True,
        percentile=95,
        spacing=spacing_mm,
    )

    assert hausdorff95_mm(p, t, spacing_mm=spacing_mm) == pytest.approx(theirs.item(), rel=1e-5)


def test_equal_masks_are_no_distance_apart():
    assert hausdorff95_mm(square(3, 4), square(3, 4), spacing_mm=(1.0, 1.0)) == 0


def test_nothing_has_no_distance():
    full, empty = square(0, 0), np.zeros((30, 30), bool)

    for pair in ((full, empty), (empty, full), (empty, empty)):
        assert math.isnan(hausdorff95_mm(*pair, spacing_mm=(1.0, 1.0)))
