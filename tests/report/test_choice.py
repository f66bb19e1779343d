from dataclasses import replace
from pathlib import Path

import pytest
import torch

from septum.contract import Record
from septum.report import choice


def make(subject, **labels):
    return Record(id=f"{subject}-{labels}", subject=subject, image=Path("x.png"), labels=labels)


def test_views_come_before_phases_and_subjects_do_not_repeat(samples):
    chosen = [samples.records[i] for i in choice.varied(samples.records, 4)]

    assert [(r.labels["view"], r.labels["phase"]) for r in chosen] == [
        ("2CH", "ED"),
        ("4CH", "ED"),
        ("2CH", "ES"),
        ("4CH", "ES"),
    ]
    assert len({r.subject for r in chosen}) == 4


def test_without_labels_and_subjects_enough_there_are_still_frames():
    assert choice.varied([make("a"), make("a"), make("b")], 3) == [0, 2, 1]
    assert choice.varied([make("a")], 3) == [0]


@pytest.mark.parametrize(
    ("total", "count", "places"),
    [(3, 8, [0, 1, 2]), (8, 4, [0, 2, 4, 6]), (9, 4, [0, 3, 6]), (0, 4, [])],
)
def test_places_are_spread_over_all(total, count, places):
    assert choice.spread(total, count) == places


def test_a_caption_is_view_and_phase_or_the_id():
    assert choice.caption(make("a", view="A4C", phase="ES")) == "A4C · ES"
    assert choice.caption(make("a", view="PLAX")) == "PLAX"
    assert choice.caption(make("a")) == "a-{}"


def test_data_sets_take_turns_and_are_named_where_there_are_several(samples):
    records = [make(s, data=d, phase="ED") for s, d in (("a", "x"), ("b", "x"), ("c", "y"))]

    assert choice.varied(records, 2) == [0, 2]
    shown = choice.shown(replace(samples, records=tuple(records)), [0, 2])
    assert shown.captions == ["x · ED", "y · ED"]


def test_frames_that_show_little_are_left_out(samples):
    areas = torch.tensor([0, 1, 39, 40, 80, 100, 200, 300])
    mask = (torch.arange(1280) < areas[:, None]).long().view(8, 32, 40)
    few = replace(samples, records=samples.records[:8], image=samples.image[:8], mask=mask)

    assert choice.telling(few) == [3, 4, 5, 6, 7]


def test_without_masks_every_frame_may_be_shown(samples):
    count = len(samples.records)

    assert choice.telling(samples) == list(range(count))
    unknown = torch.full((count, 32, 40), -1)
    assert choice.telling(replace(samples, mask=unknown)) == list(range(count))


def test_shown_frames_come_with_their_captions_and_ids(samples):
    shown = choice.shown(samples, [5, 2])

    assert shown.ids == ["s2_2CH_ES", "s1_4CH_ED"]
    assert shown.captions == ["2CH · ES", "4CH · ED"]
    torch.testing.assert_close(shown.batch.image, samples.image[[5, 2]])
