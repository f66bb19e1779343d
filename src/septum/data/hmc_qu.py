"""HMC-QU: apical films, and which segments of the left ventricle's wall are infarcted.

    A4C.csv, A2C.csv          one table per view; one of them is enough
    HMC-QU/A4C/ECHO.avi       the films, those of the other view in HMC-QU/A2C/; in the first
                              release all in HMC-QU Echos/ or HMC-QU Echos/HMC-QU Echos/

    ECHO, six columns SEGk (MI or non-MI), REFERENCE FRAME, END OF CYCLE;
    optional: LV WALL GROUND-TRUTH SEGMENTATION MASKS (a tick: the wall is traced)

The tables are published as sheets, A4C.xlsx and A2C.xlsx, and saved as CSV by hand. Their titles
span two rows, and a remark may follow the last film; both are understood, as are upper and lower
case, and 1 and 2 for non-MI and MI. Frames are counted from 1 there, and both belong to the cycle.

Of 162 four-chamber films 93 show an infarct; the 109 of the usual benchmark are those whose wall is
traced. Degerli et al., IEEE Access 2021, doi:10.1109/ACCESS.2021.3059595; Biomedical Signal
Processing and Control 2024, doi:10.1016/j.bspc.2023.105448.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from septum.contract import BadInput, Label, Record, Source
from septum.data import film, phantom
from septum.data.read import inside

VIEWS = {"A4C": "4CH", "A2C": "2CH"}
"""Our name of the view of every table."""
HOMES = ("HMC-QU/{view}", "HMC-QU Echos", "HMC-QU Echos/HMC-QU Echos")
SHEETS = {"A4C.xlsx": "A4C.csv", "A2C.xlsx": "A2C.csv", "HMC_QU.xlsx": "A4C.csv"}
"""Where the table of a published sheet is looked for; the third is of the first release."""
RATE_HZ = 25.0
SEGMENTS = 6
SEGMENT = {"MI": True, "2": True, "NON-MI": False, "1": False}
"""Whether a segment is infarcted."""
NAME, FIRST, LAST = "ECHO", "REFERENCE FRAME", "END OF CYCLE"
TRACED = "LV WALL GROUND-TRUTH SEGMENTATION MASKS"
MAX_TABLE_BYTES = 2**20

Row = Mapping[str, str]

ENDS = ("first_frame", "last_frame")


def records(folder: Path) -> Iterator[Record]:
    """Every film of the tables, four chambers before two.

    `infarct` is 1 if any segment that the film shows is infarcted, `wall_traced` where the table
    tells it. A film is cut to one cycle, from `first_frame` to `last_frame`, counted from 0; one
    that is shorter than its cycle, as some published ones are, has neither and is not cut.

    Raises:
        BadInput: There is no table, or only the sheet; a title is missing; or a row names no film,
            one that is listed already, or says something that is not understood.
    """
    seen: set[str] = set()
    for view, table in _tables(folder).items():
        for where, row in _rows(table):
            if row[NAME] in seen:
                raise BadInput(f"{where}: {row[NAME]!r} is listed already; drop one of the rows.")
            seen.add(row[NAME])
            yield _record(folder, view, where, row)


def sketch(folder: Path) -> None:
    """Write three phantom hearts in four chambers; some have an infarct."""
    phantom.write_hmc_qu(folder, subjects=3, seed=0, size=(64, 64))


def drawn(folder: Path, subjects: int, seed: int) -> None:
    """Write a population of phantom hearts, one four-chamber film of each."""
    phantom.write_hmc_qu(folder, subjects=subjects, seed=seed)


def _tables(folder: Path) -> dict[str, Path]:
    for sheet, table in SHEETS.items():
        if (folder / sheet).is_file() and not (folder / table).is_file():
            raise BadInput(
                f"{folder / sheet} is a sheet; open it in a spreadsheet program and save it as "
                f"{table} beside it (CSV, UTF-8, commas), or move it away."
            )
    tables = {view: folder / f"{view}.csv" for view in VIEWS}
    there = {view: table for view, table in tables.items() if table.is_file()}
    if not there:
        raise BadInput(
            f"{folder} holds no A4C.csv and no A2C.csv; fetch HMC-QU from {SOURCE.url} and save "
            "its sheets as CSV there, or draw a miniature with `septum data sketch`."
        )
    return there


def _record(folder: Path, view: str, where: str, row: Row) -> Record:
    path = _film(folder, view, where, row[NAME])
    cycle = _cycle(where, row, film.count(path))
    labels: dict[str, Label] = {
        "modality": "US",
        "view": VIEWS[view],
        "frame_rate_hz": RATE_HZ,
        "infarct": float(any(_segments(where, row))),
        **{name: float(at) for name, at in zip(ENDS, cycle or (), strict=False)},
    }
    if TRACED in row:
        labels["wall_traced"] = float(bool(row[TRACED]))
    return Record(
        id=row[NAME],
        subject=re.split(r"[ _]", row[NAME])[0],
        image=path,
        film=(path,),
        span=cycle,
        labels=labels,
    )


def _film(folder: Path, view: str, where: str, name: str) -> Path:
    try:
        places = [inside(folder, f"{home.format(view=view)}/{name}.avi") for home in HOMES]
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    if not (there := [path for path in places if path.is_file()]):
        raise BadInput(f"{where}: There is no film {places[0]}; restore it or drop the row.")
    return there[0]


def _segments(where: str, row: Row) -> list[bool]:
    told = [cell for title, cell in row.items() if _is_segment(title)]
    if strange := [cell for cell in told if cell.upper() not in SEGMENT]:
        raise BadInput(f"{where}: A segment is {strange[0]!r}; write MI or non-MI.")
    return [SEGMENT[cell.upper()] for cell in told]


def _cycle(where: str, row: Row, frames: int) -> tuple[int, int] | None:
    """First and last frame of one cycle, counted from 0; None where the film ends before it."""
    if not all(re.fullmatch(r"[0-9]{1,6}", row[end]) for end in (FIRST, LAST)):
        raise BadInput(
            f"{where}: The cycle goes from frame {row[FIRST]!r} to {row[LAST]!r}; write the "
            "numbers of two frames."
        )
    first, last = int(row[FIRST]) - 1, int(row[LAST]) - 1
    if not 0 <= first < last:
        raise BadInput(
            f"{where}: No cycle goes from frame {row[FIRST]} to {row[LAST]}; frames count from 1."
        )
    return None if last >= frames else (first, last)


def _rows(table: Path) -> Iterator[tuple[str, Row]]:
    """The rows that describe films, by title, and where each stands."""
    lines = _lines(table)
    high = 2 if [cells[:1] for cells in lines[1:2]] == [[""]] else 1  # rows of titles
    titles = _titles(table, lines[:high])
    for number, cells in enumerate(lines[high:], start=high + 1):
        if not any(cells[1:]):
            continue  # a remark, or nothing
        where = f"{table}, row {number}"
        if len(cells) != len(titles):
            raise BadInput(
                f"{where}: It has {len(cells)} cells and the titles {len(titles)}; add or remove "
                "commas."
            )
        yield where, dict(zip(titles, cells, strict=True))


def _titles(table: Path, lines: Sequence[Sequence[str]]) -> list[str]:
    """The lowest filled cell of every column."""
    columns = zip_longest(*reversed(lines), fillvalue="")
    titles = [" ".join(next(filter(None, cells), "").upper().split()) for cells in columns]
    if missing := [title for title in (NAME, FIRST, LAST) if titles.count(title) != 1]:
        raise BadInput(f"{table} must have one column {missing[0]!r}; save the sheet again.")
    if (count := len({*filter(_is_segment, titles)})) != SEGMENTS:
        raise BadInput(f"{table} has {count} columns SEGk and not six; save the sheet again.")
    return titles


def _is_segment(title: str) -> bool:
    return re.fullmatch(r"SEG ?\d+", title) is not None


def _lines(table: Path) -> list[list[str]]:
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise BadInput(f"{table} is too large to be part of HMC-QU; save the sheet again.")
    try:
        lines = csv.reader(io.StringIO(table.read_text("utf-8-sig")))
        return [[cell.strip() for cell in cells] for cells in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"{table} is no table of comma-separated cells in UTF-8; save the sheet again."
        ) from error


SOURCE = Source(
    title="HMC-QU, apical echocardiograms with infarcted segments",
    url="https://www.kaggle.com/datasets/aysendegerli/hmcqu-dataset",
    licence="CC BY-NC-SA 3.0 IGO",
    cite="Degerli et al., IEEE Access 2021, doi:10.1109/ACCESS.2021.3059595",
    classes=("background", "left_ventricle"),
    records=records,
    sketch=sketch,
    drawn=drawn,
    organ="heart",
)
