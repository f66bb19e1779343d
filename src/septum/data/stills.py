"""Phantom hearts as a data set: ultrasound stills whose every fact is known."""

from pathlib import Path

from septum.contract import Source
from septum.data import manifest, phantom


def drawn(folder: Path, subjects: int, seed: int) -> None:
    """Fill the folder with both apical views of so many hearts, at end-diastole and end-systole."""
    phantom.write(folder, subjects=subjects, seed=seed)


SOURCE = Source(
    title="Synthetic echocardiograms, drawn from one 3-D heart per subject",
    url="part of this package",
    licence="Apache-2.0",
    cite="septum",
    classes=tuple(phantom.CLASSES),
    records=manifest.records,
    sketch=manifest.sketch,
    drawn=drawn,
    organ="heart",
)
