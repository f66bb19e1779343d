from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data.phantom import Look
from septum.data.phantom.plausibility import (
    figure,
    grey_distance,
    grey_histogram,
    phantom_images,
    real_images,
    speckle,
)


@pytest.mark.parametrize("seed", [0, 11])
def test_speckle_of_uniform_tissue_is_rayleigh(seed: int) -> None:
    found = speckle(Look(speckle_seed=seed))

    assert found.snr == pytest.approx(1.913, abs=0.06)
    assert found.p > 0.01
    assert len(found.envelope) > 500


def test_grey_histogram_counts_the_sector() -> None:
    image = np.zeros((40, 40), np.uint8)
    image[10:30, 10:30] = 50
    image[10:20, 10:30] = 70

    histogram = grey_histogram([image])
    assert histogram[50] == histogram[70] == 0.5
    assert histogram.sum() == 1


def test_real_files_are_read_evenly(tmp_path: Path) -> None:
    for level in range(5):
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(tmp_path / f"{level}.png")

    assert [int(image[0, 0]) for image in real_images(tmp_path, 3)] == [0, 2, 4]
    with pytest.raises(BadInput, match="folder of frames"):
        next(real_images(tmp_path / "none", 3))


def test_grey_levels_are_close_to_those_of_real_frames(shared_data: Path) -> None:
    phantom = grey_histogram(phantom_images(24))
    real = grey_histogram(real_images(shared_data / "camus" / "images", 40))

    assert grey_distance(phantom, real) < 15


def test_the_figure_shows_both(tmp_path: Path) -> None:
    histogram = grey_histogram(phantom_images(2))
    page = figure(speckle(Look()), histogram, histogram)
    page.savefig(tmp_path / "plausibility.png")

    assert page.axes[1].get_title() == "0.0 grey levels apart"
