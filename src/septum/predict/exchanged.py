"""Answers about DICOM files as DICOM objects of the same study: SEG, SR and secondary capture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from septum import __version__
from septum.contract import BadInput, Discretises, Model, Regresses, Segments
from septum.predict import pictures
from septum.predict.answers import Answer
from septum.predict.inputs import Input
from septum.predict.pictures import TINT


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Which objects are made of an answer about a DICOM file.

    Attributes:
        seg: Masks as a segmentation.
        report: Estimates with their intervals as a structured report.
        capture: Masks, or else concepts, over the frames as a secondary capture.
    """

    seg: bool = False
    report: bool = False
    capture: bool = False


NONE = Objects()


def refuse(wanted: Objects, model: Model, *, every: int) -> None:
    """Make sure that a model can give what is wanted.

    Raises:
        BadInput: It cannot, frames would be left out of a segmentation, or a library is missing.
    """
    lacks = (
        (wanted.seg and not isinstance(model, Segments), "draws no masks; leave out --seg"),
        (
            wanted.report and not isinstance(model, Regresses),
            "estimates nothing; leave out --report",
        ),
        (
            wanted.capture and not isinstance(model, Segments | Discretises),
            "draws neither masks nor concepts; leave out --capture",
        ),
    )
    for is_lacking, why in lacks:
        if is_lacking:
            raise BadInput(f"The model {why}, or choose another run.")
    if wanted.seg and every > 1:
        raise BadInput("A segmentation is of all frames; leave out --every, or --seg.")
    if wanted.seg or wanted.report or wanted.capture:
        _import()


def made(
    one: Input, answer: Answer, wanted: Objects, *, model: str
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Kind and data sets of every object that is wanted and that the answer has something for.

    Raises:
        BadInput: The source does not fit the answer.
    """
    seg, report, capture = _import()
    if wanted.seg and answer.masks is not None and answer.masks.any():
        yield "seg", seg.segmentation(one.path, answer.masks, answer.classes, model=model)
    if wanted.report and answer.estimates:
        said = {name: (x.value, x.low, x.high, x.unit) for name, x in answer.estimates.items()}
        found = report.report(one.path, said, model=model, algorithm_version=__version__)
        yield "report", [found]
    index = answer.concepts if answer.masks is None else answer.masks
    if wanted.capture and index is not None:
        pairs = zip(one.frames, index, strict=True)
        film = np.stack([pictures.tinted(grey, k, opacity=TINT) for grey, k in pairs])
        picture = film if len(film) > 1 else film[0]
        yield "capture", [capture.capture(one.path, picture, title=f"septum {model}")]


def _import() -> tuple[Any, Any, Any]:
    """What writes them, which needs libraries of its own."""
    try:
        from septum.predict import dicom_capture, dicom_report, dicom_seg  # noqa: PLC0415
    except ImportError as error:
        raise BadInput(
            "DICOM objects need libraries that are missing; run pip install 'septum[dicom]'."
        ) from error
    return dicom_seg, dicom_report, dicom_capture
