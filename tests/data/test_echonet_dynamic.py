import numpy as np
import pytest

from septum.contract import BadInput, Clip
from septum.data import SOURCES, echonet_dynamic
from septum.data.outline import area
from septum.data.prepare import prepare

LIST = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
TRACES = "FileName,X1,Y1,X2,Y2,Frame"


def ellipse(name: str, frame: int, *, half_width: float, half_height: float) -> list[str]:
    """The rows of an ellipse about (56, 60): its long axis, then 20 chords from the top down."""
    depths = np.linspace(-1, 1, 22)[1:-1]
    rows = [(56.0, 60 - half_height, 56.0, 60 + half_height)]
    for depth in depths:
        reach = half_width * np.sqrt(1 - depth**2)
        y = 60 + depth * half_height
        rows.append((56 - reach, y, 56 + reach, y))
    return [",".join([name, *(f"{end:.6f}" for end in row), str(frame)]) for row in rows]


@pytest.fixture
def write(tmp_path):
    """Three films in a folder; the keywords replace a line of the list, or all tracings."""

    def write(*, rows=None, traces=None, header=LIST, traced=TRACES):
        rows = rows or [
            "0XA,78.5,14.9,69.2,112,112,50,174,VAL",
            "0XB,59.1,40.4,98.7,112,112,51.5,215,TRAIN",
            "0XC,24.9,127.6,169.9,112,112,30,90,TEST",
        ]
        traces = (
            traces
            if traces is not None
            else [
                *ellipse("0XA.avi", 46, half_width=12, half_height=30),
                *ellipse("0XA.avi", 61, half_width=20, half_height=36),
                *ellipse("0XB.avi", 8, half_width=22, half_height=40),
                *ellipse("0XB.avi", 30, half_width=15, half_height=32),
                *ellipse("0XC.avi", 0, half_width=25, half_height=40),
            ]
        )
        (tmp_path / "FileList.csv").write_text("\n".join([header, *rows]) + "\n")
        (tmp_path / "VolumeTracings.csv").write_text("\n".join([traced, *traces]) + "\n")
        (tmp_path / "Videos").mkdir(exist_ok=True)
        for name in ("0XA", "0XB", "0XC"):
            (tmp_path / "Videos" / f"{name}.avi").touch()
        return tmp_path

    return write


def said(folder):
    with pytest.raises(BadInput) as caught:
        list(echonet_dynamic.records(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "DIR")


def test_a_row_becomes_a_film(write):
    folder = write()
    first, second = echonet_dynamic.records(folder)
    assert (first.id, first.subject, first.split) == ("0XA", "0XA", "val")
    assert first.image == folder.resolve() / "Videos" / "0XA.avi"
    assert first.film == (first.image,)
    assert first.mask is None
    assert first.labels == {
        "modality": "US",
        "view": "4CH",
        "ef_percent": 78.5,
        "esv_ml": 14.9,
        "edv_ml": 69.2,
        "frame_rate_hz": 50.0,
        "frames": 174.0,
        "ed_frame": 61.0,
        "es_frame": 46.0,
    }
    assert second.split == "train"


def test_the_larger_outline_is_end_diastole_whichever_comes_first(write):
    first, second = echonet_dynamic.records(write())
    assert (first.labels["es_frame"], first.labels["ed_frame"]) == (46, 61)
    assert (second.labels["es_frame"], second.labels["ed_frame"]) == (30, 8)


def test_of_more_than_two_traced_frames_the_extremes_count(write):
    sizes = {5: 12, 9: 21, 14: 8, 20: 17}
    traces = [
        row for f, w in sizes.items() for row in ellipse("0XA", f, half_width=w, half_height=30)
    ]
    (film,) = echonet_dynamic.records(write(traces=traces))
    assert (film.labels["es_frame"], film.labels["ed_frame"]) == (14, 9)
    assert list(film.outlines) == [5, 9, 14, 20]


def test_an_outline_goes_down_the_first_ends_and_up_the_others(write):
    traces = ["0XA.avi,50,10,60,90,3", "0XA.avi,40,20,60,22,3", "0XA.avi,35,50,70,52,3"]
    traces += ["0XA.avi,45,80,65,82,3", *ellipse("0XA.avi", 4, half_width=9, half_height=9)]
    (film,) = echonet_dynamic.records(write(traces=traces))
    assert film.outlines[3] == [(40, 20), (35, 50), (45, 80), (65, 82), (70, 52), (60, 22)]


def test_rows_of_two_frames_may_be_mixed(write):
    one = ellipse("0XA.avi", 46, half_width=12, half_height=30)
    two = ellipse("0XA.avi", 61, half_width=20, half_height=36)
    mixed = [row for pair in zip(two, one, strict=True) for row in pair]
    (film,) = echonet_dynamic.records(write(traces=mixed))
    (ordered,) = echonet_dynamic.records(write(traces=one + two))
    assert film.outlines == ordered.outlines
    assert film.labels == ordered.labels


def test_films_with_fewer_than_two_traced_frames_are_left_out_and_named(write):
    folder = write()
    assert [r.id for r in echonet_dynamic.records(folder)] == ["0XA", "0XB"]
    assert echonet_dynamic.left_out(folder) == ["0XC"]
    folder = write(traces=[])
    assert list(echonet_dynamic.records(folder)) == []
    assert echonet_dynamic.left_out(folder) == ["0XA", "0XB", "0XC"]


@pytest.mark.parametrize("listed", ["0XA", "0XA.avi", "0XA.AVI"])
@pytest.mark.parametrize("traced", ["0XA", "0XA.avi"])
def test_names_may_come_with_their_ending(write, listed, traced):
    traces = [row for f in (1, 2) for row in ellipse(traced, f, half_width=9 + f, half_height=20)]
    (film,) = echonet_dynamic.records(write(rows=[f"{listed},50,1,2,9,9,50,9,VAL"], traces=traces))
    assert film.id == "0XA"
    assert film.image.name == "0XA.avi"


def test_columns_may_be_added_moved_and_the_number_of_frames_missing(write):
    folder = write(
        header=",Split,FPS,EDV,ESV,EF,FileName,EFBelow40",
        rows=["0,test,50,69.2,14.9,78.5,0XA,0"],
    )
    (film,) = echonet_dynamic.records(folder)
    assert (film.split, film.labels["ef_percent"], film.labels["edv_ml"]) == ("test", 78.5, 69.2)
    assert "frames" not in film.labels


def test_a_byte_order_mark_and_empty_lines_do_not_matter(write):
    folder = write()
    table = folder / "FileList.csv"
    table.write_text("\ufeff" + table.read_text().replace("\n0XB", "\n\n0XB") + "\n")
    assert len(list(echonet_dynamic.records(folder))) == 2


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0XA,101,1,2,9,9,50,9,VAL", "row 3: EF is 101, not in 0 to 100; correct it."),
        ("0XA,-1,1,2,9,9,50,9,VAL", "row 3: EF is -1, not in 0 to 100"),
        ("0XA,nan,1,2,9,9,50,9,VAL", "row 3: EF is nan, not in 0 to 100"),
        ("0XA,,1,2,9,9,50,9,VAL", "row 3: EF is '', no number; correct it."),
        ("0XA,50,1,two,9,9,50,9,VAL", "row 3: EDV is 'two', no number"),
        ("0XA,50,1,2,9,9,inf,9,VAL", "row 3: FPS is inf, not in 0 to 10000"),
        ("0XB,50,1,2,9,9,50,9,VAL", "row 3: The film '0XB' is listed already; drop one"),
        ("0XB.avi,50,1,2,9,9,50,9,VAL", "row 3: The film '0XB' is listed already"),
        ("0XD,50,1,2,9,9,50,9,VAL", "row 3: There is no film DIR/Videos/0XD.avi; restore it"),
        (",50,1,2,9,9,50,9,VAL", "row 3: There is no film DIR/Videos/.avi"),
        ("../0XA,50,1,2,9,9,50,9,VAL", "row 3: 'Videos/../0XA.avi' is no plain path below DIR"),
        ("0XA,50,1,2,9,9,50,99,EXTERNAL", "row 3: The split is 'EXTERNAL'; write TRAIN, VAL"),
        ("0XA,50,1,2,9,9,50,61,VAL", "Frame 61 is not in '0XA', whose 61 frames count from 0"),
        ("0XA,50,1,2,9,9,50,VAL", "row 3: It has 8 cells and the header 9; add or remove commas."),
    ],
)
def test_a_bad_row_of_the_list_is_named(write, row, told):
    assert told in said(write(rows=["0XB,50,1,2,9,9,50,99,VAL", row]))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["0XA.avi,1,2,3,x,5"], "row 2: Y2 is 'x', no number"),
        (["0XA.avi,1,2,nan,4,5"], "row 2: X2 is nan"),
        (["0XA.avi,1,2,3,4,1.5"], "row 2: Frame is 1.5, no whole number"),
        (["0XA.avi,1,2,3,4,-1"], "row 2: Frame is -1, not in 0"),
        (["0XA.avi,1,2,3,4"], "row 2: It has 5 cells and the header 6"),
        (
            ["0XA.avi,1,2,3,4,7", "0XA.avi,1,2,3,4,8", "0XA.avi,1,2,3,5,8"],
            "row 2: The tracing of frame 7 of '0XA' has 0 chord(s) beside the long axis",
        ),
        (
            ["0XA.avi,1,2,3,4,8", "0XA.avi,1,2,3,5,8"],
            "row 2: The tracing of frame 8 of '0XA' has 1 chord(s) beside the long axis; complete",
        ),
        (
            [*ellipse("0XA", 3, half_width=2, half_height=2), "0XA,1,2,3,4,174", "0XA,1,2,3,4,174"],
            "row 23: The tracing of frame 174",
        ),
        (
            [row for f in (3, 174) for row in ellipse("0XA", f, half_width=2, half_height=2)],
            "VolumeTracings.csv, row 23: Frame 174 is not in '0XA', whose 174 frames count from 0",
        ),
    ],
)
def test_a_bad_tracing_is_named(write, rows, told):
    message = said(write(traces=rows))
    assert "VolumeTracings.csv" in message
    assert told in message


def test_a_link_out_of_the_folder_is_not_followed(write, tmp_path_factory):
    folder = write()
    outside = tmp_path_factory.mktemp("outside") / "x.avi"
    outside.touch()
    (folder / "Videos" / "0XA.avi").unlink()
    (folder / "Videos" / "0XA.avi").symlink_to(outside)
    assert "row 2: 'Videos/0XA.avi' leads out of" in said(folder)


def test_tables_that_cannot_be_read_are_refused(write, monkeypatch):
    assert "FileList.csv has no column 'EF'; it needs FileName, EF," in said(
        write(header=LIST.replace("EF,", "Ef,"))
    )
    assert "VolumeTracings.csv has no column 'X1'" in said(
        write(traced="FileName,X,Y,Frame", traces=[])
    )
    folder = write()
    (folder / "FileList.csv").write_bytes(b"\xff\xfe\x00")
    assert "FileList.csv is not in UTF-8" in said(folder)
    (folder / "FileList.csv").write_text(LIST + '\n"' + "x" * 200_000)
    assert "FileList.csv is no table of comma-separated cells" in said(folder)
    monkeypatch.setattr(echonet_dynamic, "MAX_TABLE_BYTES", 10)
    assert "VolumeTracings.csv is too large to be part of EchoNet-Dynamic" in said(folder)
    (folder / "VolumeTracings.csv").unlink()
    assert "VolumeTracings.csv is missing; fetch EchoNet-Dynamic" in said(folder)


def test_the_sketch_can_be_prepared(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "echonet_dynamic", echonet_dynamic.SOURCE)
    echonet_dynamic.sketch(tmp_path / "data" / "echonet_dynamic")
    prepared = prepare("echonet_dynamic", tmp_path / "data", size=(64, 64), cache=tmp_path / "c")
    assert [r.split for r in prepared.records] == ["train", "val", "test"]
    mask = prepared.filmed(Clip(frames=4)).split("all").batch(range(3)).mask
    for record, traced in zip(prepared.records, mask, strict=True):
        size = {frame: area(corners) for frame, corners in record.outlines.items()}
        ed, es = (int(record.labels[name]) for name in ("ed_frame", "es_frame"))
        assert (max(size, key=size.get), min(size, key=size.get)) == (ed, es)
        assert (traced == 1).sum().item() == pytest.approx(size[ed], rel=0.1)


def test_a_population_is_drawn_from_its_seed(tmp_path):
    found = []
    for subjects, seed in ((1, 5), (2, 6)):
        echonet_dynamic.SOURCE.drawn(tmp_path / str(seed), subjects, seed)
        found.append([r.image.read_bytes() for r in echonet_dynamic.records(tmp_path / str(seed))])
    assert [len(films) for films in found] == [1, 2]
    assert len({data for films in found for data in films}) == 3
