"""EchoNet-Dynamic: apical four-chamber films, their ejection fraction, and two traced frames each.

    FileList.csv         FileName, EF, ESV, EDV, FPS, Split (TRAIN, VAL, TEST); NumberOfFrames
    VolumeTracings.csv   FileName, X1, Y1, X2, Y2, Frame: the left ventricle in chords, in pixels
    Videos/NAME.avi      112 x 112 pixels

A name may come with or without its ending, in either table; other columns are not read. The first
row of a traced frame is the long axis, every other one a chord across it. Frames count from 0.

Films with fewer than two traced frames are left out, as the authors do, which leaves 1,276 of the
1,277 published test films; `left_out` names them.
Ouyang et al., Nature 2020, doi:10.1038/s41586-020-2145-8.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from septum.contract import BadInput, Label, Record, Source
from septum.data import phantom
from septum.data.outline import area
from septum.data.read import inside
from septum.data.split import SPLITS

LIST = "FileList.csv"
TRACES = "VolumeTracings.csv"
MAX_TABLE_BYTES = 128 * 2**20
MAX_FRAMES = 1e6
FAR_PX = 1e4
TRACED_FRAMES = 2
"""A film with fewer of them is left out."""

FACTS = {
    "EF": ("ef_percent", 100.0),
    "ESV": ("esv_ml", 1e4),
    "EDV": ("edv_ml", 1e4),
    "FPS": ("frame_rate_hz", 1e4),
    "NumberOfFrames": ("frames", MAX_FRAMES),
}
"""Label of a column, and its largest possible value."""
OPTIONAL = {"NumberOfFrames"}
ENDS = ("X1", "Y1", "X2", "Y2")

Row = Mapping[str, str]
Chord = tuple[float, float, float, float]
Traces = Mapping[int, tuple[str, Sequence[Chord]]]
"""By frame: where its first row stands, and its chords, the long axis first."""


def records(folder: Path) -> Iterator[Record]:
    """Every listed film with two traced frames or more, in the order of the list.

    The frame with the largest outline is `ed_frame`, that with the smallest `es_frame`. Tracings of
    films that are not listed are not looked at any further.

    Raises:
        BadInput: A table or a column is missing; a row names no film, one that is listed already,
            an impossible number or another split; a traced frame has fewer than two chords or lies
            outside its film.
    """
    for record, traces in _films(folder):
        if len(traces) >= TRACED_FRAMES:
            yield record


def left_out(folder: Path) -> list[str]:
    """Names of the listed films that `records` leaves out, having fewer than two traced frames.

    Raises:
        BadInput: As for `records`.
    """
    return [record.id for record, traces in _films(folder) if len(traces) < TRACED_FRAMES]


def sketch(folder: Path) -> None:
    """Write three phantom hearts, one per split."""
    phantom.write_cines(folder, subjects=3, seed=0, frames=(32, 40), size=(64, 64))


def drawn(folder: Path, subjects: int, seed: int) -> None:
    """Write a population of phantom hearts, one film of each."""
    phantom.write_cines(folder, subjects=subjects, seed=seed)


def outline(chords: Sequence[Chord]) -> list[tuple[float, float]]:
    """Corners (x, y) of a traced ventricle: down the first ends of its chords, up the others.

    Args:
        chords: Both ends (x, y, x, y) of the long axis, which is no part of the outline, then of
            every chord across it.

    >>> outline([(2.0, 0.0, 2.0, 4.0), (1.0, 1.0, 3.0, 1.0), (0.0, 3.0, 4.0, 3.0)])
    [(1.0, 1.0), (0.0, 3.0), (4.0, 3.0), (3.0, 1.0)]
    """
    _, *across = chords
    return [(x, y) for x, y, _, _ in across] + [(x, y) for _, _, x, y in reversed(across)]


def _films(folder: Path) -> Iterator[tuple[Record, Traces]]:
    traced = _traced(folder / TRACES)
    needed = ("FileName", *(column for column in FACTS if column not in OPTIONAL), "Split")
    seen: set[str] = set()
    for where, row in _rows(folder / LIST, needed):
        name = _stem(row["FileName"])
        if name in seen:
            raise BadInput(f"{where}: The film {name!r} is listed already; drop one of the rows.")
        seen.add(name)
        traces = traced.get(name, {})
        yield _record(folder, where, row, traces), traces


def _record(folder: Path, where: str, row: Row, traces: Traces) -> Record:
    name = _stem(row["FileName"])
    film, facts = _film(folder, where, name), _facts(where, row)
    outlines = {frame: _outline(at, name, frame, chords) for frame, (at, chords) in traces.items()}
    if outlines and max(outlines) >= facts.get("frames", MAX_FRAMES):
        at, _ = traces[max(outlines)]
        raise BadInput(
            f"{at}: Frame {max(outlines)} is not in {name!r}, whose {facts['frames']:g} frames "
            "count from 0; correct it."
        )
    by_size = sorted(outlines, key=lambda frame: area(outlines[frame]), reverse=True)
    ends = {"ed_frame": float(by_size[0]), "es_frame": float(by_size[-1])} if by_size else {}
    labels: dict[str, Label] = {"modality": "US", "view": "4CH", **facts, **ends}
    return Record(
        id=name,
        subject=name,
        image=film,
        film=(film,),
        outlines=outlines,
        split=_split(where, row["Split"]),
        labels=labels,
    )


def _film(folder: Path, where: str, name: str) -> Path:
    try:
        path = inside(folder, f"Videos/{name}.avi")
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    if not path.is_file():
        raise BadInput(f"{where}: There is no film {path}; restore it or drop the row.")
    return path


def _facts(where: str, row: Row) -> dict[str, float]:
    return {
        label: _number(where, row, column, low=0.0, high=high)
        for column, (label, high) in FACTS.items()
        if column in row
    }


def _split(where: str, told: str) -> str:
    if told.lower() not in SPLITS:
        raise BadInput(f"{where}: The split is {told!r}; write TRAIN, VAL or TEST.")
    return told.lower()


def _outline(
    where: str, name: str, frame: int, chords: Sequence[Chord]
) -> list[tuple[float, float]]:
    if len(chords) < 3:
        raise BadInput(
            f"{where}: The tracing of frame {frame} of {name!r} has {len(chords) - 1} chord(s) "
            "beside the long axis; complete it, or drop the frame."
        )
    return outline(chords)


def _traced(table: Path) -> Mapping[str, Traces]:
    traced: dict[str, dict[int, tuple[str, list[Chord]]]] = {}
    for where, row in _rows(table, ("FileName", *ENDS, "Frame")):
        x1, y1, x2, y2 = (_number(where, row, end, low=-FAR_PX, high=FAR_PX) for end in ENDS)
        frame = _number(where, row, "Frame", low=0.0, high=MAX_FRAMES)
        if frame % 1:
            raise BadInput(f"{where}: Frame is {frame:g}, no whole number; correct it.")
        traces = traced.setdefault(_stem(row["FileName"]), {})
        traces.setdefault(int(frame), (where, []))[1].append((x1, y1, x2, y2))
    return traced


def _stem(name: str) -> str:
    return name[:-4] if name.lower().endswith(".avi") else name


def _number(where: str, row: Row, column: str, *, low: float, high: float) -> float:
    try:
        value = float(row[column])
    except ValueError as error:
        raise BadInput(f"{where}: {column} is {row[column]!r}, no number; correct it.") from error
    if not low <= value <= high:
        raise BadInput(f"{where}: {column} is {value:g}, not in {low:g} to {high:g}; correct it.")
    return value


def _rows(table: Path, needed: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Rows by column name, and where each stands; the header is row 1."""
    lines = csv.reader(io.StringIO(_text(table)))
    try:
        header = [name.strip() for name in next(lines, [])]
        if missing := [name for name in needed if name not in header]:
            raise BadInput(f"{table} has no column {missing[0]!r}; it needs {', '.join(needed)}.")
        for number, cells in enumerate(lines, start=2):
            where = f"{table}, row {number}"
            if cells and len(cells) != len(header):
                raise BadInput(
                    f"{where}: It has {len(cells)} cells and the header {len(header)}; add or "
                    "remove commas."
                )
            if cells:
                yield where, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise BadInput(f"{table} is no table of comma-separated cells; fetch it again.") from error


def _text(table: Path) -> str:
    if not table.is_file():
        raise BadInput(
            f"{table} is missing; fetch EchoNet-Dynamic from {SOURCE.url} and unpack it there, or "
            "draw a miniature with `septum data sketch`."
        )
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise BadInput(f"{table} is too large to be part of EchoNet-Dynamic; fetch it again.")
    try:
        return table.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{table} is not in UTF-8; fetch it again.") from error


SOURCE = Source(
    title="EchoNet-Dynamic, apical four-chamber echocardiograms with ejection fraction",
    url="https://echonet.github.io/dynamic/",
    licence="Stanford University research use agreement, non-commercial",
    cite="Ouyang et al., Nature 2020, doi:10.1038/s41586-020-2145-8",
    classes=("background", "left_ventricle"),
    records=records,
    sketch=sketch,
    drawn=drawn,
    organ="heart",
)
