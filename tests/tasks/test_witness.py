"""A network that is taught to see discs."""

import logging

import pytest
import torch
from torch.nn import functional as F

from septum.tasks import witness
from septum.tasks.segmenter import Schedule, Shown

CPU = torch.device("cpu")
SCHEDULE = Schedule(steps=60, widths=(4, 8, 16), batch_size=4, lr=1e-2)


def discs(toys, *, seed, size=32, masks=True):
    draw = torch.Generator().manual_seed(seed)
    radius = size * (0.15 + 0.25 * torch.rand(16, 1, 1, generator=draw))
    place = torch.arange(size) - (size - 1) / 2
    mask = (place**2 + place[:, None] ** 2 < radius**2).long()
    image = 0.2 + 0.5 * mask[:, None] + 0.1 * torch.rand(16, 1, size, size, generator=draw)
    records = [toys.record(f"{i}") for i in range(16)]
    return toys.stills(
        image=image, mask=mask if masks else None, records=records, classes=("background", "disc")
    )


@pytest.fixture(scope="module")
def seen(toys):
    return witness.taught(discs(toys, seed=0), schedule=SCHEDULE, device=CPU, seed=0)


def test_it_sees_in_other_images_what_it_was_taught(toys, seen):
    asked = discs(toys, seed=1)

    said = seen.classes(asked.image).float().sum((1, 2))

    true = asked.mask.float().sum((1, 2))
    assert (said - true).abs().mean() < 0.1 * true.mean()


def test_its_maps_are_halved_and_lead_to_what_it_says(toys, seen):
    image = discs(toys, seed=1).image

    maps = seen.maps(image)

    assert [tuple(of.shape[1:]) for of in maps] == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]
    x = maps[-1]
    for up, beside in zip(seen.net.up, maps[-2::-1], strict=True):
        x = up(torch.cat([beside, F.interpolate(x, size=beside.shape[-2:])], 1))
    assert torch.equal(seen.net.head(x).argmax(1), seen.classes(image))


def test_large_images_are_shrunk_and_masks_are_not(toys):
    large = discs(toys, seed=0, size=256)
    short = Schedule(steps=1, widths=(2, 2), batch_size=1)

    seen = witness.taught(large, schedule=short, device=CPU, seed=0)

    assert seen.shrink == 2
    assert seen.classes(large.image[:2]).shape == (2, 256, 256)
    assert seen.maps(large.image[:2])[0].shape == (2, 2, 128, 128)


def test_half_of_the_images_are_blurred(toys):
    image = discs(toys, seed=0).image.repeat(25, 1, 1, 1)
    shown = Shown(rows=torch.arange(len(image)), image=image, target=image)
    torch.manual_seed(0)

    found = witness.blurred(shown)

    moved = (found.image - image).abs().amax((1, 2, 3)) > 1e-6
    assert 0.4 < moved.float().mean() < 0.6
    assert found.target is image
    torch.testing.assert_close(found.image.mean(), image.mean(), rtol=0.01, atol=0)


def test_without_masks_there_is_no_witness(toys, caplog):
    lacking = discs(toys, seed=0, masks=False)

    with caplog.at_level(logging.WARNING, logger="septum"):
        assert witness.taught(lacking, schedule=None, device=CPU, seed=0) is None

    assert "left out" in caplog.text
