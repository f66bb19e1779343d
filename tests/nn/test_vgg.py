"""VGG16 against its published size, names and shapes."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from septum.contract import BadInput
from septum.nn import vgg
from septum.nn.vgg import VGG16

PUBLISHED = {
    "features.0.weight": (64, 3, 3, 3),
    "features.0.bias": (64,),
    "features.7.weight": (128, 128, 3, 3),
    "features.10.weight": (256, 128, 3, 3),
    "features.21.weight": (512, 512, 3, 3),
    "features.28.weight": (512, 512, 3, 3),
    "features.28.bias": (512,),
}
"""Some tensors of vgg16-397923af.pth."""


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return VGG16().eval()


@pytest.fixture(scope="module")
def weights(net, tmp_path_factory):
    head = {"classifier.0.weight": torch.zeros(4, 4), "classifier.6.bias": torch.zeros(1000)}
    save_file(net.state_dict() | head, file := tmp_path_factory.mktemp("vgg") / "w.safetensors")
    return file


def test_names_shapes_and_size_are_those_of_the_published_weights(net):
    state = net.state_dict()
    assert {name: tuple(state[name].shape) for name in PUBLISHED} == PUBLISHED
    assert len(state) == 2 * 13
    # 138,357,544 of the whole network, less its three dense layers
    dense = 25_088 * 4_096 + 4_096 + 4_096 * 4_096 + 4_096 + 4_096 * 1_000 + 1_000
    assert sum(p.numel() for p in net.parameters()) == 138_357_544 - dense


def test_maps_are_those_before_every_halving(net):
    image = torch.rand(1, 1, 16, 32, generator=torch.manual_seed(1))

    found = net(image)

    assert [tuple(x.shape[1:]) for x in found] == [
        (64, 16, 32), (128, 8, 16), (256, 4, 8), (512, 2, 4), (512, 1, 2),
    ]  # fmt: skip
    colours = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    mean, spread = (of[:, None, None] for of in colours)
    x, state = (image.expand(-1, 3, -1, -1) - mean) / spread, net.state_dict()
    places = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
    for stage, expected in zip(places, found, strict=True):
        x = F.max_pool2d(x, 2) if stage[0] else x
        for i in stage:
            x = F.conv2d(x, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1)
            x = x.relu()
        torch.testing.assert_close(expected, x)


def test_published_weights_are_read_without_their_classifier(net, weights):
    loaded = vgg.load(weights)

    for name, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_weights_of_another_network_are_refused(net, tmp_path):
    lacking = {k: v for k, v in net.state_dict().items() if k != "features.14.bias"}
    save_file(lacking, tmp_path / "w")
    with pytest.raises(BadInput, match=r"differs from VGG16 in features\.14\.bias"):
        vgg.load(tmp_path / "w")


def test_a_pickle_is_not_opened(tmp_path):
    torch.save({"features.0.bias": torch.zeros(64)}, tmp_path / "vgg16.pth")
    for name in ("vgg16.pth", "missing"):
        with pytest.raises(BadInput, match=f"{name} holds no weights as safetensors"):
            vgg.load(tmp_path / name)
