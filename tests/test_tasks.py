"""One promise, every task: whatever a model says, the answer is a report one may trust."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from septum.contract import (
    Batch,
    Clip,
    Deforms,
    Features,
    Films,
    Inpaints,
    Model,
    Record,
    Report,
    Samples,
)
from septum.tasks import OF_FILMS, TASKS
from septum.tasks.segmenter import Schedule
from septum.tasks.write import with_floor, write

ORGANS = ("heart", "lung")


@dataclass(frozen=True)
class Hearts:
    """Two boxes, ventricle over atrium, in frames of both phases; half are said to be lungs."""

    split: str
    name: str = "hearts"
    classes: Sequence[str] = ("background", "left_ventricle", "left_atrium")

    @property
    def records(self) -> Sequence[Record]:
        return [
            Record(
                id=f"{self.split}{i}_{phase}",
                subject=f"{self.split}{i}",
                image=Path("none"),
                labels={
                    "view": "A4C",
                    "organ": ORGANS[i // 2 % 2],
                    "label": ("benign", "malignant")[i % 2],
                    "phase": phase,
                    "ef_percent": 20.0 + 3 * i,
                    "sequence": "ab"[i % 2],
                    "known": "no" if i > 5 else "yes",
                    "left_ventricle_area_px": 24.0 * (24 - i),
                },
            )
            for i in range(8)
            for phase in ("ED", "ES")
        ]

    def batch(self, indices: Sequence[int]) -> Batch:
        mask = torch.zeros(16, 56, 64, dtype=torch.int64)
        for i, frame in enumerate(mask):
            frame[8:32, 16 + i // 2 : 40] = 1
            frame[32:48, 20:40] = 2
        noise = torch.rand(16, 1, 56, 64, generator=torch.manual_seed(0))
        image = 0.6 * (mask[:, None] > 0) + 0.4 * noise
        return Batch(image=image[indices], mask=mask[indices])


class Net(nn.Module):
    """The smallest model that keeps the contract."""

    def __init__(self):
        super().__init__()
        self.content = nn.Conv2d(1, 4, 8, stride=8)
        self.style = nn.Conv2d(1, 2, 8, stride=8)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def monitors(self, batch: Batch):
        return {"brightness": batch.image.mean().item()}

    def encode(self, image):
        content = self.content(image).softmax(1)
        return Features(content=content, style=self.style(image), pooled=content.mean((2, 3)))

    def segment(self, image):
        return torch.stack([1 - image[:, 0], image[:, 0] / 2, image[:, 0] / 2], 1)

    def regress(self, image):
        return {"left_ventricle_px": 600 * image.mean((1, 2, 3))}

    def discretise(self, content):
        return nn.functional.one_hot(content.argmax(1), content.shape[1]).movedim(3, 1).float()

    def restyle(self, image, concepts):  # noqa: ARG002
        return self.style(image)

    def plain(self, image):
        return image

    def code(self, image):
        return image

    def render(self, code):
        return code.clamp(0, 1)

    def attributes(self):
        return ("left_ventricle_area_px",)

    def proxies(self, code):
        return (code > 0.5).float().mean((2, 3))

    def edited(self, code, attribute, amount):  # noqa: ARG002
        return code * (1 + 0.5 * amount[:, None, None, None])

    def patch_px(self):
        return 8

    def inpaint(self, image, hidden):
        where = hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
        return image.where(~where, image.mean((2, 3), keepdim=True))

    def organs(self):
        return ORGANS

    def recognise(self, image):
        bright = image.mean((1, 2, 3))
        return torch.stack([bright, 1 - bright], 1)

    def encode_as(self, image, organ):
        features = self.encode(image)
        return replace(features, pooled=features.pooled + organ @ torch.eye(2, 4))

    def offsets(self, image, organ):
        """A 3 x 3 grid that is wider in lungs, and where it is bright."""
        side = torch.arange(-1.0, 2.0)
        wide = 1 + organ[:, 1] + image.mean((1, 2, 3))
        taps = wide[:, None, None, None] * torch.cartesian_prod(side, side)
        return taps[..., None, None].expand(-1, 2, -1, -1, 7, 8)

    def decode(self, content, style):
        return (content[:, :1] + style[:, :1]).repeat_interleave(8, 2).repeat_interleave(8, 3)


CLIP = Clip(frames=4, stride=2)


@dataclass(frozen=True)
class Beats:
    """Films of a disc that shrinks by the ejection fraction and grows again."""

    split: str
    name: str = "beats"
    classes: Sequence[str] = ("background", "left_ventricle")
    clip: Clip = CLIP

    @property
    def records(self) -> Sequence[Record]:
        return [
            Record(
                id=f"{self.split}{i}",
                subject=f"{self.split}{i}",
                image=Path("none"),
                labels={"ef_percent": 20.0 + 3 * i, "infarct": float(i % 3 == 0), "view": "4CH"},
            )
            for i in range(16)
        ]

    def lengths(self) -> Sequence[int]:
        return [12] * 16

    def clips(self, indices: Sequence[int], starts: Sequence[int]) -> Batch:
        y, x = torch.meshgrid(torch.arange(32) - 16, torch.arange(32) - 16, indexing="ij")
        ef = torch.tensor([self.records[i].labels["ef_percent"] for i in indices])
        beat = (torch.tensor(starts)[:, None] + 2 * torch.arange(4)) * torch.pi / 6
        radius = 12 * (1 - ef[:, None] / 200 * (1 - beat.cos()))
        image = (x**2 + y**2 < radius[:, :, None, None] ** 2)[:, None].float()
        return Batch(
            image=0.2 + 0.6 * image,
            sector=torch.ones(len(indices), 1, 32, 32, dtype=torch.bool),
            mask=(x**2 + y**2 < 144).long().expand(len(indices), -1, -1),
            labels={"ef_percent": ef},
            ids=[self.records[i].id for i in indices],
        )

    def batch(self, indices: Sequence[int]) -> Batch:
        return self.clips(indices, [0] * len(indices))


class Eye(nn.Module):
    """The smallest model of films that keeps the contract."""

    def __init__(self):
        super().__init__()
        self.content = nn.Conv3d(1, 4, (2, 8, 8), stride=(2, 8, 8))

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        content = self.content(image)
        return Features(content=content, style=None, pooled=content.mean((2, 3, 4)))

    def explained(self, image):
        maps = self.content(image)
        return maps, {"ef_percent": 50 + 30 * maps.mean((1, 2, 3, 4))}

    def regress(self, image):
        return self.explained(image)[1]


TAUGHT = {"schedule": Schedule(steps=20)}
SHORT = dict.fromkeys(("synthesise", "reconstruct", "interpolate", "edit"), TAUGHT)
"""Tasks that train for minutes, and how long they may here."""


def ask(task: str) -> Report:
    torch.manual_seed(0)
    if task in OF_FILMS:
        return TASKS[task](Eye(), Beats("train"), Beats("val"), 0)
    return TASKS[task](Net(), Hearts("train"), Hearts("val"), 0, **SHORT.get(task, {}))


GRAIN = ("speckle_snr", "axial_width_px", "lateral_width_px")
UNBOUNDED = {
    *("dice_gain", "concepts", "error_rise_percent", "hd95_px", "mae", "volume_px"),
    *("difference_px", "pearson", "variance", "change", "rmse", "r2", "bias", "mean_predictor"),
    *("limit_low", "limit_high", "spearman", "kendall", "above_chance", "width", "truth_masks"),
    *("psnr_db", "ssim", "nmi", "perceptual", "mmd_rbf", "mmd_linear", "frechet", "evenness"),
    *("straightness", "moved", "leak", "ruler", "ruler_rendered", "ar_loss", "ar_loss_sum"),
    *("spearman_subject", "interpretability", "correlation_data", "correlation_said"),
    *("spectral_distance_db", "high_share_ratio", "explained_variance_percent"),
    *(f"{of}_{name}" for of in ("real", "drawn") for name in GRAIN),
    *("left_out", "drift", "accuracy_lost", "accuracy_matched_lost", "label_effect_cells"),
    *("reach_cells", "reach_percent", "spread_cells"),
}
"""Metrics that may lie outside [0, 1]."""
SLOW = {"synthesise", "disentangle", "usage"}
PARAMS = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in TASKS]


@pytest.fixture(scope="module", params=PARAMS)
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def answer(task: str) -> Report:
    return ask(task)


def test_the_stand_ins_keep_the_contract():
    assert isinstance(Net(), Model)
    assert isinstance(Net(), Deforms)
    assert isinstance(Net(), Inpaints)
    assert isinstance(Hearts("val"), Samples)
    assert isinstance(Eye(), Model)
    assert isinstance(Beats("val"), Films)


def test_every_number_lies_in_its_interval_with_cases_behind_it(answer: Report):
    assert answer.metrics
    for path, metric in answer.metrics.items():
        assert metric.low <= metric.value <= metric.high, path
        if path.split("/")[0] not in UNBOUNDED:
            assert metric.low >= 0, path
            assert metric.high <= 1, path
        assert metric.n > 0, path


def test_rows_are_cases_of_the_tested_split(answer: Report):
    ids = {record.id for of in (Hearts("val"), Beats("val")) for record in of.records}

    assert answer.rows
    cases = [row["id"] in ids for row in answer.rows if "concept" not in row]
    assert all(cases)
    assert all(
        math.isfinite(v) for row in answer.rows for v in row.values() if isinstance(v, float)
    )


def test_the_report_and_its_floor_are_written(answer: Report, tmp_path: Path):
    both = with_floor(answer, answer)

    write(both, tmp_path, task="t", model="m", data="d", split="val", seed=0)

    written = json.loads((tmp_path / "metrics.json").read_text())
    assert set(written) == {"task", "model", "data", "split", "seed", "metrics"}
    assert {f"floor/{path}" for path in answer.metrics} < set(written["metrics"])
    files = {"metrics.json", "predictions.csv", *(f"{name}.png" for name in answer.figures)}
    assert {path.name for path in tmp_path.iterdir()} == files


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer(task: str, answer: Report):
    again = ask(task)

    assert again.metrics == answer.metrics
    assert again.rows == answer.rows
