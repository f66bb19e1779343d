import shutil

import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import SOURCES, film, hmc_qu
from septum.data.prepare import prepare

SEGMENTS = "SEG3,SEG9,SEG14,SEG16,SEG12,SEG6"
TITLES = f"ECHO,{SEGMENTS},Reference Frame,End of Cycle"
GOOD = "non-MI,non-MI,non-MI,non-MI,non-MI,non-MI"
BAD = "non-MI,MI,MI,non-MI,non-MI,non-MI"
NAMES = ("ES0001 _4CH_1", "ES000100 N_4CH_2", "ES000120_4CH_1")


@pytest.fixture(scope="module")
def nine_frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.avi"
    film.write(path, np.zeros((9, 16, 16), np.uint8), rate_hz=25.0)
    return path


@pytest.fixture
def write(tmp_path, nine_frames):
    """A table of four-chamber films of nine frames each."""

    def write(*rows, titles=TITLES, name="A4C.csv", home="HMC-QU/A4C"):
        (tmp_path / home).mkdir(parents=True, exist_ok=True)
        for film_name in (*NAMES, "ES0001_CH2_1"):
            shutil.copy(nine_frames, tmp_path / home / f"{film_name}.avi")
        (tmp_path / name).write_text("\n".join([titles, *rows]) + "\n", "utf-8")
        return tmp_path

    return write


def said(folder):
    with pytest.raises(BadInput) as caught:
        list(hmc_qu.records(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "DIR")


def test_a_row_becomes_a_film(write):
    folder = write(f"{NAMES[0]},{BAD},2,9", f"{NAMES[1]},{GOOD},1,6", f"{NAMES[2]},{GOOD},1,5")
    one, two, three = hmc_qu.records(folder)
    assert (one.id, one.subject, one.split, one.mask) == (NAMES[0], "ES0001", None, None)
    assert one.film == (one.image,) == (folder.resolve() / "HMC-QU/A4C" / f"{NAMES[0]}.avi",)
    assert one.labels == {
        "modality": "US",
        "view": "4CH",
        "frame_rate_hz": 25.0,
        "infarct": 1.0,
        "first_frame": 1.0,
        "last_frame": 8.0,
    }
    assert (two.subject, two.labels["infarct"]) == ("ES000100", 0.0)
    assert three.subject == "ES000120"


@pytest.mark.parametrize("place", range(6))
def test_one_infarcted_segment_is_enough(write, place):
    cells = ["non-MI"] * 6
    cells[place] = "mi"
    (record,) = hmc_qu.records(write(f"{NAMES[0]},{','.join(cells)},1,9"))
    assert record.labels["infarct"] == 1.0


def test_the_first_release_has_other_titles_numbers_and_places(write):
    folder = write(
        f"{NAMES[0]},1,1,1,1,1,1,1,9",
        f"{NAMES[1]},1,1,2,1,1,1,1,9",
        titles="ECHO,SEG1,SEG2,SEG3,SEG5,SEG6,SEG7,REFERENCE FRAME,END OF CYCLE",
        home="HMC-QU Echos/HMC-QU Echos",
    )
    assert [r.labels["infarct"] for r in hmc_qu.records(folder)] == [0.0, 1.0]


def test_titles_over_two_rows_and_a_remark_at_the_end(write):
    folder = write(
        f",{SEGMENTS},Reference Frame,End of Cycle,",
        f"{NAMES[0]},{GOOD},1,9,ü",
        f"{NAMES[1]},{BAD},1,9,",
        "*The frames are counted in MATLAB,,,,,,,,,",
        ",,,,,,,,,",
        titles="ECHO,MI Ground-truth,,,,,,One cardiac-cycle frames,,"
        "LV wall Ground-truth  Segmentation Masks",
    )
    one, two = hmc_qu.records(folder)
    assert (one.labels["wall_traced"], two.labels["wall_traced"]) == (1.0, 0.0)
    assert (one.labels["infarct"], two.labels["infarct"]) == (0.0, 1.0)


def test_views_of_a_heart_are_one_subject(write):
    write(f"{NAMES[0]},{GOOD},1,9")
    folder = write(f"ES0001_CH2_1,{BAD},1,9", name="A2C.csv", home="HMC-QU/A2C")
    four, two = hmc_qu.records(folder)
    assert [(r.labels["view"], r.labels["infarct"]) for r in (four, two)] == [
        ("4CH", 0.0),
        ("2CH", 1.0),
    ]
    assert four.subject == two.subject == "ES0001"


@pytest.mark.parametrize("cycle", ["2,10", "45,61"])
def test_a_cycle_that_its_film_does_not_hold_is_unknown(write, cycle):
    (record,) = hmc_qu.records(write(f"{NAMES[0]},{BAD},{cycle}"))
    assert not {"first_frame", "last_frame"} & {*record.labels}
    assert record.labels["infarct"] == 1.0


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"{NAMES[0]},{GOOD},1,5", f"row 3: '{NAMES[0]}' is listed already; drop one"),
        (f"ES7_4CH_1,{GOOD},1,5", "row 3: There is no film DIR/HMC-QU/A4C/ES7_4CH_1.avi; restore"),
        (f"../x,{GOOD},1,5", "row 3: 'HMC-QU/A4C/../x.avi' is no plain path below DIR"),
        (f"{NAMES[1]},{GOOD.replace('non-', 'no', 1)},1,5", "row 3: A segment is 'noMI'; write MI"),
        (f"{NAMES[1]},0,0,0,0,0,0,1,5", "row 3: A segment is '0'; write MI or non-MI."),
        (f"{NAMES[1]},,,,,,,1,5", "row 3: A segment is ''"),
        (f"{NAMES[1]},{GOOD},one,5", "row 3: The cycle goes from frame 'one' to '5'; write the"),
        (f"{NAMES[1]},{GOOD},1,", "row 3: The cycle goes from frame '1' to ''"),
        (f"{NAMES[1]},{GOOD},1,{'9' * 5000}", "row 3: The cycle goes from frame '1' to '999"),
        (f"{NAMES[1]},{GOOD},0,5", "row 3: No cycle goes from frame 0 to 5; frames count from 1."),
        (f"{NAMES[1]},{GOOD},5,5", "row 3: No cycle goes from frame 5 to 5"),
        (f"{NAMES[1]},{GOOD},1", "row 3: It has 8 cells and the titles 9; add or remove commas."),
    ],
)
def test_a_bad_row_is_named(write, row, told):
    assert told in said(write(f"{NAMES[0]},{GOOD},1,9", row))


def test_a_damaged_film_is_named(write):
    folder = write(f"{NAMES[0]},{GOOD},1,9")
    (folder / "HMC-QU/A4C" / f"{NAMES[0]}.avi").write_bytes(b"RIFF" + bytes(40))
    assert said(folder).startswith(f"DIR/HMC-QU/A4C/{NAMES[0]}.avi ")


@pytest.mark.parametrize("sheet", ["A4C.xlsx", "HMC_QU.xlsx"])
def test_a_sheet_must_be_saved_as_a_table(tmp_path, sheet):
    (tmp_path / sheet).touch()
    assert f"DIR/{sheet} is a sheet; open it" in said(tmp_path)
    assert "save it as A4C.csv beside it (CSV, UTF-8, commas), or move it away." in said(tmp_path)


def test_one_table_does_not_hide_the_sheet_of_the_other_view(write):
    folder = write(f"{NAMES[0]},{GOOD},1,9")
    (folder / "A4C.xlsx").touch()
    assert len(list(hmc_qu.records(folder))) == 1
    (folder / "A2C.xlsx").touch()
    assert "save it as A2C.csv" in said(folder)


@pytest.mark.parametrize(
    ("titles", "told"),
    [
        (TITLES.replace("ECHO", "FILM"), "must have one column 'ECHO'"),
        (TITLES.replace(",End of Cycle", ""), "must have one column 'END OF CYCLE'"),
        (TITLES + ",Reference frame", "must have one column 'REFERENCE FRAME'"),
        (TITLES.replace("SEG16,", ""), "has 5 columns SEGk and not six"),
        (TITLES.replace("SEG16", "SEG14"), "has 5 columns SEGk and not six"),
        (TITLES.replace(",", ";"), "must have one column 'ECHO'"),
        ("", "must have one column 'ECHO'"),
    ],
)
def test_titles_that_are_missing_are_named(write, titles, told):
    assert f"A4C.csv {told}" in said(write(f"{NAMES[0]},{GOOD},1,9", titles=titles))


def test_tables_that_cannot_be_read_are_refused(write, tmp_path):
    assert "DIR holds no A4C.csv and no A2C.csv; fetch HMC-QU" in said(tmp_path)
    folder = write()
    (folder / "A4C.csv").write_bytes(TITLES.encode() + b",\xfc")
    assert "A4C.csv is no table of comma-separated cells in UTF-8" in said(folder)
    (folder / "A4C.csv").write_text("x" * 2**20 + "x")
    assert "A4C.csv is too large to be part of HMC-QU" in said(folder)


def test_the_sketch_can_be_prepared(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "hmc_qu", hmc_qu.SOURCE)
    hmc_qu.sketch(tmp_path / "data" / "hmc_qu")
    prepared = prepare("hmc_qu", tmp_path / "data", size=(32, 40), cache=tmp_path / "cache")
    assert {r.labels["infarct"] for r in prepared.records} == {0.0, 1.0}
    for record in prepared.records:
        first, last, frames = (
            record.labels[name] for name in ("first_frame", "last_frame", "frames")
        )
        assert 0 <= first < last
        assert frames == last - first + 1  # one cycle


def test_a_population_is_drawn_from_its_seed(tmp_path):
    found = []
    for subjects, seed in ((1, 5), (2, 6)):
        hmc_qu.SOURCE.drawn(tmp_path / str(seed), subjects, seed)
        found.append([r.image.read_bytes() for r in hmc_qu.records(tmp_path / str(seed))])
    assert [len(films) for films in found] == [1, 2]
    assert len({data for films in found for data in films}) == 3
