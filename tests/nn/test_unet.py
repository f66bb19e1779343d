import torch

from septum.nn.unet import UNet


def test_features_have_the_size_of_the_image():
    assert UNet(width=4)(torch.zeros(2, 1, 48, 32)).shape == (2, 4, 48, 32)


def test_the_published_width_has_the_published_number_of_parameters():
    with torch.device("meta"):
        body = UNet(width=64)
        head = torch.nn.Conv2d(64, 8, 1)
    count = sum(p.numel() for net in (body, head) for p in net.parameters())
    assert count == 34_526_344


def test_a_pixel_sees_the_whole_of_a_small_image():
    torch.manual_seed(0)
    net = UNet(width=8)
    image = torch.rand(2, 1, 32, 32, requires_grad=True)
    net(image)[0, :, 16, 16].sum().backward()
    assert image.grad is not None
    assert image.grad[0].ne(0).float().mean() > 0.9
