import pytest
import torch
from torch import nn

from septum.contract import BadInput, Features
from septum.tasks.frozen import area_downsampled, encoded


class Net(nn.Module):
    """Remembers how it was called."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 4, stride=4)
        self.calls = []

    def phases(self):
        return ()

    def after_step(self, progress):
        pass

    def encode(self, image):
        self.calls.append((len(image), self.training, torch.is_grad_enabled()))
        content = self.conv(image)
        return Features(content=content, style=content[:, :1], pooled=content.mean((2, 3)))


def still_images(toys, n):
    image = torch.rand(n, 1, 8, 12, generator=torch.manual_seed(0))
    return toys.stills(
        image=image,
        mask=None,
        records=[toys.record(f"{i}") for i in range(n)],
        classes=("background",),
    )


def test_images_come_in_order_with_their_features(toys):
    samples, net = still_images(toys, 70), Net()
    places = list(range(69, -1, -2))

    pairs = list(encoded(net, samples, places))

    assert [i for batch, _ in pairs for i in batch.ids] == [f"{i}" for i in places]
    content = torch.cat([features.content for _, features in pairs])
    assert torch.allclose(content, net.conv(samples.image[places]), atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_evaluated_without_gradients_and_left_in_its_mode(toys, training):
    net = Net().train(training)

    list(encoded(net, still_images(toys, 40), range(40)))

    assert net.calls == [(32, False, False), (8, False, False)]
    assert net.training is training


def test_half_precision_features_come_back_in_single(toys):
    net = Net().to(torch.bfloat16)
    net.encode = lambda image: Net.encode(net, image.to(torch.bfloat16))

    ((_, features),) = encoded(net, still_images(toys, 2), range(2))

    assert features.content.dtype == features.style.dtype == features.pooled.dtype == torch.float32


def test_features_of_clips_are_refused(toys):
    clips = toys.says(content=lambda image: torch.zeros(len(image), 2, 3, 4, 4))

    with pytest.raises(BadInput, match=r"\(1, 2, 3, 4, 4\)"):
        list(encoded(clips, still_images(toys, 1), range(1)))


def test_shares_by_brute_force():
    mask = torch.randint(-1, 3, (2, 6, 8), generator=torch.manual_seed(1))

    shares = area_downsampled(mask, 3, (3, 2))

    for i in range(3):
        for j in range(2):
            cell = mask[:, 2 * i : 2 * i + 2, 4 * j : 4 * j + 4].flatten(1)
            expected = torch.stack([(cell == c).float().mean(1) for c in range(3)], dim=1)
            assert torch.allclose(shares[:, :, i, j], expected)
