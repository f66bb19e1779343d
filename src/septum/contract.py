"""What the parts of the library promise one another, and nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Terms = dict[str, Tensor]
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
        at: Where the image lies in files that hold more than one: (slice,) of a volume, (slice,
            frame) of a cine; empty for a file with one picture.
        film: Files that hold the frames of a film, in order: one file of all, or a picture each;
            `image` is the first of them. Empty for a still image.
        span: First and last frame of the film that are meant, counted from 0; None for all.
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
    at: tuple[int, ...] = ()
    film: Sequence[Path] = ()
    span: tuple[int, int] | None = None
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
        drawn: Fill that layout with so many phantom subjects, drawn from a seed; None where there
            is only the sketch.
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
    drawn: Callable[[Path, int, int], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One mini-batch.

    Attributes:
        image: Intensities in [0, 1]; a clip has a time axis before height and width.
        sector: True inside the ultrasound cone; everywhere true for other modalities.
        mask: Class index per pixel, -1 where the image has no mask.
        labels: One value per image by label name, NaN where unknown.
        ids: The record of every image, for messages.
        unpaired: Masks of some images of the split, not of these: what shapes look like.
    """

    image: Float[Tensor, "b c *t h w"]
    sector: Bool[Tensor, "b 1 h w"] | None = None
    mask: Int[Tensor, "b h w"] | None = None
    labels: Mapping[str, Float[Tensor, " b"]] = field(default_factory=dict[str, Tensor])
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


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a frozen model tells a downstream task.

    Attributes:
        content: What is there, on a grid: concept probabilities, anatomy maps, sparse codes.
        style: How it looks, on the same grid; one vector per image is repeated over it.
        pooled: One vector per image.
    """

    content: Float[Tensor, "b d *t h w"]
    style: Float[Tensor, "b s *t h w"] | None
    pooled: Float[Tensor, "b e"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One optimiser, and the loss terms it minimises at a given progress in [0, 1].

    The terms come weighted; the loop adds them up and logs every one by its name. A batch that has
    nothing for a phase gives no terms, and its parameters stay. Phases may share parameters; each
    has its own optimiser.

    Attributes:
        rate: Factor of the learning rate of the recipe.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch, float], Terms]
    betas: tuple[float, float] = (0.9, 0.999)
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: the part of a paper that is not its network.

    Attributes:
        data: Names of the data sets of the paper, or of their stand-ins.
        steps: Optimiser steps.
        batch_size: Images or films per step, over all processes.
        labelled: How many of them are drawn from the images with a mask; the others are drawn from
            all images, come without a mask, and as many unpaired masks come with them. At 0 all
            are drawn from all, as they are.
        image_size: Height and width in pixels that images are prepared at.
        clip: What is seen of a film; None for still images.
        lr_drop_steps: The learning rate is divided by 10 after every so many steps; 0 for never.
        warmup_steps: Steps over which the learning rate rises linearly from 0.
        final_lr: Share of `lr` left at the last step (cosine decay); 1 keeps it constant.
        lr_decay: The learning rate is divided by 1 + lr_decay * step besides.
        clip_norm: Largest gradient norm of a phase; 0 leaves gradients alone.
        optimiser: `adamw`, `lars` for large batches, or `madgrad`.
        precision: `bf16` autocast or `fp32`.
    """

    data: str
    steps: int
    batch_size: int = 16
    labelled: int = 0
    image_size: tuple[int, int] = (224, 224)
    clip: Clip | None = None
    lr: float = 1e-4
    weight_decay: float = 0.0
    warmup_steps: int = 0
    final_lr: float = 1.0
    lr_decay: float = 0.0
    lr_drop_steps: int = 0
    clip_norm: float = 0.0
    optimiser: str = "adamw"
    precision: str = "bf16"


@dataclass(frozen=True, kw_only=True)
class Size:
    """One published or practical size of a system: network and schedule."""

    config: Any
    recipe: Recipe


def _as_it_is(config: Any, samples: Samples) -> Any:
    del samples
    return config


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A published system: what to cite, how to build it, how it was trained.

    Attributes:
        build: The model, from a config; parameters are drawn from torch's generator.
        sizes: `small` runs on a CPU in minutes, `paper` is the published size.
        adapt: The config for the images it is to learn from: where these decide a field, such as
            the number of classes.
    """

    title: str
    cite: str
    build: Callable[[Any], nn.Module]
    sizes: Mapping[str, Size]
    adapt: Callable[[Any, Samples], Any] = _as_it_is


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number one may trust: value, 95 % interval, unit, and how many cases stand behind it."""

    value: float
    low: float
    high: float
    unit: str
    n: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a task found out.

    Attributes:
        metrics: By path: `dice_loss/content/k5`, `map5/apex`, `mae`.
        rows: One per case, for `predictions.csv`.
        figures: Matplotlib figures by file name without ending.
    """

    metrics: Mapping[str, Metric]
    rows: Sequence[Mapping[str, Label]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class Model(Protocol):
    """A trainable representation."""

    def phases(self) -> Sequence[Phase]:
        """The losses to minimise, in turn, on every batch."""
        ...

    def after_step(self, progress: float) -> None:
        """Bookkeeping between batches, such as a moving-average teacher."""
        ...

    def encode(self, image: Float[Tensor, "b c *t h w"]) -> Features:
        """Image to features, without gradients."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """A model that renders an image from content and style, and so can swap or vary either."""

    def decode(
        self, content: Float[Tensor, "b d h w"], style: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b 1 H W"]:
        """Render the content in the style; intensities in [0, 1]."""
        ...


@runtime_checkable
class Discretises(Protocol):
    """A model whose content is a distribution over discrete concepts at every grid location."""

    def discretise(self, content: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """The likeliest concept as a one-hot vector."""
        ...

    def restyle(
        self, image: Float[Tensor, "b 1 H W"], concepts: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b s h w"]:
        """The style of these one-hot concepts on this image."""
        ...

    def plain(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b 1 H W"]:
        """The blurred image that concepts alone should render; intensities in [0, 1]."""
        ...


@runtime_checkable
class Segments(Protocol):
    """A model that draws masks."""

    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first, without gradients."""
        ...


@runtime_checkable
class Regresses(Protocol):
    """A model that estimates facts about an image."""

    def regress(self, image: Float[Tensor, "b c *t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """Estimates by label name, in the unit of the name, without gradients."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A model of films that shows the feature map its estimates are made from."""

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map with a time axis, and what it says by label name, with gradients.

        Of a probability that is its logit, whose gradient does not vanish where it is sure.
        """
        ...


@runtime_checkable
class Monitors(Protocol):
    """A model that can say, beside its losses, whether it is healthy."""

    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Health by name on one batch, without gradients."""
        ...


Task = Callable[[Model, Samples, Samples, int], Report]
"""A question to a frozen model: (model, training split, tested split, seed) to a report."""
