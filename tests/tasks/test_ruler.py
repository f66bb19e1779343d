"""Discs and rings of known areas under a ruler."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from septum.contract import BadInput
from septum.tasks import ruler, witness
from septum.tasks.ruler import Ruler
from septum.tasks.segmenter import Schedule, UNet
from septum.tasks.witness import Witness

CLASSES = ("background", "left_ventricle", "myocardium")
CAVITY, WALL = "left_ventricle_area_px", "myocardium_area_px"
GREYS = torch.tensor([0.0, 0.9, 0.4])
QUICK = Schedule(widths=(4, 8), steps=1)
CPU = torch.device("cpu")
N = 8


class Greys(UNet):
    """Segments by grey level."""

    def __init__(self):
        super().__init__((1, 1), len(GREYS))

    def forward(self, image):
        return -(image - GREYS[:, None, None]).abs()


def hearts(toys, *, side=24, split="train", **labels):
    """A cavity of 4 k pixels in a wall that fills the square."""
    mask = torch.full((N, side, side), 2)
    for k in range(N):
        mask[k, 4:8, 4 : 5 + k] = 1
    facts = {CAVITY: [4.0 * (k + 1) for k in range(N)], **labels}
    records = [
        toys.record(f"{split}{i}", f"s{i // 2}", **{name: v[i] for name, v in facts.items()})
        for i in range(N)
    ]
    image = GREYS[mask][:, None]
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES, split=split)


def known(*names, high=30.0, shrink=1):
    seen, low = Witness(net=Greys(), shrink=shrink, device=CPU), np.zeros(len(names))
    return Ruler(seen=seen, classes=CLASSES, names=names, low=low, high=low + high)


def trained(attributes, samples, **how):
    return ruler.ruler(attributes, samples, **{"schedule": QUICK, "device": CPU, "seed": 0, **how})


def test_areas_are_counted_in_pixels_or_square_millimetres(toys):
    samples = hearts(toys)
    records = [
        replace(r, labels={"spacing_y_mm": 1.5, "spacing_x_mm": 2.0}) for r in samples.records
    ]
    in_mm = "left_ventricle_area_mm2"
    asked = known(CAVITY, in_mm, "transmurality_percent")

    in_px = asked.measured(samples.image, samples.records)

    assert in_px[:, 0].tolist() == [4.0 * (k + 1) for k in range(N)]
    assert np.isnan(in_px[:, 1]).all()
    assert asked.measured(samples.image, records)[:, 1].tolist() == [
        12.0 * (k + 1) for k in range(N)
    ]


def test_large_images_are_seen_shrunk(toys, monkeypatch):
    samples = hearts(toys)
    mask = torch.full((N, 24, 24), 2)
    mask[:, 4:12, 2:20] = 1
    large = replace(samples, image=GREYS[mask][:, None])
    monkeypatch.setattr(witness, "SIDE", 12)

    assert trained([CAVITY], samples).seen.shrink == 2
    halved = known(CAVITY, shrink=2)
    assert halved.measured(large.image, large.records)[:, 0] == pytest.approx(8 * 18, abs=4)


def test_tolerance_is_a_pixel_a_point_or_a_hundredth_of_the_range(toys):
    names = [CAVITY, "left_ventricle_area_mm2", "transmurality_percent", "wall_thickness_mean_px"]
    records = [toys.record("a", spacing_y_mm=1.5, spacing_x_mm=2.0)]

    found = [known(*names).tolerance(name, records) for name in names]

    assert found == pytest.approx([1, 3, 1, 0.3])


def test_what_is_measured_is_what_the_model_edits_and_labels_vary_in(toys):
    samples = hearts(
        toys, **{WALL: [5.0] * N, "age_years": list(range(N)), "eccentricity": [0.1] * 7 + [0.9]}
    )

    asked = trained(["eccentricity", WALL, "age_years", CAVITY, "infarction_area_px"], samples)

    assert asked.names == ["eccentricity", CAVITY]
    assert asked.low.tolist() == [0.1, 4.0]
    assert asked.high.tolist() == [0.9, 32.0]
    assert not asked.seen.net.training


def test_the_same_seed_gives_the_same_ruler(toys):
    samples = hearts(toys)
    torch.manual_seed(1)

    first, again, other = (trained([CAVITY], samples, seed=seed).seen.net for seed in (0, 0, 1))

    x = samples.image[:2]
    torch.testing.assert_close(first(x), again(x), rtol=0, atol=0)
    assert not torch.equal(first(x), other(x))


def test_agreement_is_the_rank_correlation_with_known_labels(toys):
    draw = np.random.default_rng(0)
    values = draw.normal(size=(N, 3))
    values[2, 0] = np.nan
    samples = hearts(toys, **{WALL: [1.0] * N})
    names = [CAVITY, WALL, "eccentricity"]

    found = ruler.agreement(names, values, samples.records, path="ruler", seed=0)

    kept = np.delete(np.arange(N), 2)
    assert set(found) == {f"ruler/{CAVITY}"}
    expected = stats.spearmanr(values[kept, 0], kept).statistic
    assert found[f"ruler/{CAVITY}"].value == pytest.approx(expected)
    assert found[f"ruler/{CAVITY}"].n == N - 1


def test_what_nobody_can_measure_is_refused(toys):
    with pytest.raises(BadInput, match=r"None of age_years can be measured in a picture"):
        trained(["age_years"], hearts(toys, age_years=list(range(N))))
    with pytest.raises(BadInput, match=r"is a label of stills \(train\) that varies; ask about"):
        trained([WALL], hearts(toys, **{WALL: [5.0] * N}))


def test_images_without_masks_and_volumes_are_refused(toys):
    samples = hearts(toys)

    with pytest.raises(BadInput, match=r"No image of stills \(train\) has a mask to learn from"):
        trained([CAVITY], replace(samples, mask=None))
    deep = samples.image[:, :, None].expand(-1, -1, 4, -1, -1)
    with pytest.raises(BadInput, match=r"images of stills \(train\) are volumes or films"):
        trained([CAVITY], replace(samples, image=deep))
