import pytest
import torch
from sklearn.metrics import f1_score

from septum.metrics.overlap import dice, dice_loss_soft


def test_soft_loss_by_hand():
    p = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]]])
    t = torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])

    # 2 (.5 + .5) / ((.25 + .25 + 1) + (1 + .25)) = 2 / 2.75
    assert dice_loss_soft(p, t).item() == pytest.approx(1 - 2 / 2.75)


def test_soft_loss_is_zero_for_equal_fractions_and_one_for_disjoint_maps():
    t = torch.rand(2, 3, 4, 5, generator=torch.manual_seed(0))
    left, right = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    left[..., 0], right[..., 1] = 0.7, 0.3

    assert torch.allclose(dice_loss_soft(t, t), torch.zeros(2, 3), atol=1e-6)
    assert dice_loss_soft(left, right).item() == 1


def test_every_image_and_class_has_its_own_loss():
    p, t = torch.rand(2, 3, 2, 4, 4, generator=torch.manual_seed(0))

    each = [
        [dice_loss_soft(p[b, c][None, None], t[b, c][None, None]) for c in (0, 1)] for b in range(3)
    ]

    assert torch.allclose(dice_loss_soft(p, t), torch.tensor(each))


def test_a_class_absent_from_both_maps_is_nan_and_sends_no_nan_back():
    p = torch.zeros(1, 2, 3, 3)
    p[:, 1] = 0.5
    p.requires_grad_()
    t = torch.zeros(1, 2, 3, 3)
    t[:, 1] = 1.0

    loss = dice_loss_soft(p, t)
    loss.nanmean().backward()

    assert loss.isnan().tolist() == [[True, False]]
    assert p.grad is not None
    assert p.grad.isfinite().all()
    assert p.grad[:, 1].abs().min() > 0


def test_soft_loss_equals_monai():
    monai = pytest.importorskip("monai.losses", exc_type=ImportError)
    p, t = torch.rand(2, 4, 3, 8, 8, generator=torch.manual_seed(0))
    theirs = monai.DiceLoss(squared_pred=True, smooth_nr=0, smooth_dr=0, reduction="none")

    assert torch.allclose(dice_loss_soft(p, t), theirs(p, t)[:, :, 0, 0], atol=1e-6)


def test_dice_of_hard_masks_is_their_f1_score():
    p, t = torch.rand(2, 2, 2, 6, 7, generator=torch.manual_seed(0)) > 0.6

    expected = [[f1_score(t[b, c].ravel(), p[b, c].ravel()) for c in (0, 1)] for b in (0, 1)]

    assert torch.allclose(dice(p, t), torch.tensor(expected, dtype=torch.float32))
