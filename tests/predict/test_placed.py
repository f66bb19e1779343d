"""Inputs are prepared as data sets are, and maps go back to where they came from."""

import numpy as np
import pytest

from septum.contract import BadInput, Clip
from septum.data import open_source
from septum.data.letterbox import fit, show
from septum.data.prepare import prepare
from septum.predict import card as cards
from septum.predict import inputs, placed
from septum.predict.card import Card

SIZE = (48, 64)


@pytest.mark.parametrize("name", ["phantom", "acdc", "mmwhs", "emidec", "dicom_films"])
def test_a_file_of_a_data_set_is_prepared_bit_by_bit_as_the_data_set(name, root, cache):
    images = prepare(name, root, size=SIZE, cache=cache)
    card = cards.of(*open_source(name, root))
    record = images.records[0]
    rows = [k for k, other in enumerate(images.records) if other.image == record.image]
    (one,) = inputs([record.image], card=card)
    found = placed.prepared(one, card, placed.framing(one, card, SIZE))
    if images.spans is not None:
        first, count = images.spans[images.places[0]].tolist()
        assert np.array_equal(found, images.images.strip(first, first + count))
        return
    slices = [_plane(images.records[k].at, one) for k in rows]
    assert np.array_equal(found[slices], images.images.gather(images.places[rows]))


def _plane(at, one):
    """The frame of an input that a record means."""
    if not at:
        return 0
    return at[0] if len(at) == 1 else at[1] * one.grid.shape[1] + at[0]


@pytest.mark.parametrize(
    "box",
    [
        fit((30, 20), (48, 64), None),
        fit((30, 20), (48, 64), (0.4, 1.1)),
        fit((97, 131), (48, 64), None),
        show((60, 50), (48, 64), (1.0, 1.2), (40.0, 40.0)),
    ],
    ids=["larger", "uneven pixels", "smaller", "cropped"],
)
def test_a_map_goes_back_to_the_nearest_prepared_pixel(box):
    index = np.random.default_rng(0).integers(1, 9, box.size).astype(np.uint8)
    found = placed.back(index, box)
    assert found.shape == box.source
    for row in range(0, box.source[0], 3):
        for column in range(0, box.source[1], 3):
            y = (row + 0.5) * box.scale[0] - 0.5 + box.offset[0]
            x = (column + 0.5) * box.scale[1] - 0.5 + box.offset[1]
            inside = -0.5 <= y < box.size[0] - 0.5 and -0.5 <= x < box.size[1] - 0.5
            rows, columns = (np.arange(n) for n in box.size)
            nearest = index[np.abs(rows - y).argmin(), np.abs(columns - x).argmin()]
            ties = {y % 1, x % 1} & {0.5}
            assert ties or found[row, column] == (nearest if inside else 0)


def test_a_phantom_of_known_geometry_comes_back_exactly():
    y, x = np.mgrid[:30, :40]
    disc = ((y - 12) ** 2 + (x - 25) ** 2 < 81).astype(np.uint8)
    box = fit(disc.shape, (90, 150), None)  # three times as large, black on both sides
    assert (box.scale, box.offset) == ((3.0, 3.0), (0, 15))
    assert np.array_equal(placed.back(box.mask(disc), box), disc)


def test_cells_cover_the_pixels_of_their_part_of_the_frame():
    cells = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert np.array_equal(placed.enlarged(cells, (4, 6))[0], np.kron(cells[0], np.ones((2, 2))))


def test_frames_of_several_inputs_are_one_split(root):
    paths = sorted((root / "phantom" / "images").iterdir())[:3]
    found = [*inputs(paths)]
    ready = [placed.prepared(o, Card(), placed.framing(o, Card(), SIZE)) for o in found]
    stills = placed.samples(found, ready, None)
    assert len(stills.records) == 3
    batch = stills.batch([2, 0])
    assert np.allclose(batch.image[:, 0] * 255, np.concatenate([ready[2], ready[0]]), atol=1e-4)
    assert batch.sector.all()
    with pytest.raises(BadInput, match=f"{paths[0].name} is a single picture"):
        placed.samples(found, ready, Clip(frames=4))


def test_a_field_needs_a_spacing(root):
    (one,) = inputs([sorted((root / "phantom" / "images").iterdir())[0]])
    with pytest.raises(BadInput, match="does not state the spacing"):
        placed.framing(one, Card(field_mm=(100.0, 100.0)), SIZE)
