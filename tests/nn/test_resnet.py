"""The trunk is ResNet-50 by its published numbers."""

import pytest
import torch
from torch import nn

from septum.nn.resnet import Bottleneck, ResNet


def test_with_three_channels_it_has_the_parameters_of_resnet_50():
    with torch.device("meta"):
        trunk = ResNet(channels=3)
    assert sum(p.numel() for p in trunk.parameters()) == 23_508_032


def test_it_has_the_layers_of_resnet_50():
    with torch.device("meta"):
        trunk = ResNet()
    convolutions = [m for m in trunk.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in trunk.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convolutions) == len(norms) == 49 + 4  # 1 + 3 (3 + 4 + 6 + 3), and 4 shortcuts
    assert all(m.bias is None for m in convolutions)


@pytest.mark.parametrize(("h", "w"), [(256, 320), (224, 224)])
def test_shapes_of_the_published_size(h, w):
    with torch.device("meta"):
        found = ResNet()(torch.empty(2, 1, h, w))
    assert [tuple(x.shape) for x in found] == [
        (2, channels, h // stride, w // stride)
        for channels, stride in ((256, 4), (512, 8), (1024, 16), (2048, 32))
    ]


def test_a_side_that_is_no_multiple_is_rounded_up():
    found = ResNet(width=4, layers=(1, 1, 1, 1))(torch.rand(2, 1, 90, 100))
    assert [tuple(x.shape[2:]) for x in found] == [(23, 25), (12, 13), (6, 7), (3, 4)]


def silenced(layer):
    """The last norm of the body at 0: the layer is its shortcut."""
    nn.init.zeros_(layer.body[-1][1].weight)
    return layer


def test_a_layer_adds_to_what_it_is_given():
    x = torch.randn(2, 16, 6, 6)
    torch.testing.assert_close(silenced(Bottleneck(16, 4, stride=1))(x), x.relu())


def test_a_layer_that_halves_adds_to_every_other_place():
    x = torch.randn(2, 16, 6, 6)
    layer = silenced(Bottleneck(16, 4, stride=2)).eval()
    nn.init.dirac_(layer.shortcut[0].weight)
    torch.testing.assert_close(layer(x), x[:, :, ::2, ::2].relu(), rtol=1e-4, atol=1e-4)


def test_the_body_sees_every_place_of_the_map_it_halves():
    layer = Bottleneck(4, 1, stride=2).double().eval()
    for module in layer.body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    nn.init.zeros_(layer.shortcut[0].weight)
    x = torch.ones(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    assert (x.grad > 0).all()


def test_deep_features_keep_their_scale_at_the_start():
    torch.manual_seed(0)
    stages = ResNet(width=8, layers=(3, 4, 6, 3))(torch.randn(8, 1, 64, 64))
    assert all(0.1 < x.std() < 10 for x in stages)
