"""What every registered data set promises, on its own sketch."""

import pytest

from septum.contract import BadInput, Clip
from septum.data import SOURCES, open_source
from septum.data.prepare import prepare


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("sketches")
    for name, source in SOURCES.items():
        (root / name).mkdir()
        source.sketch(root / name)
    return root


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_reads_its_own_sketch(name, root):
    source, records = open_source(name, root)
    card = SOURCES[name]
    assert all((card.title, card.licence, card.cite, card.url))
    assert tuple(source.classes) == tuple(card.classes)
    assert source.classes[0] == "background"
    assert len({r.id for r in records}) == len(records) > 1
    assert len({r.subject for r in records}) > 1
    assert all(r.labels["modality"] for r in records)
    assert [r.id for r in records] == [r.id for r in open_source(name, root)[1]]


@pytest.mark.parametrize("name", SOURCES)
def test_a_sketch_can_be_prepared(name, root, tmp_path):
    prepared = prepare(name, root, size=(48, 64), cache=tmp_path)
    if prepared.spans is not None:
        prepared = prepared.filmed(Clip(frames=4, stride=0))
    batch = prepared.split("all").batch(range(len(prepared.records)))
    assert batch.image.flatten(1).amax(1).min() > 0.3
    is_ultrasound = prepared.records[0].labels["modality"] == "US"
    assert 0.1 < batch.sector.float().mean() <= (0.99 if is_ultrasound else 1)
    outlined = [i for i, r in enumerate(prepared.records) if r.mask or r.outlines]
    if outlined:
        assert batch.mask[outlined].amin() == 0
        assert 0 < batch.mask[outlined].amax() < len(prepared.classes)


@pytest.mark.parametrize("name", SOURCES)
def test_a_sketch_is_the_same_every_time(name, root, tmp_path):
    SOURCES[name].sketch(tmp_path)
    kinds = {".png", ".raw", ".csv", ".gz", ".avi"}
    for path in sorted(p for p in tmp_path.rglob("*") if p.suffix in kinds):
        assert path.read_bytes() == (root / name / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize("name", SOURCES)
def test_a_layout_can_be_named(name, root):
    (root / "mine").unlink(missing_ok=True)
    (root / "mine").symlink_to(root / name)
    assert len(open_source(f"mine:{name}", root)[1]) == len(open_source(name, root)[1])


@pytest.mark.parametrize("name", ["", ".", "..", "../camus", "a/b", "a\\b", "/", "a\x00"])
def test_a_name_is_a_plain_folder_name(name, root):
    with pytest.raises(BadInput, match="no name of a data set"):
        open_source(name, root)


def test_unknown_names_are_told_with_what_is_there(root, tmp_path):
    with pytest.raises(BadInput, match=r"no data set 'nothing' in .*; there is .*camus.*phantom"):
        open_source("nothing", root)
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadInput, match=r"no manifest\.csv and 'bare' is no known layout"):
        open_source("bare", tmp_path)
    with pytest.raises(BadInput, match="'xyz' is no known layout"):
        open_source("camus:xyz", root)
    with pytest.raises(BadInput, match="is missing"):
        open_source("camus", tmp_path / "nowhere")


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest.csv").write_text("id,subject,image\n")
    (tmp_path / "a" / "dataset.json").write_text("{}")
    with pytest.raises(BadInput, match="no usable image"):
        open_source("a", tmp_path)
