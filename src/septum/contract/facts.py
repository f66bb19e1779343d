"""What data are: records as files state them, batches as models see them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

Label = str | float


class BadInput(Exception):  # noqa: N818 - named after what happened, as the user sees it
    """Something handed in from outside cannot be used.

    The message is one sentence: what is wrong, where, and what to do. The command line prints
    it and ends with status 2.
    """


@dataclass(frozen=True, kw_only=True)
class Record:
    """One image or clip of a data set, as its files state it. Nothing is decoded yet.

    Attributes:
        subject: Patient (or the closest thing the data set has): the unit no split may cut.
        image: File with the pixels.
        mask: Class index per pixel; same height and width as the image.
        more_masks: Files of other parts of the mask, such as a lesion each; where several of them
            have a class, the largest index counts.
        at: Where the image lies in files that hold more than one: (slice,) of a volume, (slice,
            frame) of a cine; empty for a file with one picture.
        film: Files that hold the frames of a film, in order: one file of all, or a picture each;
            `image` is the first of them. Empty for a still image.
        span: First and last frame of the film that are meant, counted from 0; None for all.
        window: First row and column, height and width of the part of the picture that is meant; it
            may reach beyond the picture, where all is black. None for the whole picture.
        outlines: Corners (x, y) in pixels of the traced structure, class 1, by frame of the film,
            counted from 0.
        split: `train`, `val` or `test` where published, else None.
        labels: Facts by name, with the unit in the name: `ef_percent`, `age_years`, `view`.
            A pair `NAME_x_px`, `NAME_y_px` is a point of the image (pixel centres at integers).
    """

    id: str
    subject: str
    image: Path
    mask: Path | None = None
    more_masks: Sequence[Path] = ()
    at: tuple[int, ...] = ()
    film: Sequence[Path] = ()
    span: tuple[int, int] | None = None
    window: tuple[int, int, int, int] | None = None
    outlines: Mapping[int, Sequence[tuple[float, float]]] = field(default_factory=dict)
    split: str | None = None
    labels: Mapping[str, Label] = field(default_factory=dict[str, Label])


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set: its card, and how to read and to fake its folder.

    Attributes:
        classes: Name of every mask index; index 0 is `background`.
        records: Read the published folder layout, in a fixed order.
        sketch: Write a miniature of that layout; the test fixture and the documentation of it.
        field_mm: Height and width of the field round the middle of a picture that is prepared; None
            for the whole picture. Needs files that state the spacing of their pixels.
        codes: Class index of every value that masks hold, where masks hold other numbers.
        stretch: Percentiles of the grey levels of a prepared still that become black and white;
            None for the levels of the file.
        drawn: Fill that layout with so many phantom subjects, drawn from a seed; None where there
            is only the sketch.
        organ: That all its images show: their label `organ` once they are prepared, unless their
            own says otherwise; empty where they show several, or nobody says.
    """

    title: str
    url: str
    licence: str
    cite: str
    classes: Sequence[str]
    records: Callable[[Path], Iterator[Record]]
    sketch: Callable[[Path], None]
    field_mm: tuple[float, float] | None = None
    codes: Mapping[int, int] | None = None
    stretch: tuple[float, float] | None = None
    drawn: Callable[[Path, int, int], None] | None = None
    organ: str = ""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One mini-batch.

    Attributes:
        image: Intensities in [0, 1]; a clip has a time axis before height and width.
        sector: True inside the ultrasound cone; everywhere true for other modalities.
        mask: Class index per pixel, -1 where the image has no mask.
        labels: One value per image by label name, NaN where unknown.
        texts: The same of text labels, empty where unknown.
        ids: The record of every image, for messages.
        unpaired: Masks of some images of the split, not of these: what shapes look like.
    """

    image: Float[Tensor, "b c *t h w"]
    sector: Bool[Tensor, "b 1 h w"] | None = None
    mask: Int[Tensor, "b h w"] | None = None
    labels: Mapping[str, Float[Tensor, " b"]] = field(default_factory=dict[str, Tensor])
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    ids: Sequence[str] = ()
    unpaired: Int[Tensor, "m h w"] | None = None


@runtime_checkable
class Samples(Protocol):
    """The prepared images of one split of a data set, in a fixed order.

    Attributes:
        name: Name of the data set.
        split: `train`, `val`, `test` or `all`.
        classes: Name of every mask index; index 0 is `background`.
        records: One per image, points already in the pixels of the prepared image.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def records(self) -> Sequence[Record]: ...  # noqa: D102

    def batch(self, indices: Sequence[int]) -> Batch:
        """The images at these places of `records`."""
        ...


@runtime_checkable
class Outlined(Samples, Protocol):
    """Samples that know which images have a mask, and can show masks without their images."""

    def annotated(self) -> Sequence[int]:
        """Places of the images that come with their mask."""
        ...

    def outlined(self) -> Sequence[int]:
        """Places that have a mask, also one that is kept from its image."""
        ...

    def shapes(self, indices: Sequence[int]) -> Int[Tensor, "m h w"]:
        """The masks at these places of `outlined`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a model sees of a film at once.

    Attributes:
        frames: Length of the clip.
        stride: Frames of the film from one frame of the clip to the next; where the film ends
            before the clip does, black frames follow. At 0 the whole film is resampled in time.
        per_film: Clips of every film in a batch of training, each from a place of its own.
    """

    frames: int
    stride: int = 1
    per_film: int = 1


@runtime_checkable
class Films(Samples, Protocol):
    """Samples that are films; `batch` gives the first clip of each.

    Attributes:
        clip: What is seen of them.
    """

    @property
    def clip(self) -> Clip: ...  # noqa: D102

    def lengths(self) -> Sequence[int]:
        """Frames of every film."""
        ...

    def clips(self, indices: Sequence[int], starts: Sequence[int]) -> Batch:
        """One clip per place of `records`, that begins with this frame of its film."""
        ...
