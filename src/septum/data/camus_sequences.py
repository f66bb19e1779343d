"""CAMUS: apical films from end-diastole to end-systole, in the published layout.

    patientXXXX/patientXXXX_{2CH,4CH}_half_sequence.nii.gz      its last axis is time
    patientXXXX/patientXXXX_{2CH,4CH}_half_sequence_gt.nii.gz   not read

and all that `septum.data.camus` reads: the pictures at ED and ES with their masks, `Info_*.cfg` and
the lists of the splits. Leclerc et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2900516.
"""

from collections.abc import Iterator
from pathlib import Path

from septum.contract import BadInput, Label, Record, Source
from septum.data import camus, film, phantom
from septum.data.read import inside

PHASES = ("ed_frame", "es_frame")


def records(folder: Path) -> Iterator[Record]:
    """One film per patient and view, with the mask of the picture at end-diastole.

    Labels are those of the pictures, except that `frames` is what the film holds, and `ed_frame`
    and `es_frame` are counted from 0.

    Raises:
        BadInput: As for `septum.data.camus.records`; or a film is missing, or ED or ES lies outside
            of it.
    """
    for still in camus.records(folder):
        if still.labels["phase"] == "ED":
            yield _film(still)


def sketch(folder: Path) -> None:
    """Write two phantom patients, one to train with and one to validate with."""
    phantom.write_half_sequences(folder, subjects=2, seed=0, size=(48, 64))
    for part, number in (("training", 1), ("validation", 2)):
        (folder / f"subgroup_{part}.txt").write_text(f"patient{number:04d}\n")


def drawn(folder: Path, subjects: int, seed: int) -> None:
    """Write a population of phantom hearts, two films of each."""
    phantom.write_half_sequences(folder, subjects=subjects, seed=seed)


def _film(still: Record) -> Record:
    name = still.id.removesuffix("_ED")
    path = inside(still.image.parent, f"{name}_half_sequence.nii.gz")
    if not path.is_file():
        raise BadInput(
            f"{still.image.parent} lacks {path.name}; fetch the patient again, or read its "
            "pictures alone as `camus` or `beats`."
        )
    return Record(
        id=name,
        subject=still.subject,
        image=path,
        mask=still.mask,
        film=(path,),
        split=still.split,
        labels=_labels(path, still),
    )


def _labels(path: Path, still: Record) -> dict[str, Label]:
    info = path.parent / f"Info_{still.labels['view']}.cfg"
    labels = {k: v for k, v in still.labels.items() if k != "phase"}
    frames = film.count(path)
    labels["frames"] = float(frames)
    for phase in PHASES:
        if phase in labels:
            labels[phase] = _from_zero(info, labels[phase], frames)
    return labels


def _from_zero(info: Path, told: Label, frames: int) -> float:
    if told not in range(1, frames + 1):
        raise BadInput(
            f"{info} says that ED or ES is frame {told:g}, but the film has {frames}, counted from "
            "1; correct it."
        )
    return float(told) - 1


SOURCE = Source(
    title="CAMUS 2-D echocardiography, two and four chambers, films from ED to ES",
    url=camus.SOURCE.url,
    licence=camus.SOURCE.licence,
    cite=camus.SOURCE.cite,
    classes=camus.CLASSES,
    records=records,
    sketch=sketch,
    drawn=drawn,
    organ="heart",
)
