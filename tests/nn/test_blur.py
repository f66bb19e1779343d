"""Gaussian blur against scipy."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from septum.nn.blur import gaussian_blur


def test_every_image_gets_its_own_width():
    image = torch.rand(3, 1, 40, 48)
    got = gaussian_blur(image, torch.tensor([0.0, 1.0, 3.0])).numpy()
    np.testing.assert_allclose(got[0], image[0], atol=1e-6)
    for i, sigma in ((1, 1.0), (2, 3.0)):
        expected = gaussian_filter(image[i, 0].numpy(), sigma, mode="mirror", radius=9)
        np.testing.assert_allclose(got[i, 0], expected, atol=1e-5)


def test_a_blur_wider_than_the_image_still_answers():
    assert gaussian_blur(torch.rand(1, 1, 8, 8), 20.0).isfinite().all()
