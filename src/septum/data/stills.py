"""Phantom hearts as a data set: ultrasound stills whose every fact is known."""

from septum.contract import Source
from septum.data import manifest, phantom

SOURCE = Source(
    title="Synthetic echocardiograms, drawn from one 3-D heart per subject",
    url="part of this package",
    licence="Apache-2.0",
    cite="septum",
    classes=tuple(phantom.CLASSES),
    records=manifest.records,
    sketch=manifest.sketch,
)
