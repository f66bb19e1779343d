"""A model of which everything can be worked out by hand, and frames for it."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from septum.contract import Batch, Features, Record

CELL = 8
LEVELS = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
"""Grey level that each of six concepts stands for."""


class Encodes:
    """Content: the concept whose level is nearest to a cell's mean. Style: twice what is left."""

    def phases(self):
        return []

    def after_step(self, progress):
        del progress

    def encode(self, image):
        distance = (F.avg_pool2d(image, CELL) - LEVELS[:, None, None]).abs()
        content = (-20 * distance).softmax(1)
        y = one_hot(content)
        return Features(content=content, style=left_over(image, y), pooled=content.mean(dim=(2, 3)))


class Decodes:
    def decode(self, content, style):
        grey = torch.einsum("bchw,c->bhw", content, LEVELS)[:, None] + style / 2
        return F.interpolate(grey, scale_factor=CELL)


class Discretises:
    def discretise(self, content):
        return one_hot(content)

    def restyle(self, image, concepts):
        return left_over(image, concepts)

    def plain(self, image):
        return F.interpolate(F.avg_pool2d(image, CELL), scale_factor=CELL)


class Everything(Encodes, Decodes, Discretises):
    pass


class Draws(Encodes, Decodes):
    pass


def one_hot(content):
    return F.one_hot(content.argmax(1), len(LEVELS)).movedim(-1, 1).float()


def left_over(image, y):
    return 2 * (F.avg_pool2d(image, CELL) - torch.einsum("bchw,c->bhw", y, LEVELS)[:, None])


class Anatomy:
    """Content: dark pixels and bright ones, on the grid of the image. Masks: the bright ones."""

    batch = Batch(
        image=torch.rand(2, 1, 32, 40, generator=torch.Generator().manual_seed(2)),
        mask=torch.randint(0, 2, (2, 32, 40), generator=torch.Generator().manual_seed(3)),
    )

    def phases(self):
        return []

    def after_step(self, progress):
        del progress

    def encode(self, image):
        bright = (image > 0.5).float()
        style = image.mean(dim=(2, 3), keepdim=True).expand_as(image)
        content = torch.cat([1 - bright, bright], dim=1)
        return Features(content=content, style=style, pooled=style[:, :, 0, 0])

    def decode(self, content, style):
        return (content[:, 1:] + style) / 2

    def segment(self, image):
        return self.encode(image).content


@dataclass(frozen=True)
class Frames:
    """Samples of four subjects in two views and two phases."""

    image: torch.Tensor
    records: tuple[Record, ...]
    name: str = "toy"
    split: str = "val"
    classes: tuple[str, ...] = ("background", "left_ventricle")
    mask: torch.Tensor | None = None

    def batch(self, indices):
        places = list(indices)
        mask = None if self.mask is None else self.mask[places]
        ids = [self.records[i].id for i in places]
        return Batch(image=self.image[places], mask=mask, ids=ids)


def record(subject, view, phase):
    name = f"{subject}_{view}_{phase}"
    labels = {"view": view, "phase": phase}
    return Record(id=name, subject=subject, image=Path(name), labels=labels)


@pytest.fixture(scope="session")
def model():
    return Everything()


@pytest.fixture(scope="session")
def encodes():
    return Encodes()


@pytest.fixture(scope="session")
def maps():
    return Anatomy()


@pytest.fixture(scope="session")
def draws():
    return Draws()


@pytest.fixture(scope="session")
def levels():
    return LEVELS


@pytest.fixture(scope="session")
def samples():
    records = tuple(
        record(subject, view, phase)
        for subject in ("s1", "s2", "s3", "s4")
        for view in ("2CH", "4CH")
        for phase in ("ED", "ES")
    )
    cells = torch.rand(len(records), 1, 4, 5, generator=torch.Generator().manual_seed(0))
    fine = torch.rand(len(records), 1, 32, 40, generator=torch.Generator().manual_seed(1))
    image = 0.9 * F.interpolate(cells, scale_factor=CELL) + 0.1 * fine
    return Frames(image, records)
