"""Images and models small enough to know every answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from septum.contract import Batch, Clip, Features, Record


@dataclass(frozen=True, kw_only=True)
class Stills:
    """Samples in memory: image `n 1 h w`, mask `n h w`."""

    image: Tensor
    mask: Tensor | None
    records: Sequence[Record]
    classes: Sequence[str]
    name: str = "stills"
    split: str = "val"

    def batch(self, indices: Sequence[int]) -> Batch:
        return Batch(
            image=self.image[indices],
            mask=None if self.mask is None else self.mask[indices],
            ids=[self.records[i].id for i in indices],
        )


@dataclass(frozen=True)
class Says:
    """A model that says what a function of the image says."""

    content: Callable[[Tensor], Tensor]
    style: Callable[[Tensor], Tensor] | None = None

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image: Tensor) -> Features:
        content = self.content(image)
        style = None if self.style is None else self.style(image)
        return Features(content=content, style=style, pooled=content.flatten(1))


@dataclass(frozen=True, kw_only=True)
class Reels:
    """Films in memory; the brightness of a frame is its film's place and its number / 256."""

    frames: Sequence[int]
    clip: Clip
    records: Sequence[Record]
    classes: Sequence[str] = ("background",)
    name: str = "films"
    split: str = "val"

    def lengths(self) -> Sequence[int]:
        return self.frames

    def clips(self, indices: Sequence[int], starts: Sequence[int]) -> Batch:
        brightness = torch.tensor([i + s / 256 for i, s in zip(indices, starts, strict=True)])
        later = torch.arange(self.clip.frames) * self.clip.stride / 256
        image = (brightness[:, None] + later)[:, None, :, None, None].expand(-1, -1, -1, 2, 2)
        return Batch(image=image, ids=[self.records[i].id for i in indices])

    def batch(self, indices: Sequence[int]) -> Batch:
        return self.clips(indices, [0] * len(indices))


@dataclass(frozen=True)
class Estimates:
    """A model of films that says what a function of the film's place and the clip's start says."""

    ef_percent: Callable[[Tensor, Tensor], Tensor]
    pooled: Callable[[Tensor, Tensor], Tensor] = lambda place, start: torch.stack([place, start], 1)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image: Tensor) -> Features:
        return Features(content=image, style=None, pooled=self.pooled(*_seen(image)))

    def regress(self, image: Tensor) -> dict[str, Tensor]:
        return {"ef_percent": self.ef_percent(*_seen(image))}


def _seen(image: Tensor) -> tuple[Tensor, Tensor]:
    """Place of the film and start of the clip, by the first pixel of `Reels`."""
    first = image[:, 0, 0, 0, 0]
    return first.floor().long(), (256 * first.frac()).round()


def films(frames: Sequence[int], *, clip: Clip, records: Sequence[Record] = ()) -> Reels:
    return Reels(
        frames=frames, clip=clip, records=records or [record(f"{i}") for i in range(len(frames))]
    )


def record(name: str, subject: str | None = None, **labels: str | float) -> Record:
    return Record(id=name, subject=subject or name, image=Path(name), labels=labels)


@dataclass(frozen=True)
class Toys:
    """What tests in this folder build from."""

    stills: type[Stills] = field(default=Stills)
    says: type[Says] = field(default=Says)
    record: Callable[..., Record] = field(default=record)
    films: Callable[..., Reels] = field(default=films)
    estimates: type[Estimates] = field(default=Estimates)


@pytest.fixture(scope="session")
def toys() -> Toys:
    return Toys()
