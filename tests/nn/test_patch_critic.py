import pytest
import torch
from torch import nn

from septum.contract import BadInput
from septum.losses import masked_images
from septum.nn.patch_critic import PatchCritic


def convolutions(critic):
    return [part for part in critic.body if isinstance(part, nn.Conv2d)]


@pytest.mark.parametrize(
    ("patch_px", "channels"),
    [(4, [64]), (8, [64, 128]), (16, [64, 128, 256]), (32, [64, 128, 256, 512])],
)
def test_a_patch_is_halved_down_to_2_x_2_pixels_and_one_logit(patch_px, channels):
    critic = PatchCritic(patch_px=patch_px)
    assert critic(torch.rand(3, patch_px**2)).shape == (3,)
    *halving, last = convolutions(critic)
    assert [part.out_channels for part in halving] == channels
    assert (last.kernel_size, last.out_channels) == ((2, 2), 1)


def test_it_is_the_printed_stack_of_layers():
    torch.manual_seed(0)
    critic = PatchCritic(patch_px=16, width=4).eval()
    patches = torch.rand(5, 256)
    seen = patches.view(5, 1, 16, 16)
    *halving, last = convolutions(critic)
    for part in halving:
        seen = nn.functional.conv2d(seen, part.weight, part.bias, stride=2, padding=1)
        seen = torch.maximum(seen, 0.2 * seen)
    expected = torch.einsum("bchw,chw->b", seen, last.weight[0]) + last.bias
    torch.testing.assert_close(critic(patches), expected)


def test_spectral_norms_are_at_most_1():
    torch.manual_seed(0)
    critic = PatchCritic(patch_px=16, width=8)
    with torch.no_grad():
        for part in convolutions(critic):
            part.parametrizations.weight.original.mul_(30)
        for _ in range(60):
            critic(torch.rand(2, 256))
    for part in convolutions(critic):
        largest = torch.linalg.svdvals(part.weight.flatten(1))[0].item()
        assert largest == pytest.approx(1, abs=0.01)


def test_patches_are_judged_one_by_one():
    critic = PatchCritic(patch_px=8, width=4).eval()
    patches = torch.rand(6, 64)
    apart = torch.cat([critic(one) for one in patches.split(1)])
    torch.testing.assert_close(critic(patches), apart)
    assert critic(patches[:0]).shape == (0,)


def test_one_side_learns_at_a_time():
    critic, drawn = PatchCritic(patch_px=8, width=4), torch.rand(6, 64, requires_grad=True)
    masked_images.fake(critic(drawn.detach())).backward()
    assert drawn.grad is None
    assert all(p.grad.abs().sum() > 0 for p in critic.parameters())

    critic.zero_grad()
    critic.requires_grad_(requires_grad=False)
    masked_images.fool(critic(drawn)).backward()
    assert (drawn.grad.abs().sum(1) > 0).all()
    assert all(p.grad is None for p in critic.parameters())


def test_it_learns_to_tell_noise_from_its_blur():
    torch.manual_seed(0)
    critic = PatchCritic(patch_px=8, width=8)
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(25):
        noise = torch.rand(32, 1, 8, 8)
        smooth = nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
        real, fake = critic(noise.flatten(1)), critic(smooth.flatten(1))
        optimiser.zero_grad()
        (masked_images.real(real) + masked_images.fake(fake)).backward()
        optimiser.step()
    assert (real > 0).float().mean() > 0.9
    assert (fake < 0).float().mean() > 0.9


def test_it_is_float32_under_autocast():
    critic, patches = PatchCritic(patch_px=8, width=4).eval(), torch.rand(3, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = critic(patches)
        rounded = critic(patches.bfloat16())
    assert logits.dtype == rounded.dtype == torch.float32
    assert torch.equal(logits, critic(patches))


@pytest.mark.parametrize("patch_px", [2, 12, 14])
def test_patches_that_cannot_be_halved_are_refused(patch_px):
    with pytest.raises(BadInput, match=f"{patch_px} x {patch_px} do not"):
        PatchCritic(patch_px=patch_px)
