"""Images and models small enough to know every answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from torch import Tensor

from septum.contract import Batch, Features, Record


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


def record(name: str, subject: str | None = None, **labels: str | float) -> Record:
    return Record(id=name, subject=subject or name, image=Path(name), labels=labels)


@dataclass(frozen=True)
class Toys:
    """What tests in this folder build from."""

    stills: type[Stills] = field(default=Stills)
    says: type[Says] = field(default=Says)
    record: Callable[..., Record] = field(default=record)


@pytest.fixture(scope="session")
def toys() -> Toys:
    return Toys()
