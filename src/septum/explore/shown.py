"""One run and the images it is shown on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from septum import opened
from septum.contract import BadInput, Batch, Record
from septum.data import classes, limits
from septum.data.films import FilmSubset
from septum.data.prepare import prepare_many
from septum.data.subset import Subset
from septum.nn.device import device_of
from septum.opened import Run


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A run with images as its model sees them.

    Attributes:
        title: Of the run: model and name of its folder; no two of a page have the same.
        samples: All images or films, of every split.
        lock: Held while the model works, which changes its mode.
    """

    title: str
    run: Run
    samples: Subset | FilmSubset
    lock: RLock = field(default_factory=RLock)

    @property
    def records(self) -> Sequence[Record]:
        """One per image or film."""
        return self.samples.records

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Place of every record by its id."""
        return {record.id: place for place, record in enumerate(self.records)}

    def is_film(self) -> bool:
        """Whether a record has more than one frame."""
        return isinstance(self.samples, FilmSubset)

    def batch(self, place: int) -> Batch:
        """One image, or the first clip of a film, as the model sees it."""
        return self.samples.batch([place])

    def image(self, place: int) -> Float[Tensor, "1 1 *t h w"]:
        """The image of `batch`, where the model works."""
        return self.batch(place).image.to(device_of(self.run.model))

    def length(self, place: int) -> int:
        """How many frames there are of a record."""
        return self.samples.lengths()[place] if isinstance(self.samples, FilmSubset) else 1

    def frames(self, place: int) -> UInt8[np.ndarray, "t h w"]:
        """The prepared pictures of a record: one, or those of the film."""
        if isinstance(self.samples, FilmSubset):
            first, length = self.samples.spans[place].tolist()
            return self.samples.frames.strip(first, first + length)
        assert self.samples.images is not None
        return self.samples.images.gather(self.samples.places[[place]])

    def frame(self, place: int, time: int = 0) -> UInt8[np.ndarray, "h w"]:
        """One prepared picture of a record."""
        return self.frames(place)[time]


def shown(
    folders: Sequence[Path],
    *,
    data: Sequence[str] = (),
    root: Path | None = None,
    cache: Path | None = None,
    only: Sequence[str] = (),
) -> list[Shown]:
    """Open runs on the same images, each at the size of its model.

    Args:
        folders: The run folders.
        data: Names of data sets; by default those of the training.
        root: Folder that holds them; by default where they were at the training.
        cache: Folder for prepared images; by default in the user's cache folder.
        only: Labels that choose among the images, such as `view=4CH`.

    Raises:
        BadInput: A folder holds no finished run, or its images cannot be read.
    """
    if not folders:
        raise BadInput("There is no run to explore; name one or more by --run.")
    return [
        _one(folder, _titles(folders)[place], data=data, root=root, cache=cache, only=only)
        for place, folder in enumerate(folders)
    ]


def _one(
    folder: Path,
    title: str,
    *,
    data: Sequence[str],
    root: Path | None,
    cache: Path | None,
    only: Sequence[str],
) -> Shown:
    run = opened.load(folder, device=opened.device())
    if not data or root is None:
        noted, place = opened.noted_images(folder)
        data, root = data or noted, root or place
    groups = classes.parse(opened.words(run.groups))
    images = prepare_many(data, root, size=run.recipe.image_size, cache=cache, groups=groups)
    samples = opened.as_seen(run, images.limited(limits.parse(only))).split("all")
    return Shown(title=f"{run.name} · {title}", run=run, samples=samples)


def _titles(folders: Sequence[Path]) -> list[str]:
    """The name of every folder, numbered where two are alike."""
    names = [folder.resolve().name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]
