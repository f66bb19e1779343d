from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput
from septum.metrics import disks
from septum.tasks import biplane

CLASSES = ("background", "lv_endocardium", "myocardium")
KINDS = (("2CH", "ED"), ("2CH", "ES"), ("4CH", "ED"), ("4CH", "ES"))
SIZES = {
    "a": ((40, 60), (26, 50), (46, 58), (30, 52)),
    "b": ((50, 66), (44, 64), (48, 60), (42, 58)),
    "c": ((44, 64), (20, 52), (40, 66), (22, 50)),
}
"""Width and length in pixels of the ventricles of every subject, by kind."""


@dataclass(frozen=True)
class Draws:
    """A model that draws the ventricle where the image is bright, however `spoilt`."""

    spoilt: object = None

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        raise NotImplementedError

    def segment(self, image: Tensor) -> Tensor:
        mask = (image[:, 0] > 0.5).long()
        if self.spoilt is not None:
            mask = self.spoilt(mask)
        return F.one_hot(mask, 3).movedim(3, 1).float()


def ellipse(width, length):
    """A ventricle with a flat base on row 72, apex up."""
    y, x = np.mgrid[:80, :64]
    return ((x - 31.5) / (width / 2)) ** 2 + ((72 - y) / length) ** 2 <= (y <= 72)


def volume(a, b):
    """Of half an ellipsoid: 2/3 π (a/2) (b/2) L."""
    return np.pi / 6 * a[0] * b[0] * max(a[1], b[1])


def exact(subject, *, single=False):
    """EF in percent by the formula."""
    two_ed, two_es, four_ed, four_es = SIZES[subject]
    edv, esv = volume(four_ed, four_ed), volume(four_es, four_es)
    if not single:
        edv, esv = volume(two_ed, four_ed), volume(two_es, four_es)
    return 100 * (1 - esv / edv)


@pytest.fixture
def hearts(toys):
    """Four stills of three subjects, whose labels state the EF of the formula."""

    def build(*, kinds=KINDS, names="abc", label="ef_percent", views=None):
        cases = [(name, kind) for name in names for kind in kinds]
        mask = np.stack([ellipse(*SIZES[name][KINDS.index(kind)]) for name, kind in cases])
        records = [
            toys.record(f"{name}_{view}_{phase}", name, view=(views or {}).get(view, view),
                        phase=phase, **{label: exact(name)})
            for name, (view, phase) in cases
        ]  # fmt: skip
        mask = torch.from_numpy(mask).long()
        return toys.stills(image=mask[:, None].float(), mask=mask, records=records, classes=CLASSES)

    return build


def values(report):
    return {path: metric.value for path, metric in report.metrics.items()}


def test_true_masks_give_the_ef_of_the_formula(hearts):
    report = biplane.run(Draws(), hearts(), hearts(), 0)

    for row, name in zip(report.rows, "abc", strict=True):
        assert row["id"] == f"{name}_4CH_ED"
        assert row["subject"] == name
        assert row["said"] == row["truth_masks"] == pytest.approx(exact(name), abs=1.5)
        assert row["said/single_plane"] == pytest.approx(exact(name, single=True), abs=1.5)
    found = values(report)
    truth, single = np.array([[exact(n), exact(n, single=True)] for n in "abc"]).T
    assert found["mae"] == found["truth_masks/mae"] < 1.5
    assert found["mae/single_plane"] == pytest.approx(np.abs(single - truth).mean(), abs=1.5)
    assert found["mean_predictor/mae"] == pytest.approx(np.abs(truth - truth.mean()).mean())
    assert (found["measured"], found["measured/single_plane"]) == (1, 1)
    assert report.metrics["mae"].n == 3
    assert report.metrics["bias"].unit == "percent"


def test_what_is_drawn_wrong_shows_in_the_estimate_and_not_in_the_truth(hearts):
    def lower(mask):
        """Cut off the upper third of the image."""
        mask[:, :30] = 0
        return mask

    samples = hearts(names="a")
    row = biplane.run(Draws(lower), samples, samples, 0).rows[0]

    cut = [disks.disks(lower(samples.mask[i : i + 1].clone())[0].numpy() == 1) for i in range(4)]
    edv, esv = disks.biplane(cut[0], cut[2]), disks.biplane(cut[1], cut[3])
    assert row["said"] == pytest.approx(100 * (1 - esv / edv))
    assert row["truth_masks"] == pytest.approx(exact("a"), abs=1.5)


def test_a_still_without_a_drawn_cavity_leaves_its_subject_unmeasured(hearts):
    def spoilt(mask):
        mask[1] = 0  # 2CH at ES of the first subject
        return mask

    report = biplane.run(Draws(spoilt), hearts(), hearts(), 0)

    assert report.metrics["measured"].value == pytest.approx(2 / 3)
    assert report.metrics["measured/single_plane"].value == 1
    assert (report.metrics["mae"].n, report.metrics["mae/single_plane"].n) == (2, 3)
    assert report.metrics["truth_masks/mae"].n == 3
    assert "said" not in report.rows[0]
    assert "said/single_plane" in report.rows[0]


def test_nothing_drawn_is_said_by_its_share(hearts):
    report = biplane.run(Draws(lambda mask: 0 * mask), hearts(), hearts(), 0)

    found = values(report)
    assert found["measured"] == found["measured/single_plane"] == 0
    assert "mae" not in found
    assert "truth_masks/mae" in found
    assert report.figures == {}


def test_four_chambers_alone_are_measured_by_a_single_plane(hearts):
    samples = hearts(kinds=KINDS[2:])

    report = biplane.run(Draws(), samples, samples, 0)

    found = values(report)
    assert found["mae/single_plane"] < 30
    assert "mae" not in found
    assert "measured" not in found
    assert [axes.get_title() for axes in report.figures["worst"].axes[:2]] == ["4CH ED", "4CH ES"]


def test_pixels_are_measured_in_mm(hearts):
    """The stills at ES are of half the depth, their pixels half as high and a quarter as wide."""
    samples = hearts(names="b")
    for record in samples.records:
        y_mm, x_mm = (0.5, 0.25) if record.labels["phase"] == "ES" else (1.0, 1.0)
        record.labels.update(spacing_y_mm=y_mm, spacing_x_mm=x_mm)

    row = biplane.run(Draws(), samples, samples, 0).rows[0]

    rest = 1 - exact("b") / 100
    assert row["said"] == pytest.approx(100 * (1 - rest * 0.5 * 0.25**2), abs=1.5)


@pytest.mark.parametrize("label", ["ef", "ef_percent"])
@pytest.mark.parametrize("views", [{"2CH": "2CH", "4CH": "4CH"}, {"2CH": "A2C", "4CH": "A4C"}])
def test_labels_and_views_by_either_name(hearts, label, views):
    found = biplane.cases(hearts(label=label, views=views))

    assert [case.truth for case in found] == [exact(name) for name in "abc"]
    assert found[0].places == dict(zip(KINDS, range(4), strict=True))


def test_pictures_show_the_disks_of_the_worst(hearts):
    samples = hearts()
    for record in samples.records[4:8]:
        record.labels["ef_percent"] = 70.0

    report = biplane.run(Draws(), samples, samples, 0)

    worst = report.figures["worst"].axes
    assert worst[0].get_ylabel().startswith("b\nEF 70 %, drawn ")
    assert [axes.get_title() for axes in worst[:4]] == [" ".join(kind) for kind in KINDS]
    axis, *chords = worst[0].lines
    # the base of b in 2CH at ED is on row 72, and 66 pixels below the apex
    assert np.sort(axis.get_ydata()) == pytest.approx([6, 72], abs=1.5)
    assert len(chords) == 20
    labels = [line.get_label() for line in report.figures["agreement"].axes[0].lines]
    assert labels[-2:] == ["drawn masks", "true masks"]


def test_what_cannot_be_asked_is_said(toys, hearts):
    stills = hearts(kinds=KINDS[:2])
    with pytest.raises(BadInput, match=r"No subject of stills \(val\) has stills of view 4CH"):
        biplane.run(Draws(), stills, stills, 0)

    other = toys.stills(
        image=hearts().image, mask=None, records=hearts().records, classes=("background", "liver")
    )
    with pytest.raises(BadInput, match="have no class left_ventricle or lv_endocardium; choose"):
        biplane.run(Draws(), other, other, 0)

    with pytest.raises(BadInput, match="does not segment, it encodes"):
        biplane.run(toys.says(content=lambda image: image), hearts(), hearts(), 0)


def test_what_is_not_known_is_left_out(toys, hearts):
    """Neither masks of the tested stills nor an EF of the training subjects."""
    bare = toys.stills(image=hearts().image, mask=None, records=hearts().records, classes=CLASSES)

    report = biplane.run(Draws(), hearts(label="age_years"), bare, 0)

    assert not any("truth" in path or "predictor" in path for path in report.metrics)
    assert report.metrics["mae"].value < 1.5
    assert "truth_masks" not in report.rows[0]
