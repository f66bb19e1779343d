"""Ask the model of a run about a user's own files, and write down what it says.

    paths → inputs → prepared as the images of the run were → model → Answer → files and a row

Stills are asked about in batches of several inputs, films one by one.
"""

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from septum import __version__
from septum.contract import BadInput
from septum.data.letterbox import Letterbox
from septum.metrics import conformal
from septum.predict import asked, exchanged, placed, reference
from septum.predict import card as cards
from septum.predict.answers import Answer, Estimate, unit
from septum.predict.asked import Said
from septum.predict.card import Card
from septum.predict.exchanged import NONE, Objects
from septum.predict.inputs import DICOM, Failure, Input, failure, inputs
from septum.predict.reference import Reference
from septum.predict.written import Folder, Row
from septum.runs import Run, noted_images
from septum.tasks.conformal import BOUNDS
from septum.tasks.filmed import EF
from septum.tasks.frozen import BATCH

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How inputs are predicted.

    Attributes:
        root: Holds the data sets of the run, if they lie elsewhere than at its training.
        cache: Holds prepared images; by default in the user's cache folder.
        every: A model of stills sees every so many frames of a film; volumes are seen whole.
        objects: What is written of DICOM inputs as DICOM.
    """

    root: Path | None = None
    cache: Path | None = None
    every: int = 1
    objects: Objects = NONE


@dataclass(frozen=True, kw_only=True)
class Asker:
    """A run, how its images were read, and what its own images say; None where these are lost."""

    run: Run
    card: Card
    reference: Reference | None

    def answers(self, some: Sequence[Input]) -> Iterator[Answer]:
        """Of each of these inputs; a model of films takes them one by one.

        Raises:
            BadInput: One cannot be prepared, or is no film and the model takes films.
        """
        boxes = [placed.framing(one, self.card, self.run.recipe.image_size) for one in some]
        ready = [placed.prepared(one, self.card, box) for one, box in zip(some, boxes, strict=True)]
        clip = self.run.recipe.clip
        said = asked.joined([*asked.ask(self.run.model, placed.samples(some, ready, clip))])
        first = 0
        for box, frames in zip(boxes, ready, strict=True):
            last = first + (len(frames) if clip is None else 1)
            yield self._answer(asked.between(said, first, last), box)
            first = last

    def _answer(self, said: Said, box: Letterbox) -> Answer:
        """Means over frames or clips; maps on the pixels of the file."""
        side = self.run.recipe.image_size
        concepts = None if said.cells is None else placed.enlarged(said.cells, side)
        return Answer(
            embedding=said.pooled.mean(0).float().numpy(),
            masks=None if said.masks is None else placed.all_back(said.masks, box),
            classes=_classes(self.card.classes, said.masks),
            estimates={name: self._estimate(name, x) for name, x in said.numbers.items()},
            shares={label: _means(shares) for label, shares in said.shares.items()},
            proxies=_means(said.proxies),
            concepts=None if concepts is None else placed.all_back(concepts, box),
            cells=said.cells,
            **self._distance(said.pooled),
        )

    def _estimate(self, label: str, said: Float[Tensor, " n"]) -> Estimate:
        """With an interval where one is calibrated: of a film for films, of a still for a still."""
        value, is_split = float(said.mean()), self.run.recipe.clip is None and len(said) > 1
        found = Estimate(value=value, unit=unit(label), parts=said.tolist() if is_split else ())
        if is_split or self.reference is None or label not in self.reference.radius:
            return found
        within = BOUNDS if label == EF else (-math.inf, math.inf)
        one, q = np.array([value]), self.reference.radius[label][0]
        low, high = conformal.interval(one, np.ones(1), q, within=within)[:, 0]
        return replace(found, low=float(low), high=float(high))

    def _distance(self, pooled: Float[Tensor, "n e"]) -> dict[str, Any]:
        if self.reference is None:
            return {}
        far, most = float(self.reference.distance(pooled).mean()), self.reference.most()
        return {
            "outlier": far,
            "percentile": self.reference.percentile(far),
            "abstain": None if most is None else far > most,
        }


def predict(
    run: Run,
    paths: Sequence[Path],
    out: Path,
    *,
    settings: Settings | None = None,
    tell: Tell = lambda _: None,
) -> Sequence[Row]:
    """Ask about every file, and below every folder; a row each, also of those that failed.

    Args:
        run: Whose model is asked.
        paths: Files and folders.
        out: Folder for tables, masks and pictures; what is there of the same name is replaced.
        settings: How.
        tell: Is given a sentence where something will be missing from all rows.

    Raises:
        BadInput: The folder cannot be written, or a setting is impossible.
    """
    settings = settings or Settings()
    if settings.every < 1:
        raise BadInput(f"Every {settings.every} frames is none; use 1 or more.")
    exchanged.refuse(settings.objects, run.model, every=settings.every)
    asker = opened(run, settings, tell)
    with Folder(out, _about(asker, settings)) as folder:
        found = inputs(paths, card=asker.card, every=1 if run.recipe.clip else settings.every)
        for some in _batched(found, most=1 if run.recipe.clip else BATCH):
            _add(folder, asker, some, settings.objects)
        return folder.rows


def opened(run: Run, settings: Settings, tell: Tell) -> Asker:
    """A run with its reference: from its folder, or else made of its own images and kept there."""
    found = reference.load(run)
    if found is not None:
        return Asker(run=run, card=found.card, reference=found)
    names, root = run.data.split("+"), settings.root
    try:
        if root is None:
            names, root = noted_images(run.folder)
        found = reference.compute(run, names, root, cache=settings.cache)
        reference.store(run, found)
    except BadInput as error:
        tell(f"{error} Until then answers come without intervals and outlier scores.")
    card = cards.found(run, root) if found is None else found.card
    return Asker(run=run, card=card, reference=found)


def _batched(found: Iterator[Input | Failure], *, most: int) -> Iterator[Sequence[Input | Failure]]:
    """As many inputs at a time as have this number of frames, one at least."""
    some: list[Input | Failure] = []
    count = 0
    for one in found:
        some.append(one)
        count += len(one.frames) if isinstance(one, Input) else 0
        if count >= most:
            yield some
            some, count = [], 0
    if some:
        yield some


def _add(folder: Folder, asker: Asker, some: Sequence[Input | Failure], wanted: Objects) -> None:
    """Answer together; where that is refused, one by one, so that only the culprit fails."""
    good = [one for one in some if isinstance(one, Input)]
    try:
        answers = iter([*asker.answers(good)] if good else [])
    except BadInput as error:
        for one in some:
            alone = failure(one.id, one.path, one.kind, error) if len(good) == 1 else one
            _add(folder, asker, [one if isinstance(one, Failure) else alone], wanted)
        return
    for one in some:
        if isinstance(one, Failure):
            folder.fail(one)
        else:
            answer = next(answers)
            is_dicom = one.kind == DICOM and wanted != NONE
            more = folder.exchange(one, answer, wanted, model=asker.run.name) if is_dicom else None
            folder.add(one, answer, more)


def _means(said: Mapping[str, Float[Tensor, " n"]]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in said.items()}


def _about(asker: Asker, settings: Settings) -> dict[str, Any]:
    """What all answers have in common."""
    run, found = asker.run, asker.reference
    return {
        "septum": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "model": run.name,
        "size": run.size,
        "data": run.data,
        "seed": run.seed,
        "image_size": [*run.recipe.image_size],
        "classes": [*asker.card.classes],
        "every": settings.every,
        "reference": None if found is None else _about_reference(found),
    }


def _about_reference(found: Reference) -> dict[str, Any]:
    """The numbers that answers are held against; null where the subjects are too few for one."""
    return {
        "subjects": len(found.distances),
        "outlier_95": found.most(0.05),
        "outlier_99": found.most(),
        "radius": {name: {"value": q, "subjects": n} for name, (q, n) in found.radius.items()},
        "level": 1 - reference.MISS,
    }


def _classes(names: Sequence[str], masks: UInt8[np.ndarray, "t h w"] | None) -> Sequence[str]:
    """Of masks; numbered where nobody has named them."""
    if masks is None:
        return ()
    return [*names, *(f"class_{k}" for k in range(len(names), int(masks.max()) + 1))]
