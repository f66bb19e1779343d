"""Tables 1 to 3 and Figures 3 to 8 of ConceptVAE, beside VICReg and the untrained networks.

    images + limits --train--> OUT/RUN --evaluate--> OUT/RUN/evaluate/QUESTION --> rows

The first of the data sets is the main one; it needs what CAMUS has: masks, two phases, the views
4CH and 2CH. Further ones are outliers. What the paper asks of short-axis and parasternal views is
asked of the phantom. Both models see the same images at the same size for the same steps, and a
step of either takes about as long. What has been trained or evaluated in OUT is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from septum import runs
from septum.bench import ablation
from septum.bench.published import CONCEPT_VAE
from septum.bench.table import Row, Setting
from septum.contract import Metric
from septum.data import phantom
from septum.data.limits import Limits
from septum.data.prepare import prepare
from septum.data.prepared import Prepared
from septum.tasks.write import read

SPLIT = "val"
HEARTS = 80
SEEN_VIEWS = ("A2C", "A4C", "SAX_BASE", "SAX_MID", "SAX_APEX")
PHASES = ("ED", "mid_systole", "ES", "mid_diastole")
TITLES = {"concept_vae": "ConceptVAE", "vicreg": "VICReg"}


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a bench: what is trained, at which size, on which images.

    Attributes:
        images: `main`, or `phantom`.
        steps: Instead of those of the recipe.
    """

    model: str
    images: str
    size: str
    limits: Limits = field(default_factory=dict[str, Sequence[str]])
    steps: int | None = None


ONLY_4CH = {"view": ("4CH",)}
ONLY_SEEN = {"view": SEEN_VIEWS}

TRAININGS: Mapping[str, Training] = {
    "concept_vae": Training(model="concept_vae", images="main", size="small"),
    "vicreg": Training(model="vicreg", images="main", size="small"),
    "concept_vae_4ch": Training(
        model="concept_vae", images="main", size="small", limits=ONLY_4CH, steps=1000
    ),
    "vicreg_4ch": Training(
        model="vicreg", images="main", size="small", limits=ONLY_4CH, steps=1000
    ),
    "concept_vae_phantom": Training(
        model="concept_vae", images="phantom", size="demo", limits=ONLY_SEEN
    ),
    "vicreg_phantom": Training(model="vicreg", images="phantom", size="demo", limits=ONLY_SEEN),
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """One task, asked of some trainings on some images.

    Attributes:
        images: `main`, `all` (the main data set and the further ones) or `phantom`.
        metrics: First parts of the names of the metrics that become rows.
        published: Whether the paper has this table, if of other images.
    """

    title: str
    task: str
    asked: Sequence[str]
    images: str
    metrics: Sequence[str]
    limits: Limits = field(default_factory=dict[str, Sequence[str]])
    published: bool = False


QUESTIONS: Mapping[str, Question] = {
    "retrieve": Question(
        title="Table 1: regions found again", task="retrieve", asked=("concept_vae", "vicreg"),
        images="main", metrics=("map5",), published=True,
    ),
    "segment": Question(
        title="Table 2: segmentation by linear kernels", task="segment",
        asked=("concept_vae", "vicreg"), images="main", metrics=("dice_loss",), published=True,
    ),
    "outliers": Question(
        title="Figure 6: parasternal views as outliers", task="outliers",
        asked=("concept_vae_phantom", "vicreg_phantom"), images="phantom", metrics=("auroc",),
        published=True,
    ),
    "outliers_near": Question(
        title="2CH as outliers of 4CH", task="outliers", asked=("concept_vae_4ch", "vicreg_4ch"),
        images="main", metrics=("auroc",),
    ),
    "outliers_far": Question(
        title="Other organs as outliers", task="outliers", asked=("concept_vae", "vicreg"),
        images="all", metrics=("auroc",),
    ),
    "detect": Question(
        title="Table 3: aortic valve, open or closed", task="detect",
        asked=("concept_vae_phantom", "vicreg_phantom"), images="phantom",
        metrics=("average_precision", "auroc"), limits={"view": ("PLAX",)}, published=True,
    ),
    "detect_atrium": Question(
        title="Left atrium in 2CH, ED or ES", task="detect",
        asked=("concept_vae_4ch", "vicreg_4ch"), images="main",
        metrics=("average_precision", "auroc"), limits={"view": ("2CH",)},
    ),
    "synthesise": Question(
        title="Style noise as augmentation", task="synthesise", asked=("concept_vae",),
        images="main", metrics=("dice", "dice_gain"),
    ),
    "disentangle": Question(
        title="Disentanglement on known factors", task="disentangle",
        asked=("concept_vae_phantom", "vicreg_phantom"), images="phantom",
        metrics=("mig", "dci", "sap", "modularity", "infomec", "leakage"),
        limits={"view": ("A2C", "A4C")},
    ),
    "usage": Question(
        title="Concepts that are needed", task="usage", asked=("concept_vae",), images="main",
        metrics=("concepts", "error_rise"),
    ),
    "monitor": Question(
        title="Health", task="monitor", asked=("concept_vae",), images="main", metrics=("",)
    ),
}  # fmt: skip


def rows(setting: Setting) -> Sequence[Row]:
    """One row per model and metric: value, 95 % interval, n, and what the paper reports."""
    bench = _Bench(setting)
    return [
        row
        for name, question in QUESTIONS.items()
        for training in question.asked
        for row in bench.answers(name, question, training)
    ] + [*_ablated(setting)]


class _Bench:
    """The images of a bench, prepared once each, and its runs."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def answers(self, name: str, question: Question, training: str) -> Iterator[Row]:
        """Train if need be, ask, and list what was found."""
        folder = self._run(training)
        out = folder / "evaluate" / name
        size = runs.sized(TRAININGS[training].model, TRAININGS[training].size).recipe.image_size
        if not (out / "metrics.json").is_file():
            images = self._images(question.images, size).limited(question.limits)
            run = runs.load(folder, device=runs.device())
            runs.evaluate(run, question.task, images, out, split=SPLIT, seed=self._setting.seed)
        found = read(out)
        model = TITLES[TRAININGS[training].model]
        for path, metric in found.metrics.items():
            floor, measured = path.startswith("floor/"), path.removeprefix("floor/")
            if measured.split("/")[0].startswith(tuple(question.metrics)):
                named = f"{model}, untrained" if floor else model
                known = CONCEPT_VAE.get(named, {}) if question.published else {}
                yield _row(question.title, found.data, named, measured, metric, known.get(measured))

    def _run(self, name: str) -> Path:
        training, out = TRAININGS[name], self._setting.out / name
        size = runs.sized(training.model, training.size).recipe.image_size
        runs.train(
            training.model, self._images(training.images, size).limited(training.limits), out,
            size=training.size, steps=self._setting.steps or training.steps,
            seed=self._setting.seed, resume=True,
        )  # fmt: skip
        return out

    def _images(self, which: str, size: tuple[int, int]) -> Prepared:
        match which:
            case "phantom":
                root = self._setting.out
                return prepare("phantom", self._phantom, size=size, cache=root / "cache")
            case "main":
                return self._setting.prepared(size, self._setting.data[:1])
            case _:
                return self._setting.prepared(size, self._setting.data)

    @cached_property
    def _phantom(self) -> Path:
        root = self._setting.out / "data"
        if not (root / "phantom" / "manifest.csv").is_file():
            phantom.write(
                root / "phantom", subjects=HEARTS, seed=self._setting.seed,
                views=(*SEEN_VIEWS, "PLAX"), phases=PHASES,
            )  # fmt: skip
        return root


def _row(
    title: str, data: str, model: str, path: str, metric: Metric, published: float | None
) -> Row:
    return {
        "table": title,
        "data": data,
        "model": model,
        "metric": path,
        "value": metric.value,
        "low": metric.low,
        "high": metric.high,
        "n": float(metric.n),
        "published": "" if published is None else published,
    }


def _ablated(setting: Setting) -> Iterator[Row]:
    """The ablation in the same shape."""
    for variant, metrics in ablation.measured(setting):
        for path, metric in metrics.items():
            yield _row("Ablation", setting.data[0], variant, path, metric, None)
