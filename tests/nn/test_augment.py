"""Tracked augmentation: the tracked point lands where it is said to."""

import numpy as np
import torch
from scipy.ndimage import affine_transform

from septum.nn import augment

STRIDE = 16


def still(b, **changes):
    same = {
        "linear": torch.eye(2).repeat(b, 1, 1),
        "cell": torch.tensor([[2, 3]] * b),
        "moved": torch.tensor([[2, 3]] * b),
        "gamma": torch.ones(b),
        "blur_px": torch.zeros(b),
    }
    return augment.Tracked(**(same | changes))


def test_nothing_drawn_nothing_changed():
    image = torch.rand(2, 1, 64, 80)
    torch.testing.assert_close(
        augment.apply(image, still(2), stride=STRIDE), image, atol=1e-5, rtol=0
    )


def test_a_translation_moves_whole_cells_exactly():
    image = torch.rand(1, 1, 64, 80)
    seen = augment.apply(image, still(1, moved=torch.tensor([[1, 4]])), stride=STRIDE)
    torch.testing.assert_close(seen[..., :48, 16:], image[..., 16:, :-16], atol=1e-5, rtol=0)
    assert seen[..., :16].abs().max() < 1e-5  # black comes in


def test_rotation_shear_and_zoom_leave_the_tracked_point_in_place():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    centre = (2.5 * STRIDE - 0.5, 3.5 * STRIDE - 0.5)  # pixel coordinates of cell (2, 3)
    dot = torch.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 18)[None, None]
    torch.manual_seed(0)
    drawn = augment.sample(torch.ones(1, 1, 4, 5, dtype=torch.bool), augment.Ranges())
    seen = augment.apply(
        dot, still(1, linear=drawn.linear, moved=torch.tensor([[1, 2]])), stride=STRIDE
    )
    mass = seen[0, 0] / seen.sum()
    assert abs((mass * y).sum() - (centre[0] - STRIDE)) < 0.05
    assert abs((mass * x).sum() - (centre[1] - STRIDE)) < 0.05


def test_the_warp_is_that_of_scipy():
    torch.manual_seed(0)
    image = torch.zeros(
        1, 1, 64, 80
    )  # dark edges: the two treat what lies half outside differently
    image[..., 4:-4, 4:-4] = torch.rand(56, 72)
    turn = torch.tensor([[[0.9, -0.3], [0.2, 1.1]]])
    got = augment.apply(image, still(1, linear=turn), stride=STRIDE)[0, 0].numpy()
    swap = turn[0].numpy()[::-1, ::-1]  # (x, y) to (row, column)
    inverse = np.linalg.inv(swap)
    centre = np.array([2.5, 3.5]) * STRIDE - 0.5
    expected = affine_transform(
        image[0, 0].numpy(), inverse, offset=centre - inverse @ centre, order=1, mode="constant"
    )
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_gamma_brightens_and_keeps_black_and_white():
    image = torch.tensor([0.0, 0.25, 1.0]).repeat_interleave(16).expand(1, 1, 64, 48).clone()
    seen = augment.apply(
        image,
        still(
            1, gamma=torch.tensor([0.5]), cell=torch.tensor([[1, 1]]), moved=torch.tensor([[1, 1]])
        ),
        stride=STRIDE,
    )
    torch.testing.assert_close(
        seen[0, 0, 8, [4, 24, 44]], torch.tensor([0.0, 0.5, 1.0]), atol=1e-3, rtol=0
    )


def test_tracked_cells_are_uniform_inside_and_land_inside_the_grid():
    torch.manual_seed(0)
    inside = torch.zeros(4000, 1, 3, 4, dtype=torch.bool)
    inside[..., 1, :2] = True
    drawn = augment.sample(inside, augment.Ranges())
    cells, counts = drawn.cell.unique(dim=0, return_counts=True)
    assert cells.tolist() == [[1, 0], [1, 1]]
    assert abs(counts[0].item() - 2000) < 150
    assert (drawn.moved >= 0).all()
    assert (drawn.moved < torch.tensor([3, 4])).all()


def test_an_empty_sector_tracks_any_cell():
    drawn = augment.sample(torch.zeros(200, 1, 3, 4, dtype=torch.bool), augment.Ranges())
    assert len(drawn.cell.unique(dim=0)) == 12


def test_draws_stay_in_their_ranges():
    torch.manual_seed(0)
    ranges = augment.Ranges()
    drawn = augment.sample(torch.ones(2000, 1, 3, 4, dtype=torch.bool), ranges)
    zoom = torch.linalg.det(drawn.linear).sqrt()
    assert zoom.min() >= 0.85 - 1e-4
    assert zoom.max() <= 1.2 + 1e-4
    assert drawn.gamma.min() >= 0.7
    assert drawn.gamma.max() <= 1.4
    assert drawn.blur_px.max() <= 1.5
    assert 0.45 < (drawn.blur_px > 0).float().mean() < 0.55


def test_every_cell_lands_where_its_picture_does():
    """A dot at the centre of each cell in turn, followed by its centre of mass in the output."""
    torch.manual_seed(0)
    h, w = 6, 7
    drawn = augment.sample(torch.ones(1, 1, h, w, dtype=torch.bool), augment.Ranges())
    turned = still(1, linear=drawn.linear, moved=torch.tensor([[3, 3]]))
    landed = (augment.landing(turned, (h, w))[0] + 1) / 2 * torch.tensor([w, h]) * STRIDE - 0.5
    y, x = torch.meshgrid(
        torch.arange(h * STRIDE).float(), torch.arange(w * STRIDE).float(), indexing="ij"
    )
    for row, column in ((1, 1), (1, 4), (2, 3), (3, 1), (3, 4)):
        centre = (row + 0.5) * STRIDE - 0.5, (column + 0.5) * STRIDE - 0.5
        dot = torch.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 18)[None, None]
        seen = augment.apply(dot, turned, stride=STRIDE)[0, 0]
        mass = seen / seen.sum()
        at = torch.stack([(mass * x).sum(), (mass * y).sum()])
        torch.testing.assert_close(at, landed[row, column], atol=0.1, rtol=0)


def test_nothing_moved_carries_every_cell_to_itself():
    seen = torch.rand(2, 3, 4, 5)
    carried, held = augment.carried(seen, augment.landing(still(2), (4, 5)))
    torch.testing.assert_close(carried, seen)
    assert held.all()


def test_the_tracked_cell_is_carried_without_interpolation():
    torch.manual_seed(0)
    drawn = augment.sample(torch.ones(20, 1, 6, 7, dtype=torch.bool), augment.Ranges())
    seen = torch.rand(20, 3, 6, 7)
    carried, held = augment.carried(seen, augment.landing(drawn, (6, 7)))
    tracked = augment.at_tracked(drawn, (6, 7))
    assert tracked.sum(dim=(1, 2)).eq(1).all()
    assert held[tracked].all()
    expected = seen[torch.arange(20), :, drawn.moved[:, 0], drawn.moved[:, 1]]
    torch.testing.assert_close(carried.movedim(1, -1)[tracked], expected, atol=1e-5, rtol=0)


def test_what_leaves_the_image_is_not_held():
    moved = still(1, cell=torch.tensor([[1, 0]]), moved=torch.tensor([[1, 2]]))
    _, held = augment.carried(torch.rand(1, 3, 4, 5), augment.landing(moved, (4, 5)))
    assert held[0].all(dim=0).tolist() == [True, True, True, False, False]
