from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Features
from septum.nn.augment import Ranges
from septum.tasks import augmentations
from septum.tasks.augmentations import Noise, redrawn, retextured
from septum.tasks.segmenter import Shown

CELL = 8
SURE = Noise(share=1.0)


@dataclass(frozen=True)
class Draws:
    """Content: cell means. Style: as many zeros. Drawn: their sum, a tenth of the style."""

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image: Tensor) -> Features:
        content = F.avg_pool2d(image, CELL)
        return Features(
            content=content, style=torch.zeros_like(content), pooled=content.mean((2, 3))
        )

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        return F.interpolate(content + style / 10, scale_factor=CELL)


class Discrete(Draws):
    def discretise(self, content):
        return (content > 0.5).float()

    def restyle(self, image, concepts):
        return 0 * (image.mean() + concepts)

    def plain(self, image):
        return image


class Network(nn.Module):
    """Says in which mode it was asked to draw."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.modes: list[tuple[bool, bool]] = []

    def decode(self, content, style):
        self.modes.append((self.training, torch.is_grad_enabled()))
        return Draws().decode(content, style)

    phases, after_step, encode = Draws.phases, Draws.after_step, Draws.encode


def shown(n, seed=0):
    """Two classes beside the background; the grey level of a pixel is half its class."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(3, (n, 6, 7), generator=generator).repeat_interleave(8, 1)
    mask = mask.repeat_interleave(8, 2)
    return Shown(
        rows=torch.arange(n),
        image=mask[:, None] / 2.0,
        target=F.one_hot(mask, 3).permute(0, 3, 1, 2).float(),
    )


def known(toys, seen, model=None):
    image = seen.image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    records = [toys.record(f"r{i}") for i in range(len(image))]
    samples = toys.stills(image=image, mask=None, records=records, classes=("background",))
    return augmentations.latent(model or Draws(), samples, range(len(image)))


def restyle(toys, seen, noise, *, model=None, seed=0):
    latent = known(toys, seen, model)
    return augmentations.style_noise(model or Draws(), latent, noise, shrink=2, seed=seed)


def test_a_mask_moves_with_its_image(monkeypatch):
    monkeypatch.setattr(augmentations, "CLASSICAL", Ranges(gamma=(1.0, 1.0), blur_px=0.0))
    seen = shown(6)
    torch.manual_seed(0)

    moved = augmentations.classical(seen)

    grey = torch.einsum("bchw,c->bhw", moved.target, torch.tensor([0, 0.5, 1]))
    torch.testing.assert_close(moved.image[:, 0], grey, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.target.sum(1), torch.ones(6, 48, 56))
    assert (moved.image - seen.image).abs().flatten(1).mean(1).min() > 0.05


def test_gamma_and_blur_leave_the_mask_alone(monkeypatch):
    still = Ranges(
        rotation_deg=0.0, shear=0.0, zoom=(1.0, 1.0), translation_cells=0, blur_share=1.0
    )
    monkeypatch.setattr(augmentations, "CLASSICAL", still)
    seen = shown(6)

    changed = augmentations.classical(seen)

    torch.testing.assert_close(changed.target, seen.target, atol=1e-4, rtol=0)
    assert (changed.image - seen.image).abs().flatten(1).max(1).values.min() > 0.01


def test_what_comes_in_from_outside_is_background(monkeypatch):
    monkeypatch.setattr(augmentations, "CLASSICAL", Ranges(zoom=(0.5, 0.5)))
    seen = shown(4)
    full = replace(seen, target=torch.zeros_like(seen.target).index_fill(1, torch.tensor(2), 1.0))

    target = augmentations.classical(full).target

    assert 0.2 < target[:, 2].mean() < 0.3  # a quarter of the area, less what is moved out
    torch.testing.assert_close(target[:, 0], 1 - target[:, 2], atol=1e-5, rtol=0)


def test_no_noise_redraws_the_very_images_that_are_shown(toys):
    seen = shown(5)
    rows = torch.tensor([3, 1])
    some = Shown(rows=rows, image=torch.zeros(2, 1, 48, 56), target=seen.target[rows])

    drawn = restyle(toys, seen, Noise(share=1.0, beta=0.0, change=redrawn))(some)

    cells = F.avg_pool2d(seen.image[rows], 4)
    expected = cells.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(drawn.image, expected)
    assert drawn.target is some.target


def test_an_image_changes_as_its_reconstruction_does(toys):
    seen = shown(8)

    anew = restyle(toys, seen, replace(SURE, change=redrawn))(seen).image
    changed = restyle(toys, seen, replace(SURE, change=retextured))(seen).image

    cells = F.avg_pool2d(seen.image, 4)
    clean = cells.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(changed, (seen.image + anew - clean).clamp(0, 1))
    assert (changed != seen.image).flatten(1).any(1).all()


def test_strengths_are_uniform_up_to_beta(toys):
    seen = shown(600)

    anew = restyle(toys, seen, Noise(share=1.0, beta=0.6, change=redrawn))(seen).image

    cells = F.avg_pool2d(seen.image, 4)
    noise = 10 * (F.avg_pool2d(anew, 4) - cells)  # beta n / sqrt(1 + beta^2)
    std = noise.flatten(1).square().mean(1).sqrt()
    beta = std / (1 - std**2).sqrt()
    quartiles = torch.quantile(beta, torch.tensor([0.25, 0.5, 0.75]))
    assert quartiles.tolist() == pytest.approx([0.15, 0.3, 0.45], abs=0.04)


def test_the_share_says_how_many_images_change(toys):
    seen = shown(600)

    changed = restyle(toys, seen, Noise(share=0.3))(seen).image

    touched = (changed != seen.image).flatten(1).any(1)
    assert touched.float().mean().item() == pytest.approx(0.3, abs=0.05)


def test_noise_goes_on_from_batch_to_batch_and_starts_afresh_by_seed(toys):
    seen = shown(4)
    one, same, other = (restyle(toys, seen, SURE, seed=seed) for seed in (0, 0, 1))

    first, second = one(seen).image, one(seen).image

    assert not torch.equal(first, second)
    assert torch.equal(first, same(seen).image)
    assert not torch.equal(first, other(seen).image)


def test_style_noise_changes_no_classical_transform(toys):
    seen = shown(8)
    idle = Noise(share=1.0, beta=0.0)  # draws its random numbers, and changes nothing
    chains = augmentations.chains(Draws(), known(toys, seen), idle, shrink=2, seed=0)
    images = {}
    for name, chain in chains.items():
        torch.manual_seed(0)
        after = seen
        for augmentation in chain:
            after = augmentation(after)
        images[name] = after.image

    assert list(images) == ["none", "classical", "style", "both"]
    torch.testing.assert_close(images["both"], images["classical"])
    torch.testing.assert_close(images["style"], images["none"])
    assert not torch.allclose(images["classical"], images["none"], atol=0.1)


def test_discrete_content_is_drawn_from_its_likeliest_concepts(toys):
    latent = known(toys, shown(3), Discrete())

    assert set(latent.content.unique().tolist()) == {0.0, 1.0}


def test_a_network_draws_in_evaluation_mode_and_is_left_as_it_was(toys):
    seen, network = shown(2), Network().train()

    restyle(toys, seen, SURE, model=network)(seen)

    assert network.modes == [(False, False)]
    assert network.training


def test_a_model_without_style_is_told_what_it_can_be_asked(toys):
    class Styleless(Draws):
        def encode(self, image):
            return replace(super().encode(image), style=None)

    with pytest.raises(BadInput, match="ask it segment, retrieve"):
        known(toys, shown(2), Styleless())
