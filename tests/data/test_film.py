"""Films are read frame by frame, or refused in one sentence."""

import io
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from septum.contract import BadInput
from septum.data import film, miniature

AVI, NIFTI, META = "a.avi", "a.nii.gz", "a.mhd"


def picture(count, size=(40, 56)):
    """A slope that grows brighter from frame to frame."""
    rows, columns = np.indices(size)
    return np.stack([rows + 2 * columns + 4 * k for k in range(count)]).astype(np.uint8)


def stack(path):
    return np.stack(list(film.frames(path)))


def encode(path, frames, *, codec, form, **options):
    """Grey frames in any codec and colour that FFmpeg writes."""
    pictures = [av.VideoFrame.from_ndarray(frame, form) for frame in frames]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, 25, options=options)
        stream.height, stream.width, stream.pix_fmt = pictures[0].height, pictures[0].width, form
        for frame in pictures:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def avi(tmp_path):
    film.write(tmp_path / AVI, picture(12), rate_hz=50.0)
    return tmp_path / AVI


def test_what_is_written_is_read(avi):
    read = stack(avi)
    assert (read.dtype, read.shape, film.count(avi)) == (np.uint8, (12, 40, 56), 12)
    assert np.abs(read.astype(int) - picture(12)).max() <= 2
    assert film.spacing_mm(avi) is None


def test_frames_are_those_of_another_jpeg_decoder(avi):
    pictures = [b"\xff\xd8" + part for part in avi.read_bytes().split(b"\xff\xd8")[1:]]
    other = [Image.open(io.BytesIO(data)) for data in pictures]
    assert all(image.draft("L", None) for image in other)  # the luma as it is
    expected = np.stack([np.asarray(image, int) for image in other])
    assert np.abs(stack(avi) - expected).max() <= 1  # two inverse cosine transforms


def test_the_same_frames_become_the_same_bytes_at_any_size(tmp_path):
    for name in ("a.avi", "b.avi"):
        film.write(tmp_path / name, picture(3, (33, 47)), rate_hz=29.97)
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()
    assert stack(tmp_path / "a.avi").shape == (3, 33, 47)
    with av.open(str(tmp_path / "a.avi")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97)


def test_an_unwritable_place_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"none/a\.avi cannot be written"):
        film.write(tmp_path / "none" / AVI, picture(2), rate_hz=50.0)


def test_colours_become_grey_as_those_of_pictures(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), dtype=np.uint8)
    encode(tmp_path / AVI, colours, codec="rawvideo", form="bgr24")
    expected = [np.asarray(Image.fromarray(c[..., ::-1].copy()).convert("L")) for c in colours]
    np.testing.assert_array_equal(stack(tmp_path / AVI), expected)


def test_video_levels_are_widened(tmp_path):
    luma = np.full((2, 24, 16), 128, np.uint8)  # 4:2:0: 16 rows of luma above 8 of both chromas
    luma[:, :16] = np.linspace(16, 235, 16).round()[:, None]
    encode(tmp_path / "a.mp4", luma, codec="libx264", form="yuv420p", crf="0")
    expected = np.round((luma[:, :16] - 16.0) * 255 / 219)
    assert np.abs(stack(tmp_path / "a.mp4") - expected).max() <= 1
    assert film.count(tmp_path / "a.mp4") == 2


def test_other_codecs_are_read(tmp_path):
    encode(tmp_path / AVI, picture(5), codec="ffv1", form="gray")
    np.testing.assert_array_equal(stack(tmp_path / AVI), picture(5))


@pytest.mark.parametrize("axes", ["x y t", "x y 1 t"])
def test_the_last_axis_of_a_volume_is_time(tmp_path, axes):
    frames = picture(6)
    voxels = frames if axes == "x y t" else frames[:, None]
    miniature.write(tmp_path / NIFTI, voxels, spacing_mm=(1.0, 0.5, 0.25))
    np.testing.assert_array_equal(stack(tmp_path / NIFTI), frames)
    assert film.count(tmp_path / NIFTI) == 6
    assert film.spacing_mm(tmp_path / NIFTI) == (0.5, 0.25)


def write_meta(path, frames, *, compressed=False):
    volume = SimpleITK.GetImageFromArray(frames)
    volume.SetSpacing((0.25, 0.5, 1.0))
    SimpleITK.WriteImage(volume, str(path), useCompression=compressed)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_beside_its_raw_file_is_a_film(tmp_path, compressed):
    write_meta(tmp_path / META, picture(6), compressed=compressed)
    np.testing.assert_array_equal(stack(tmp_path / META), picture(6))
    assert (film.count(tmp_path / META), film.spacing_mm(tmp_path / META)) == (6, (0.5, 0.25))


def test_deep_volumes_are_stretched_over_all_their_frames(tmp_path):
    deep = np.zeros((2, 8, 8), np.int16)
    deep[0, 0], deep[1, 0] = -1000, 3000
    write_meta(tmp_path / META, deep)
    read = stack(tmp_path / META)
    assert [int(read[0, 0, 0]), int(read[0, 1, 0]), int(read[1, 0, 0])] == [0, 64, 255]


def test_a_cine_of_volumes_is_no_film(tmp_path):
    miniature.write(tmp_path / NIFTI, np.zeros((3, 4, 8, 8), np.int16), spacing_mm=(1.0, 1.0, 1.0))
    with pytest.raises(BadInput, match="cine of volumes and no film"):
        film.count(tmp_path / NIFTI)


@pytest.mark.parametrize("name", ["a.png", "a.txt", "a"])
def test_other_files_are_no_films(tmp_path, name):
    (tmp_path / name).write_bytes(b"#EXTM3U\nhttp://somewhere/a.avi\n")
    with pytest.raises(BadInput, match=r"is no film; use \.avi"):
        stack(tmp_path / name)


@pytest.mark.parametrize("text", [b"", b"#EXTM3U\nb.avi\n", b"ffconcat version 1.0\nfile b.avi\n"])
def test_a_playlist_leads_nowhere(tmp_path, text):
    film.write(tmp_path / "b.avi", picture(2), rate_hz=25.0)
    (tmp_path / AVI).write_bytes(text)
    with pytest.raises(BadInput, match=r"a\.avi is damaged, cut short or no film"):
        stack(tmp_path / AVI)


def test_a_missing_film_is_named(tmp_path):
    for name in (AVI, NIFTI, META):
        with pytest.raises(BadInput, match=f"{name} is missing"):
            stack(tmp_path / name)


def test_a_film_without_frames_is_named(tmp_path):
    film.write(tmp_path / AVI, picture(1)[:0], rate_hz=25.0)
    assert film.count(tmp_path / AVI) == 0
    with pytest.raises(BadInput, match=r"a\.avi holds no frame"):
        stack(tmp_path / AVI)


def test_a_film_without_video_is_named(tmp_path):
    with av.open(str(tmp_path / AVI), "w") as container:
        stream = container.add_stream("pcm_s16le", 8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(BadInput, match=r"a\.avi has no video"):
        stack(tmp_path / AVI)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_a_film_whose_end_is_lost_is_named(avi, share, capfd):
    data = avi.read_bytes()
    avi.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=r"a\.avi is (damaged|cut short)"):
        stack(avi)
    assert capfd.readouterr() == ("", "")


def test_a_film_that_is_cut_between_frames_says_how_many_are_left(avi):
    data = avi.read_bytes()
    avi.write_bytes(data[: data.rindex(b"00dc", 0, data.rindex(b"idx1"))])
    with pytest.raises(BadInput, match=r"a\.avi is cut short, it holds 11 of 12 frames"):
        stack(avi)


def test_frames_before_the_damage_are_read(avi):
    data = avi.read_bytes()
    avi.write_bytes(data[: int(0.75 * len(data))])
    assert len(list(islice(film.frames(avi), 3))) == 3


def test_a_cut_volume_is_named(tmp_path):
    write_meta(tmp_path / META, picture(6))
    raw = tmp_path / "a.raw"
    raw.write_bytes(raw.read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"a\.mhd is damaged or cut short"):
        stack(tmp_path / META)


@pytest.mark.parametrize("name", ["../b.raw", "LOCAL", "LIST", "/etc/passwd"])
def test_a_header_leads_to_no_other_folder(tmp_path, name):
    write_meta(tmp_path / META, picture(6))
    text = (tmp_path / META).read_text()
    (tmp_path / META).write_text(text.replace("a.raw", name))
    with pytest.raises(BadInput, match=r"a\.mhd names no data file beside it"):
        stack(tmp_path / META)


def test_a_header_of_other_axes_is_refused_before_it_is_opened(tmp_path):
    """The library never returns from this one."""
    write_meta(tmp_path / META, picture(6))
    text = (tmp_path / META).read_text()
    (tmp_path / META).write_text(text.replace("NDims = 3", "NDims = -1"))
    with pytest.raises(BadInput, match=r"a\.mhd is no image of 2 or 3 axes"):
        film.count(tmp_path / META)


def test_films_beyond_the_caps_are_refused_before_they_are_decoded(avi, monkeypatch):
    def refused():
        with pytest.raises(BadInput, match=r"a\.avi is larger than"):
            next(film.frames(avi))

    with monkeypatch.context() as patch:
        patch.setattr(film, "MAX_BYTES", avi.stat().st_size - 1)
        refused()
    with monkeypatch.context() as patch:
        patch.setattr(film, "MAX_FRAMES", 11)
        refused()
    with monkeypatch.context() as patch:
        patch.setattr(film, "MAX_PIXELS", 12 * 40 * 56 - 1)
        refused()
    with monkeypatch.context() as patch:
        patch.setattr(film.read, "MAX_PIXELS", 40 * 56 - 1)
        with pytest.raises(BadInput, match=r"a\.avi is damaged, cut short or no film"):
            next(film.frames(avi))


def test_a_header_that_understates_its_frames_does_not_help(avi, monkeypatch):
    data = avi.read_bytes()
    length = data.index(b"vids") + 32  # dwLength of the stream header
    avi.write_bytes(data[:length] + (3).to_bytes(4, "little") + data[length + 4 :])
    assert film.count(avi) == 3
    monkeypatch.setattr(film, "MAX_FRAMES", 5)
    with pytest.raises(BadInput, match="larger than"):
        stack(avi)


def is_refused(path: Path) -> bool:
    """Whether a sentence about the file was said; any other exception passes."""
    try:
        list(film.frames(path))
    except BadInput as error:
        if str(path) in str(error):
            return True
        raise
    return False


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    body = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(min(len(body), 600 if rng.random() < 0.7 else 10**9)))
        body[at] ^= 1 << int(rng.integers(8))
    return bytes(body)


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    at, run = int(rng.integers(len(data))), rng.bytes(int(rng.integers(1, 20)))
    return data[:at] + run + data[at + int(rng.integers(20)) :]


@pytest.mark.parametrize("harm", [flip, splice])
@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [("a.avi", "mpeg4", "yuv420p"), ("a.avi", "ffv1", "gray"), ("a.mp4", "libx264", "yuv420p")],
)
def test_damage_is_refused_or_read_and_nothing_else(tmp_path, name, codec, form, harm, capfd):
    encode(tmp_path / name, picture(8, (48, 48)), codec=codec, form=form)
    sound, rng, refused = (tmp_path / name).read_bytes(), np.random.default_rng(0), 0
    capfd.readouterr()  # of the encoder
    for _ in range(40):
        (tmp_path / name).write_bytes(harm(sound, rng))
        refused += is_refused(tmp_path / name)
    assert 0 < refused < 40
    assert capfd.readouterr() == ("", "")
