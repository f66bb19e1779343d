import pytest
import torch
from torch import distributed as dist

from septum.contract import BadInput
from septum.nn import masking

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("grid", "share", "unit", "cells"),
    [
        ((14, 14), 0.6, 2, 4 * 29),  # 29.4 of 49 units
        ((14, 14), 0.75, 1, 147),
        ((6, 8), 0.5, 2, 24),
        ((4, 4), 0.0, 2, 0),
        ((4, 4), 1.0, 1, 16),
    ],
)
def test_as_many_cells_are_hidden_in_every_image(grid, share, unit, cells):
    hidden = masking.sample(50, grid, share=share, unit=unit, device=CPU)
    assert hidden.shape == (50, *grid)
    assert set(hidden.sum((1, 2)).tolist()) == {cells}


def test_units_are_hidden_whole_and_cut_at_the_edge():
    hidden = masking.sample(20, (5, 7), share=0.5, unit=3, device=CPU)
    for rows in (slice(0, 3), slice(3, 5)):
        for columns in (slice(0, 3), slice(3, 6), slice(6, 7)):
            cells = hidden[:, rows, columns].flatten(1).float().mean(1)
            assert set(cells.tolist()) == {0.0, 1.0}  # all or none, and either in some image


def test_every_unit_is_hidden_as_often_and_pairs_as_chance_has_it():
    torch.manual_seed(0)
    hidden = masking.sample(4_000, (3, 2), share=0.5, unit=1, device=CPU).flatten(1).double()
    together = hidden.T @ hidden / len(hidden)
    expected = torch.full((6, 6), 0.5 * 2 / 5).fill_diagonal_(0.5)
    torch.testing.assert_close(together.float(), expected, atol=0.03, rtol=0)


def test_masks_are_those_of_the_global_batch(monkeypatch):
    torch.manual_seed(3)
    whole = masking.sample(6, (4, 6), share=0.6, unit=2, device=CPU)
    for rank in (0, 1):
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(3)
        mine = masking.sample(3, (4, 6), share=0.6, unit=2, device=CPU)
        assert torch.equal(mine, whole[3 * rank : 3 * rank + 3])


@pytest.mark.parametrize("patch_px", [4, 8])
def test_patches_are_slices_and_join_to_the_image(patch_px):
    image = torch.rand(2, 1, 16, 24)
    patches = masking.patched(image, patch_px)
    assert patches.shape == (2, 16 // patch_px, 24 // patch_px, patch_px**2)
    rows, columns = slice(patch_px, 2 * patch_px), slice(2 * patch_px, 3 * patch_px)
    assert torch.equal(patches[1, 1, 2], image[1, 0, rows, columns].flatten())
    assert torch.equal(masking.joined(patches, patch_px), image)


def test_images_that_do_not_fall_into_patches_are_refused():
    with pytest.raises(BadInput, match=r"16 x 20 pixels .* multiples of 8"):
        masking.patched(torch.rand(1, 1, 16, 20), 8)


def test_what_is_visible_stays_and_what_is_hidden_is_drawn():
    image = torch.rand(3, 1, 16, 24)
    drawn = -torch.rand(3, 4, 6, 16)
    hidden = masking.sample(3, (4, 6), share=0.5, unit=2, device=CPU)
    seen = masking.patched(masking.filled(image, drawn, hidden, 4), 4)
    assert torch.equal(seen[~hidden], masking.patched(image, 4)[~hidden])
    assert torch.equal(seen[hidden], drawn[hidden])


def test_what_is_drawn_in_half_precision_leaves_the_visible_exact():
    image = torch.rand(1, 1, 8, 8)
    hidden = torch.tensor([[[True, False], [False, False]]])
    filled = masking.filled(image, torch.zeros(1, 2, 2, 16, dtype=torch.bfloat16), hidden, 4)
    assert filled.dtype == torch.float32
    assert torch.equal(filled[..., 4:], image[..., 4:])


def test_only_what_is_drawn_where_hidden_has_a_gradient():
    drawn = torch.rand(2, 4, 6, 16, requires_grad=True)
    hidden = masking.sample(2, (4, 6), share=0.5, unit=1, device=CPU)
    masking.filled(torch.rand(2, 1, 16, 24), drawn, hidden, 4).sum().backward()
    assert torch.equal(drawn.grad, hidden[..., None].float().expand_as(drawn))
