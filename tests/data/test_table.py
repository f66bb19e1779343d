from dataclasses import replace
from pathlib import Path

from septum.contract import Record
from septum.data import table
from septum.data.letterbox import fit, show


def test_records_come_back_as_they_were_placed(tmp_path):
    a = Record(id="a", subject="s", image=Path("a.png"), split="val", labels={"view": "4CH"})
    b = Record(id="b", subject="s", image=Path("b.nii"), mask=Path("c.nii"), at=(3,))
    c = Record(id="c", subject="t", image=Path("b.nii"), at=(3, 12), labels={"slice": 3.0})
    rows = [table.place(r, fit((4, 4), (8, 8), None), None) for r in (a, b, c)]
    table.write(tmp_path, rows)
    assert table.read(tmp_path) == [a, b, c]


def test_a_table_without_volumes_comes_back_too(tmp_path):
    a = Record(id="a", subject="s", image=Path("a.png"))
    table.write(tmp_path, [table.place(a, fit((4, 4), (8, 8), None), None)])
    assert table.read(tmp_path) == [a]


def test_points_and_spacings_are_those_of_a_cropped_frame():
    a = Record(id="a", subject="s", image=Path("a"), labels={"tip_y_px": 9.0, "tip_x_px": 0.0})
    box = show((20, 10), (8, 8), (0.5, 0.5), (8.0, 4.0))
    # rows: 1 mm pixels, 20 become 10, one is cut above; columns: 0.5 mm, one black on either side
    placed, geometry = table.place(a, box, (0.5, 0.5))
    assert box.inner == (10, 10)
    assert placed == replace(
        a,
        labels={
            "tip_y_px": 9.5 / 2 - 0.5 - 1,
            "tip_x_px": -1.0,
            "spacing_y_mm": 1.0,
            "spacing_x_mm": 0.5,
        },
    )
    assert (geometry["offset_y"], geometry["offset_x"], geometry["scale_y"]) == (-1, -1, 0.5)


def test_films_come_back_with_their_outlines_in_prepared_pixels(tmp_path):
    paths = (Path("a.avi"), Path("b.avi"))
    corners = [(0.0, 1.0), (3.0, 1.0), (3.0, 3.0)]
    a = Record(id="a", subject="s", image=paths[0], film=paths, outlines={7: corners, 2: corners})
    b = Record(id="b", subject="s", image=paths[1], film=paths[1:])
    rows = [table.place(r, fit((4, 4), (10, 8), None), None) for r in (a, b)]
    table.write(tmp_path, rows)
    # twice as large, below one black row: x goes to 2 x + 1/2, y to 2 y + 3/2
    moved = [(0.5, 3.5), (6.5, 3.5), (6.5, 7.5)]
    assert table.read(tmp_path) == [replace(a, outlines={7: moved, 2: moved}), b]


def test_windows_come_back(tmp_path):
    a = Record(id="a", subject="s", image=Path("a.png"), window=(-3, 4, 8, 8))
    b = Record(id="b", subject="s", image=Path("b.png"))
    table.write(tmp_path, [table.place(r, fit((8, 8), (8, 8), None), None) for r in (a, b)])
    assert table.read(tmp_path) == [a, b]
