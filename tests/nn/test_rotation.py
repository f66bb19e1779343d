import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from septum.nn import rotation


def by(degrees):
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]])


@pytest.mark.parametrize(("degrees", "quarters"), [(0, 0), (90, 1), (-90, -1), (180, 2)])
def test_quarter_turns_are_exact(degrees, quarters):
    image = torch.rand(1, 1, 9, 9)
    turned = rotation.turned(image, by(degrees))
    torch.testing.assert_close(turned, torch.rot90(image, quarters, (2, 3)), atol=1e-5, rtol=0)


def test_any_angle_is_that_of_scipy():
    image = torch.zeros(1, 1, 41, 61)
    image[..., 12:30, 20:35] = torch.rand(18, 15)
    wanted = ndimage.rotate(image[0, 0].numpy(), 25, reshape=False, order=1)
    turned = rotation.turned(image, by(25))[0, 0].numpy()
    inner = np.s_[8:33, 12:49]  # away from edges, where they fill differently
    assert np.abs(turned - wanted)[inner].max() < 1e-4


def test_a_mask_turns_with_its_image():
    mask = torch.zeros(3, 32, 32, dtype=torch.int64)
    mask[:, 4:12, 6:20] = 2
    torch.manual_seed(0)
    angle = rotation.sample(3, 90.0, torch.device("cpu"))
    image = rotation.turned(mask[:, None].float(), angle)[:, 0]
    turned = rotation.turned_mask(mask, angle)
    assert set(turned.unique().tolist()) == {0, 2}
    assert ((image > 1) != (turned == 2)).float().mean() < 0.01


def test_angles_keep_within_their_bound():
    torch.manual_seed(0)
    drawn = rotation.sample(2000, 30.0, torch.device("cpu"))
    degrees = torch.rad2deg(torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]))
    assert degrees.abs().max() <= 30
    assert degrees.std() == pytest.approx(60 / math.sqrt(12), rel=0.05)
