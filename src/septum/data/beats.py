"""A beat as a film of two pictures, end-diastole and end-systole, from a data set of stills.

    DIR/manifest.csv   with the columns `view`, `phase` (ED, ES) and `ef_percent` or `ef`, or
    DIR/patientXXXX/   CAMUS as published

Stills without a view, or of another phase, are passed over. A subject's view that lacks one of the
two phases makes no film; `left_out` names it. Masks are kept where the data set names its
structures as CAMUS does, since these names stand on the card below.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from septum.contract import BadInput, Label, Record, Source
from septum.data import camus, manifest

PHASES = ("ED", "ES")
OF_THE_FILM: Mapping[str, float] = {"frames": 2.0, "ed_frame": 0.0, "es_frame": 1.0}
DROPPED = ("frame_rate_hz", "ef")
"""What is not true of a film of two pictures, or is kept by another name."""

Beat = Mapping[str, Record]
"""The stills of one subject and view, by phase."""


def records(folder: Path) -> Iterator[Record]:
    """One film per subject and view with both phases, in the order of their first stills.

    Labels are those of the two stills, without those in which they differ; `ef` becomes
    `ef_percent`. The mask is that of the first picture, ED.

    Raises:
        BadInput: The stills cannot be read, two of them claim the same phase, or none can be
            paired.
    """
    beats = _beats(folder)
    if not any(map(_is_whole, beats.values())):
        raise BadInput(
            f"{folder} holds no subject with one view in the phases ED and ES; fill the columns "
            "view and phase, or name another layout."
        )
    has_masks = _classes(folder) == SOURCE.classes
    for name, beat in beats.items():
        if _is_whole(beat):
            film = _film(name, *(beat[phase] for phase in PHASES))
            yield film if has_masks else replace(film, mask=None)


def left_out(folder: Path) -> list[str]:
    """Names `SUBJECT_VIEW` of the beats that lack one of the two phases.

    Raises:
        BadInput: As for `records`.
    """
    return [name for name, beat in _beats(folder).items() if not _is_whole(beat)]


def _beats(folder: Path) -> Mapping[str, Beat]:
    beats: dict[str, dict[str, Record]] = {}
    for still in _stills(folder):
        view, phase = (still.labels.get(label) for label in ("view", "phase"))
        if view is None or phase not in PHASES:
            continue
        name = f"{still.subject}_{view}"
        beat = beats.setdefault(name, {})
        if phase in beat:
            raise BadInput(
                f"{folder} has two pictures of {name} at {phase}, {beat[phase].id!r} and "
                f"{still.id!r}; drop one."
            )
        beat[phase] = still
    return beats


def _is_whole(beat: Beat) -> bool:
    return len(beat) == len(PHASES)


def _stills(folder: Path) -> Iterator[Record]:
    return manifest.records(folder) if _has_table(folder) else camus.records(folder)


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(manifest.source(folder).classes) if _has_table(folder) else camus.CLASSES


def _has_table(folder: Path) -> bool:
    return (folder / manifest.TABLE).is_file()


def _film(name: str, ed: Record, es: Record) -> Record:
    return Record(
        id=name,
        subject=ed.subject,
        image=ed.image,
        mask=ed.mask,
        film=(ed.image, es.image),
        split=ed.split,
        labels=_labels(ed, es),
    )


def _labels(ed: Record, es: Record) -> dict[str, Label]:
    either = {**es.labels, **ed.labels}
    shared = {k: v for k, v in either.items() if v == ed.labels.get(k, v) == es.labels.get(k, v)}
    ef = {"ef_percent": shared["ef"]} if "ef" in shared else {}
    return {**ef, **{k: v for k, v in shared.items() if k not in DROPPED}, **OF_THE_FILM}


SOURCE = Source(
    title="Beats of two pictures, end-diastole and end-systole, from a data set of stills",
    url="part of this package",
    licence="that of the stills",
    cite="that of the stills",
    classes=camus.CLASSES,
    records=records,
    sketch=camus.sketch,
    organ="heart",
)
