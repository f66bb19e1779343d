"""Flips, quarter turns and shifts."""

import numpy as np
import torch

from septum.contract import Batch
from septum.nn import slice_views


def test_every_view_is_what_numpy_makes_of_it():
    image = torch.rand(16, 1, 5, 5)
    view = torch.tensor([[r, c, t] for r in (0, 1) for c in (0, 1) for t in range(4)])
    for one, how, seen in zip(image, view.tolist(), slice_views.shown(image, view), strict=True):
        wanted = one[0].numpy()
        wanted = wanted[::-1] if how[0] else wanted
        wanted = wanted[:, ::-1] if how[1] else wanted
        np.testing.assert_array_equal(seen[0], np.rot90(wanted, how[2]))


def test_masks_go_with_their_images_also_in_volumes():
    mask = torch.randint(0, 4, (8, 6, 6))
    batch = Batch(image=mask[:, None, None].expand(-1, -1, 3, -1, -1).float(), mask=mask)
    torch.manual_seed(0)
    seen = slice_views.viewed(batch, 0.9, shift_px=2)
    assert seen.mask is not None
    assert not torch.equal(seen.mask, mask)
    for depth in seen.image.long().unbind(2):
        torch.testing.assert_close(depth[:, 0], seen.mask)


def test_at_0_nothing_is_moved_and_shares_are_kept():
    torch.manual_seed(0)
    where = torch.device("cpu")
    assert not slice_views.sample(50, 0.0, where).any()
    view = slice_views.sample(20_000, 0.3, where)
    shares = (view > 0).float().mean(0)
    torch.testing.assert_close(shares, torch.full((3,), 0.3), atol=0.02, rtol=0)
    turns = torch.bincount(view[:, 2], minlength=4)[1:].float()
    torch.testing.assert_close(turns / turns.sum(), torch.full((3,), 1 / 3), atol=0.02, rtol=0)


def test_shifts_are_those_of_a_padded_image():
    image = torch.arange(2 * 3 * 5 * 7.0).view(2, 3, 5, 7)
    by = torch.tensor([[2, -1], [-3, 0]])
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode="edge")
    seen = slice_views.shifted(image, by)
    for k, (down, right) in enumerate(by.tolist()):
        wanted = padded[k, :, 3 - down : 8 - down, 3 - right : 10 - right]
        np.testing.assert_array_equal(seen[k], wanted)
