import numpy as np
import pytest
import torch

from septum.contract import Batch
from septum.tasks.factors import AREA
from septum.tasks.pooled import FIELDS, seen, summary


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.manual_seed(0))


def test_mean_spread_and_fields_by_hand():
    grid, inside = drawn(2, 3, 8, 12), drawn(2, 1, 8, 12) < 0.6

    found = summary(grid, inside)

    for b in range(2):
        cells = [[g[inside[b, 0]] for g in grid[b]]]
        for i, j in np.ndindex(FIELDS, FIELDS):
            rows, columns = slice(2 * i, 2 * i + 2), slice(3 * j, 3 * j + 3)
            where = inside[b, 0, rows, columns]
            cells.append([g[rows, columns][where] for g in grid[b]])
        whole, *fields = cells
        expected = [float(x.mean()) for x in whole]
        expected += [float(x.std(correction=0)) for x in whole]
        expected += [float(f[channel].mean()) for channel in range(3) for f in fields]
        assert found[b].tolist() == pytest.approx(expected, abs=1e-5)


def test_what_lies_outside_does_not_matter():
    grid, inside = drawn(1, 2, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool)
    inside[..., :4, :4] = False
    other = torch.where(inside, grid, grid + 5)

    found = summary(grid, inside)

    assert torch.equal(summary(other, inside), found)
    fields = found[0, 4:].reshape(2, FIELDS, FIELDS)
    assert not fields[:, :2, :2].any()
    assert fields[:, 2:].all()


def test_nothing_inside_is_zero():
    assert not summary(drawn(1, 2, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)).any()


@pytest.fixture
def stills(toys):
    image, mask = drawn(3, 1, 16, 20), torch.zeros(3, 16, 20, dtype=torch.int64)
    mask[0, :8, :10] = 1
    mask[1] = -1
    records = [toys.record(str(i), subject=f"s{i}", gain_db=float(i)) for i in range(3)]
    return toys.stills(
        image=image, mask=mask, records=records, classes=("background", "left_ventricle")
    )


def coarse(image):
    return torch.nn.functional.avg_pool2d(image, 4)


def test_the_area_of_the_ventricle_is_read_off_the_mask(toys, stills):
    facts = seen(toys.says(content=coarse), stills, [0, 1, 2]).facts

    assert [f[AREA] for f in facts] == pytest.approx([25, np.nan, 0], nan_ok=True)
    assert [f["gain_db"] for f in facts] == [0, 1, 2]


def test_a_data_set_without_the_ventricle_states_no_area(toys, stills):
    other = toys.stills(**{**vars(stills), "classes": ("background", "lesion")})

    assert all(np.isnan(f[AREA]) for f in seen(toys.says(content=coarse), other, [0, 1, 2]).facts)


def test_images_come_in_the_order_asked_for(toys, stills):
    found = seen(toys.says(content=coarse, style=lambda x: -coarse(x)), stills, [2, 0])

    assert found.subjects == ["s2", "s0"]
    assert set(found.inputs) == {"content", "style", "pooled", "image"}
    means = stills.image[[2, 0]].mean((1, 2, 3)).numpy()
    assert found.inputs["content"][:, 0] == pytest.approx(means)
    assert found.inputs["style"][:, 0] == pytest.approx(-means)
    assert found.inputs["image"][:, 0] == pytest.approx(means)


def test_only_cells_of_the_sector_count(toys, stills):
    class Sector(toys.stills):
        def batch(self, indices) -> Batch:
            whole = super().batch(indices)
            sector = torch.zeros(len(indices), 1, 16, 20, dtype=torch.bool)
            sector[..., 4:12, 8:] = True
            return Batch(image=whole.image, sector=sector, mask=whole.mask)

    found = seen(toys.says(content=coarse), Sector(**vars(stills)), [0, 1, 2])

    means = stills.image[..., 4:12, 8:].mean((1, 2, 3)).numpy()
    assert found.inputs["content"][:, 0] == pytest.approx(means)
