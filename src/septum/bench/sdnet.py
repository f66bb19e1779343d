"""The tables of SDNet, on images that can be had, beside the published numbers.

    images, fold, share of labels --train--> OUT/NAME --evaluate--> OUT/NAME/evaluate/TASK --> rows

The first of the data sets is the main one, short-axis cine MR with masks such as ACDC; the second,
late enhancement such as EMIDEC, shares two structures with it. CT is the phantom's. Every method
sees the same subjects of a fold, the same labels, the same number of steps and the same encoder.
Numbers of several folds are means over all their tested subjects, of whom none is tested twice.
What has been trained or evaluated in OUT is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from septum import runs
from septum.bench import once
from septum.bench.folds import compared, pooled
from septum.bench.published import SDNET
from septum.bench.table import Row, Setting
from septum.bench.table import row as table_row
from septum.contract import BadInput, Metric
from septum.data import phantom
from septum.data.prepare import prepare_many
from septum.data.prepared import Prepared
from septum.data.split import FOLDS
from septum.tasks.write import read

SHARES = (1.0, 0.5, 0.25, 0.125, 0.06, 0.03, 0.015)
"""Of the training subjects whose masks are shown; the least is one subject of 56."""
FEW = (0.06, 0.03, 0.015)
METHODS = {
    "unet": "U-Net",
    "gan": "GAN",
    "self_training": "Self-training",
    "sdnet": "SDNet",
    "sdnet_consistent": "SDNet, consistent",
}
CONSISTENT = {"consistency": 30.0}
COMMON = ("left_ventricle", "myocardium=myocardium,infarction,no_reflow")
"""Structures that cine and late enhancement have in common."""
MIXTURES = (
    (1.0, 1.0), (1.0, 0.125), (0.125, 1.0), (0.125, 0.0), (0.0, 0.125), (1.0, 0.0), (0.0, 1.0),
    (0.875, 0.125), (0.75, 0.25), (0.625, 0.375), (0.5, 0.5), (0.375, 0.625), (0.25, 0.75),
    (0.125, 0.875),
)  # fmt: skip
"""Shares of the training subjects of the first and the second modality (Table 3)."""
PHANTOM_MIXTURES = MIXTURES[:3] + MIXTURES[5:7]
CHANNELS = (4, 16)
LENGTHS = (4, 32, 128)
"""Of s and z, beside the 8 of both (section 5.6)."""
AREA = "left_ventricle_px"
HEARTS = 24
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a bench.

    Attributes:
        images: `main`, `mixed` or `phantom`.
        labelled: Share of the training subjects whose masks are shown.
        shares: Of the training subjects of the first and the second modality.
        begin: Name of the training whose weights it begins with.
    """

    model: str
    images: str = "main"
    size: str = "small"
    fold: int = 0
    labelled: float = 1.0
    shares: tuple[float, float] = (1.0, 1.0)
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    begin: str = ""


def few_labels(method: str, share: float, fold: int) -> str:
    """Name of a training of Table 1."""
    return f"few_labels/{method}-{share:g}-{fold}"


def mixture(images: str, shares: tuple[float, float]) -> str:
    """Name of a training of Table 3."""
    return f"{images}/{shares[0]:g}-{shares[1]:g}"


def trainings() -> dict[str, Training]:
    """All trainings by name, in an order in which each begins with one before it."""
    found = {
        few_labels(method, share, fold): Training(
            model=method.removesuffix("_consistent"), labelled=share, fold=fold,
            changes=CONSISTENT if method == "sdnet_consistent" else {},
        )
        for fold in range(FOLDS)
        for share in reversed(SHARES)
        for method in METHODS
        if method != "sdnet_consistent" or share in FEW
    }  # fmt: skip
    one = few_labels("sdnet", SHARES[-1], 0)
    found["area"] = Training(model="sdnet", labelled=SHARES[-1], changes={"area": AREA}, begin=one)
    for images, mixtures in (("mixed", MIXTURES), ("phantom", PHANTOM_MIXTURES)):
        changes = {"channels": 16} if images == "phantom" else {}
        for shares in mixtures:
            found[mixture(images, shares)] = Training(
                model="sdnet", images=images, size="small_supervised", shares=shares,
                changes=changes,
            )  # fmt: skip
    for name, values in (("channels", CHANNELS), ("modality", LENGTHS)):
        for value in values:
            found[f"{name}-{value}"] = Training(model="sdnet", changes={name: value})
    return found


def rows(setting: Setting) -> Sequence[Row]:
    """One row per method, condition and metric: value, 95 % interval, n, and the paper's."""
    if len(setting.data) < 2:
        raise BadInput("The table sdnet needs two data sets; name them as --data acdc emidec.")
    bench = Bench(setting)
    return [
        *_few_labels(bench),
        *_area(bench),
        *_mixtures(bench),
        *_modality(bench),
        *_sizes(bench),
    ]


class Bench:
    """The images of a bench, prepared once each, and its runs."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.all = trainings()

    def folder(self, name: str) -> Path:
        """The finished run of that name."""
        training = self.all[name]
        begin = self.folder(training.begin) if training.begin else None
        return once.trained(
            self.setting, name, training.model, self.learnt(training), size=training.size,
            changes=training.changes, begin=begin,
        )  # fmt: skip

    def asked(self, name: str, task: str, images: Prepared | None = None, where: str = "") -> Path:
        """The folder of what a run of that name answers on its tested subjects."""
        of = self.images(self.all[name].images) if images is None else images
        return once.asked(self.setting, self.folder(name), task, of, where)

    def learnt(self, training: Training) -> Prepared:
        """What a training sees."""
        images = self.images(training.images).folded(training.fold)
        names = dict.fromkeys(str(r.labels["data"]) for r in images.records)
        kept = images.kept(dict(zip(names, training.shares, strict=False)), seed=SEED)
        return kept.labelled(training.labelled, seed=SEED + training.fold)

    def images(self, which: str) -> Prepared:
        """Images by what they are for."""
        match which:
            case "main":
                return self._main
            case "mixed":
                return self._mixed
            case _:
                return self._phantom

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return runs.sized("sdnet", "small").recipe.image_size

    @cached_property
    def _main(self) -> Prepared:
        return self.setting.prepared(self.size, self.setting.data[:1])

    @cached_property
    def _mixed(self) -> Prepared:
        return self.setting.prepared(self.size, self.setting.data[:2], COMMON)

    @cached_property
    def _phantom(self) -> Prepared:
        root = self.setting.out / "data"
        for k, kind in enumerate(("MR", "CT")):
            if not (root / kind / "manifest.csv").is_file():
                study = phantom.Study(
                    subjects=HEARTS, first_subject=k * HEARTS, modality=kind, plane="axial"
                )
                phantom.write_stacks(root / kind, study, seed=self.setting.seed)
        return prepare_many(("MR", "CT"), root, size=self.size, cache=self.setting.out / "cache")


def _few_labels(bench: Bench) -> Iterator[Row]:
    """Table 1, with the improvement beside it, and the paired test against the second best."""
    for share in SHARES:
        folders = {
            method: [bench.asked(few_labels(method, share, f), "delineate") for f in range(FOLDS)]
            for method in METHODS
            if few_labels(method, share, 0) in bench.all
        }
        for method, of in folders.items():
            for path, metric in pooled(of, seed=SEED).items():
                yield row(
                    "Table 1: few labels", bench, METHODS[method], f"{path}/{share:.1%}", metric
                )
        others = [method for method in folders if not method.startswith("sdnet")]
        for path, metric in compared(folders["sdnet"], [folders[m] for m in others]).items():
            yield row("Table 1: few labels", bench, "SDNet", f"{path}/{share:.1%}", metric)


def _area(bench: Bench) -> Iterator[Row]:
    """Section 5.2: what an area of every subject adds to the masks of one."""
    before = few_labels("sdnet", SHARES[-1], 0)
    for model, name in (("SDNet", before), ("SDNet with areas", "area")):
        for path, metric in read(bench.asked(name, "delineate")).metrics.items():
            if path.startswith("dice/"):
                yield row("Section 5.2: areas", bench, model, path, metric)
    gained = compared([bench.asked("area", "delineate")], [[bench.asked(before, "delineate")]])
    found = read(bench.asked("area", "area")).metrics
    for path, metric in {**gained, **found}.items():
        if not path.startswith("floor/"):
            yield row("Section 5.2: areas", bench, "SDNet with areas", path, metric)


def _mixtures(bench: Bench) -> Iterator[Row]:
    """Table 3: every mixture, tested on either modality."""
    for images, mixtures in (("mixed", MIXTURES), ("phantom", PHANTOM_MIXTURES)):
        everything = bench.images(images)
        names = [*dict.fromkeys(str(r.labels["data"]) for r in everything.records)]
        for shares in mixtures:
            model = " + ".join(f"{s:.1%} {n}" for s, n in zip(shares, names, strict=True))
            for name in names:
                one = everything.limited({"data": (name,)})
                out = bench.asked(mixture(images, shares), "delineate", one, f"delineate_{name}")
                metric = read(out).metrics["dice/mean"]
                yield row(f"Table 3: {images}", bench, model, f"dice/mean/{name}", metric)


def _modality(bench: Bench) -> Iterator[Row]:
    """Sections 5.3.2, 5.4 and 5.5, asked of the model that saw all of both modalities."""
    for images in ("mixed", "phantom"):
        for task in ("modality", "transform", "traverse"):
            out = bench.asked(mixture(images, (1.0, 1.0)), task)
            for path, metric in read(out).metrics.items():
                model = "SDNet, untrained" if path.startswith("floor/") else "SDNet"
                name = path.removeprefix("floor/")
                yield row(f"Sections 5.3 to 5.5: {images}, {task}", bench, model, name, metric)


def _sizes(bench: Bench) -> Iterator[Row]:
    """Section 5.6: other lengths of s and z, at all labels."""
    runs_of = {
        "C = 8, nz = 8": few_labels("sdnet", 1.0, 0),
        **{f"C = {c}, nz = 8": f"channels-{c}" for c in CHANNELS},
        **{f"C = 8, nz = {z}": f"modality-{z}" for z in LENGTHS},
    }
    for model, name in runs_of.items():
        for task, paths in (
            ("delineate", ("dice/mean",)),
            ("monitor", ("variance", "variance_least", "channels_used")),
        ):
            found = read(bench.asked(name, task)).metrics
            for path in paths:
                yield row("Section 5.6: lengths of s and z", bench, model, path, found[path])


def row(table: str, bench: Bench, model: str, path: str, metric: Metric) -> Row:
    """A number in the shape of a table."""
    published = SDNET.get(table.split(":", maxsplit=1)[0], {})
    data = _images_of(table, bench)
    return table_row(table, path, metric, data=data, model=model, published=published)


def _images_of(table: str, bench: Bench) -> str:
    """Names of the data sets behind a table."""
    if "phantom" in table:
        return "phantom"
    return "+".join(bench.setting.data[: 2 if "mixed" in table else 1])
