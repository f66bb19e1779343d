"""Phantom hearts as MR and CT stacks: one picture per slice, every fact known."""

from dataclasses import replace
from pathlib import Path

from septum.contract import Source
from septum.data import manifest, phantom


def sketch(root: Path) -> None:
    """Write one heart as cine MR and another as CT, in axial slices."""
    cine = phantom.Study(subjects=1, plane="axial", phases=("ED",), size=(64, 64), slices=8)
    ct = replace(cine, first_subject=1, modality="CT")
    phantom.write_stacks(root, cine, ct, seed=0)


SOURCE = Source(
    title="Synthetic cardiac MR and CT stacks, drawn from one 3-D heart per subject",
    url="part of this package",
    licence="Apache-2.0",
    cite="septum",
    classes=phantom.STACK_CLASSES,
    records=manifest.records,
    sketch=sketch,
    organ="heart",
)
