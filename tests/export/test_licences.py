"""What licences of data ask of weights."""

import json

import pytest

from septum.data import SOURCES
from septum.export import licences

RESEARCH = "research only, not for commercial use"


@pytest.mark.parametrize(
    ("texts", "licence"),
    [
        (["Apache-2.0"], "Apache-2.0"),
        (["Apache-2.0", "CC BY-SA 4.0"], "Apache-2.0"),
        (["CC BY 4.0", "CC BY-NC-SA 4.0"], RESEARCH),
        (["Stanford University research use agreement, non-commercial"], RESEARCH),
        (["for research, on registration"], RESEARCH),
        (["CC BY-NC 4.0", "not stated"], "unknown"),
        (["All rights reserved"], "unknown"),
    ],
)
def test_the_strictest_licence_of_the_data_counts(texts, licence):
    assert licences.of_weights({str(i): text for i, text in enumerate(texts)})[0] == licence


def test_who_must_be_asked_and_what_is_shared_alike_is_named():
    _, why = licences.of_weights({"a": "CC BY-NC-SA 4.0", "b": "not stated"})
    assert why == [
        "a is under: CC BY-NC-SA 4.0.",
        "b is under: not stated.",
        "Pass the weights on under the licence of a alone.",
        "Ask the owner of b before the weights leave your house.",
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_no_published_layout_is_taken_for_free_by_mistake(name):
    free = licences.of_weights({name: licences.origin(name, None).licence})[0] == licences.OWN
    assert free == name.startswith("phantom")


@pytest.mark.parametrize(("name", "of"), [("emidec:hearts", "emidec"), ("camus:beats", "camus")])
def test_what_is_cut_out_of_a_data_set_is_under_its_licence(name, of):
    assert licences.origin(name, None).licence == SOURCES[of].licence


def test_a_data_set_that_nobody_knows_is_unknown():
    assert licences.origin("clinic", None).licence == "not stated"


def test_a_folder_with_a_table_says_itself(tmp_path):
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "manifest.csv").write_text("id,subject,image\n")
    card = {"title": "Ours", "license": "CC BY 4.0", "citation": "We, 2024"}
    (tmp_path / "clinic" / "dataset.json").write_text(json.dumps(card))
    found = licences.origin("clinic:beats", tmp_path)
    assert (found.title, found.licence, found.cite) == ("Ours", "CC BY 4.0", "We, 2024")
