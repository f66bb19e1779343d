import base64
import io
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from septum.contract import BadInput
from septum.report import inline, layout


def parsed(svg):
    return ET.fromstring(f'<page xmlns:xlink="x">{svg}</page>')


def picture(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def sheet(image, caption="x"):
    page = layout.sheet(1, 1, aspect=image.shape[0] / image.shape[1], label_in=layout.LABEL_IN)
    layout.frame(page.panels[0][0], image, caption)
    layout.row_label(page.panels[0][0], caption)
    return page.figure


def test_a_frame_keeps_its_very_pixels_in_one_channel():
    image = np.random.default_rng(0).random((20, 30))

    (element,) = parsed(inline.svg(sheet(image), "a")).iter("image")

    shown = picture(element.attrib["{x}href"])
    assert shown.mode == "L"
    np.testing.assert_array_equal(np.asarray(shown), np.rint(255 * image))


def test_colours_and_transparency_are_kept():
    colours = np.random.default_rng(0).random((4, 5, 4))
    page = layout.sheet(1, 1, aspect=0.8)
    page.panels[0][0].imshow(colours, interpolation="none", aspect="auto")

    (element,) = parsed(inline.svg(page.figure, "a")).iter("image")

    shown = np.asarray(picture(element.attrib["{x}href"])) / 255
    np.testing.assert_allclose(shown, colours, atol=0.005)


def test_the_element_asks_for_nothing_and_takes_the_colours_of_the_page():
    svg = str(inline.svg(sheet(np.zeros((4, 4))), "a"))

    assert svg.startswith("<svg viewBox=")
    assert "http" not in svg
    assert "font-family" not in svg
    assert 'fill: #000000">x' not in svg
    assert re.findall(r' id="', svg) == [' id="'] * svg.count("<clipPath")


def test_the_same_figure_is_the_same_element_and_two_share_no_id():
    first, again, second = (str(inline.svg(sheet(np.zeros((4, 4))), name)) for name in "aab")

    assert first == again
    assert not set(re.findall(r' id="([^"]*)"', first)) & set(re.findall(r' id="([^"]*)"', second))


@pytest.mark.parametrize(
    "caption",
    [
        "<script>alert(1)</script>",
        "$\\frac$ $x_$",
        "a & b",
        'xlink:href="data:image/png;base64,AAAA"',
    ],
)
def test_captions_are_text_and_nothing_else(caption):
    page = parsed(inline.svg(sheet(np.zeros((4, 4)), caption), "a"))

    assert [element.text for element in page.iter("text")] == [caption] * 2


def test_a_picture_file_becomes_data(tmp_path):
    figure = Figure(figsize=(2, 1), dpi=100)
    figure.savefig(tmp_path / "a.png")

    assert picture(inline.png(tmp_path / "a.png")).size == (200, 100)


def test_a_wide_picture_is_made_narrower(tmp_path):
    Image.new("L", (3600, 400)).save(tmp_path / "a.png")

    assert picture(inline.png(tmp_path / "a.png")).size == (1800, 200)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"0" * 40])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(BadInput, match=r"a\.png is no picture"):
        inline.png(tmp_path / "a.png")


def test_a_picture_that_claims_to_be_gigantic_is_refused(tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)

    with pytest.raises(BadInput, match=r"a\.png is no picture"):
        inline.png(tmp_path / "a.png")


def test_a_cut_picture_is_refused(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(file, "PNG")
    (tmp_path / "a.png").write_bytes(file.getvalue()[:1000])

    with pytest.raises(BadInput, match=r"a\.png is no picture"):
        inline.png(tmp_path / "a.png")


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (8000, 6000)).save(tmp_path / "a.png")

    with pytest.raises(BadInput, match="draw it smaller"):
        inline.png(tmp_path / "a.png")
