"""What makes concepts carry the anatomy: ConceptVAE with one choice at a time taken back.

Every row trains the small size anew from one seed, on the same images and for the same steps, and
asks both tasks. Numbers stand with their 95 % interval; all that lies behind them is in `out`, and
what is there already is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from septum import runs
from septum.bench.table import Row, Setting
from septum.contract import Metric
from septum.data.prepared import Prepared
from septum.tasks import TASKS
from septum.tasks.write import read, write

STEPS = 200
"""Of every row: enough to tell the strong choices from the weak, a fifteenth of the schedule."""
SPLIT = "val"
SIZE = "small"

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "concept logits not scaled": {"logit_scale": 1.0},
    "sampled at temperature 1": {"temperature": 1.0},
    "alpha 1 = .01": {"alpha": (0.01, 1.0, 1.0, 0.5)},
    "alpha 3 = 0": {"alpha": (0.0, 1.0, 0.0, 0.5)},
    "beta 3, 5 = 5, .5": {"beta": (1.0, 10.0, 5.0, 1.0, 0.5, 1.0, 0.5, 1.0, 0.1)},
    "beta 9 = .5": {"beta": (1.0, 10.0, 20.0, 1.0, 2.0, 1.0, 0.5, 1.0, 0.5)},
    "consistency at one cell": {"consistency_everywhere": False},
    "styles free to repeat concepts": {"beta_independence": 0.0},
    "teacher not sharpened": {"teacher_temperature": 1.0},
}
"""What is taken back, and the fields of the config that do it."""

METRICS = {
    "segment": ("dice_loss/content/k5", "dice_loss/style/k5", "dice_loss/both/k5"),
    "retrieve": ("map5/mean",),
}


def rows(setting: Setting) -> Sequence[Row]:
    """One row per variant."""
    return [
        {"variant": name, "steps": float(setting.steps or STEPS)}
        | {path: shown(metric) for path, metric in metrics.items()}
        for name, metrics in measured(setting)
    ]


def measured(setting: Setting) -> Iterator[tuple[str, Mapping[str, Metric]]]:
    """Every variant with its metrics, on the first of the data sets."""
    size = runs.sized("concept_vae", SIZE).recipe.image_size
    images = setting.prepared(size, setting.data[:1])
    for name, changes in VARIANTS.items():
        yield name, _metrics(setting, images, name, changes)


def _metrics(
    setting: Setting, images: Prepared, name: str, changes: Mapping[str, Any]
) -> Mapping[str, Metric]:
    folder = setting.out / "ablation" / name.replace(" ", "_")
    runs.train(
        "concept_vae", images, folder, size=SIZE, steps=setting.steps or STEPS, seed=setting.seed,
        resume=True, changes=changes,
    )  # fmt: skip
    found: dict[str, Metric] = {}
    for task, names in METRICS.items():
        out = folder / "evaluate" / task
        if not (out / "metrics.json").is_file():
            model, learn, test = runs.load(folder).model, images.split("train"), images.split(SPLIT)
            said = TASKS[task](model, learn, test, setting.seed)
            write(
                said, out, task=task, model="concept_vae", data=images.name, split=SPLIT,
                seed=setting.seed,
            )  # fmt: skip
        answer = read(out)
        found |= {name: answer.metrics[name] for name in names}
    return found


def shown(metric: Metric) -> str:
    """A metric as text.

    >>> shown(Metric(value=0.1234, low=0.1, high=0.15, unit="1", n=200))
    '0.123 (0.100 to 0.150, n = 200)'
    """
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f}, n = {metric.n})"
