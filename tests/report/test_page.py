import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from matplotlib.figure import Figure

from septum.contract import BadInput
from septum.report import page, pictures

EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """Everything a browser would fetch or run, and the text it would show."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.shown = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}
        self.addresses += [value for name, value in attrs if name in names]

    def handle_data(self, data):
        self.shown.append(data.strip())

    @property
    def text(self):
        return " ".join(filter(None, self.shown))


def number(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.02, "unit": "1", "n": 57}


def evaluate(run, task, metrics):
    folder = run / "evaluate" / task
    folder.mkdir(parents=True)
    facts = {"task": task, "model": "m", "data": "toy", "split": "val", "seed": 0}
    (folder / "metrics.json").write_text(json.dumps({**facts, "metrics": metrics}))
    Figure(figsize=(1, 1)).savefig(folder / "best_hits.png")
    return folder


TITLES = [
    "What the model draws: masks beside the true ones",
    "What the model sees: a map of concepts",
    "What a concept does: two change places",
    "What the model sees: channels of anatomy",
    "What is kept: the frame drawn again",
    "What style does: more and more noise on it",
    "New look, same heart: other draws of the noise",
]
HEADER = {"title": "Toy", "summary": "A toy.", "seed": 0}


def make_run(folder):
    rows = [{"step": s, "pretrain/image": 1 / s, "monitor/usage_perplexity": 9.0} for s in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = {"dice_loss/content/k5": number(0.131), "floor/dice_loss/content/k5": number(0.366)}
    evaluate(folder, "segment", metrics)
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory, model, samples):
    """A page with everything on it."""
    run = make_run(tmp_path_factory.mktemp("run"))
    extra = {"Ablation": {"": [{"trial": "a", "loss": 0.25}, {"trial": "b", "steps": 3}]}}
    out = run / "report.html"
    page.write(run, model=model, samples=samples, header=HEADER, extra=extra, out=out)
    return out.read_text()


@pytest.fixture
def written(tmp_path, encodes, samples):
    """Write the page of a run whose model makes no pictures, which is quick."""
    run = make_run(tmp_path)
    given = {"model": encodes, "samples": samples, "header": HEADER, "out": run / "report.html"}

    def write(folder=run, **changed):
        return page.write(folder, **(given | changed)).read_text()

    return write


def test_the_page_asks_for_nothing_and_runs_nothing(full):
    read = Reader(full)

    assert sum(a.startswith("data:image/png;base64,") for a in read.addresses) > 40
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in read.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(read.tags)
    assert not [word for word in ("http:", "https:", "@import", "url(http") if word in full]


def test_every_link_has_its_place(full):
    places = [a for a in Reader(full).addresses if a.startswith("#")]

    assert len(places) == 9
    assert all(full.count(f' id="{place[1:]}"') == 1 for place in places)


def test_both_themes_and_paper_are_provided_for(full):
    assert "@media (prefers-color-scheme: dark)" in full
    assert "@media print" in full


def test_a_headline_has_value_interval_count_and_floor(full):
    text = Reader(full).text

    assert "Dice loss, content, k = 5" in text
    assert "0.131" in text
    assert "95 %: 0.121 to 0.151 · n\xa0=\xa057" in text
    assert "untrained: 0.366 [0.356, 0.386]" in text
    assert "lower is better" in text


def test_pictures_curves_and_figures_of_the_tasks_are_there(full):
    text = Reader(full).text

    for title in ("a map of concepts", "two change places", "drawn again", "β = 0.6", "draw 3"):
        assert title in text
    assert "usage perplexity 9 " in text
    assert full.count('class="healthy"') == 1
    assert "Best hits" in text
    assert "Left out" not in text


def test_the_frames_are_named_as_the_data_set_names_them(full):
    assert "Frames: s1_2CH_ED, s2_4CH_ED, s3_2CH_ES" in Reader(full).text


def test_extra_tables_hold_the_columns_of_all_rows(full):
    text = Reader(full).text

    assert "Ablation trial loss steps a 0.25 \N{EN DASH} b \N{EN DASH} 3" in text


def sections(html):
    return [title for title in TITLES if f"<h2>{title}</h2>" in html]


def test_what_a_model_cannot_be_asked_for_is_not_on_the_page(written, encodes, draws, maps):
    assert sections(written(model=encodes)) == []
    assert sections(written(model=draws)) == TITLES[4:]
    assert sections(written(model=maps)) == [TITLES[0], *TITLES[3:]]
    assert "Left out" not in written(model=maps)


def test_a_frame_with_nothing_to_swap_says_so(written, model, samples):
    flat = replace(samples, image=torch.zeros_like(samples.image))

    html = written(model=model, samples=flat)

    assert sections(html) == [TITLES[1], *TITLES[4:]]
    assert "fewer than four concepts" in html


def test_parts_of_a_table_unfold_below_the_first(written):
    parts = {"dice/mean": [{"labelled": "6 %"}], "dice/apex": [{"labelled": "3 %"}]}

    html = written(extra={"Table 1": parts})

    assert "Table 1 Dice, mean labelled 6 % Dice, apex labelled 3 %" in Reader(html).text
    assert (html.count("<details open>"), html.count("<details>")) == (1, 1)


def test_a_picture_of_the_tables_has_a_place_and_a_link(written):
    rows = [
        {"metric": f"dice/mean/{share}%", "model": "A", "value": 0.5, "low": 0.4, "high": 0.6}
        for share in (6, 100)
    ]
    curve = pictures.few_labels("labels-1", rows)
    assert curve is not None

    html = written(drawn=[curve])

    assert html.count('id="labels-1"') == html.count('href="#labels-1"') == 1
    assert "training subjects with labels" in Reader(html).text


def test_a_picture_of_a_task_says_what_it_shows(written, tmp_path):
    folder = evaluate(tmp_path, "delineate", {"dice/mean": number(0.5)})
    (folder / "best_hits.png").rename(folder / "worst.png")

    assert "The middle slices of the volumes with the lowest Dice." in Reader(written()).text


def test_what_is_neither_good_nor_bad_is_no_headline_and_has_no_better(written, tmp_path):
    evaluate(tmp_path, "traverse", {"change/z0": number(0.5)})

    html = written()

    assert html.count('<article class="card">') == 1
    caption = html.index("Mean change from")
    assert "is better" not in html[caption : html.index("</table>", caption)]


def test_an_empty_run_says_what_is_missing(written, tmp_path):
    html = written(folder=tmp_path / "empty")

    assert "has not been evaluated" in html
    assert "has no log" in html


def test_whatever_comes_from_outside_is_escaped(written, tmp_path, model, samples):
    evaluate(tmp_path, "evil", {f"{EVIL}/{EVIL}/{EVIL}": number(1.0), EVIL: number(2.0)})
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, f"a/{EVIL}": 1.0}) + "\n")
    records = [replace(record, id=EVIL, labels={"view": EVIL}) for record in samples.records]

    html = written(
        model=model,
        samples=replace(samples, records=records),
        header={"title": EVIL, EVIL: EVIL},
        extra={EVIL: {EVIL: [{EVIL: EVIL, "metric": EVIL}]}},
    )

    assert "<script" not in html
    assert "script" not in Reader(html).tags
    assert Reader(html).text.count("alert('x')") > 20


def test_the_same_run_gives_the_same_page(written):
    assert written() == written()


def test_folders_given_are_used_instead_of_those_of_the_run(written, tmp_path):
    folder = evaluate(tmp_path / "elsewhere", "retrieve", {"map5/mean": number(0.56)})

    text = Reader(written(evaluations=[folder])).text

    assert "mAP@5, mean" in text
    assert "Dice loss, content" not in text


def test_a_broken_evaluation_stops_the_report_and_keeps_the_old_one(written, tmp_path):
    old = written()
    (tmp_path / "evaluate" / "segment" / "metrics.json").write_text("{")

    with pytest.raises(BadInput, match="evaluate again"):
        written()
    assert (tmp_path / "report.html").read_text() == old
