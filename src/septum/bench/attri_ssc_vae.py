"""The tables and figures of Attri-SSC-VAE, on hearts that can be had, beside the published numbers.

    slices --train--> OUT/NAME --evaluate--> OUT/NAME/evaluate/TASK --> rows

Every model sees the same slices in batches of one size; how many of them, its recipe says. Without
`--data` they are of phantom hearts in the layout of EMIDEC, drawn into OUT/data. What has been
trained or evaluated in OUT is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from septum import runs
from septum.bench import once
from septum.bench.folds import compared
from septum.bench.published import ATTRI_SSC_VAE
from septum.bench.table import Row, Setting, row
from septum.contract import Metric
from septum.data.prepare import prepare
from septum.data.prepared import Prepared
from septum.tasks.write import read

LAYOUT, VIEW = "emidec", "emidec:hearts"
HEARTS = 80
"""Phantom subjects, where no data set is named."""
NEVER = 2.0
"""A stage that begins after the last step."""
FACTORS = (0.0, 0.02, 0.2, 2.0, 20.0)
"""Of gamma: the published 0, 0.1, 1, 10 and 100 beside 5."""
FIDELITY = ("psnr_db", "ssim", "nmi", "frechet", "perceptual")
AR = ("ar_loss", "ar_loss_sum")
EDITED = ("monotone/", "moved/", "leak/", "focus/", "focus_chance/", "within/", "proxy_monotone/")
FITS = ("spearman", "ar_loss", "interpretability", "sap", "modularity")


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a bench.

    Attributes:
        label: Name in the tables.
    """

    model: str
    label: str
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def trainings() -> dict[str, Training]:
    """All trainings by name."""
    late = {"second_stage": NEVER, "third_stage": NEVER, "edits": 0.0}
    ours = "attri_ssc_vae"
    found = {
        "vae": Training(model="vae", label="VAE"),
        "beta_vae": Training(model="beta_vae", label="beta-VAE"),
        "ar_vae": Training(model="ar_vae", label="AR-VAE"),
        "attri_vae": Training(model="attri_vae", label="Attri-VAE"),
        "ssc_vae": Training(model=ours, label="SSC-VAE, stage one alone", changes=late),
        ours: Training(model=ours, label="Attri-SSC-VAE"),
        "untaught": Training(
            model=ours, label="Attri-SSC-VAE, edits not taught", changes={"edits": 0.0}
        ),
        "one": Training(model=ours, label="one atom per attribute", changes={"mapping": "one"}),
    }
    gamma = runs.sized(ours, "small").config.gamma
    for factor in FACTORS:
        found[f"gamma-{factor:g}"] = Training(
            model=ours, label=f"gamma x {factor:g}", changes={"gamma": factor * gamma}
        )
    return found


def rows(setting: Setting) -> Sequence[Row]:
    """One row per method, condition and metric: value, 95 % interval, n, and the paper's."""
    bench = Bench(setting)
    return [
        *_reconstructed(bench),
        *_fitted(bench),
        *_correlated(bench),
        *_ablated(bench),
        *_edited(bench),
        *_between(bench),
    ]


class Bench:
    """The slices of a bench, prepared once, and its runs."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.all = trainings()

    def folder(self, name: str) -> Path:
        """The finished run of that name."""
        training = self.all[name]
        return once.trained(
            self.setting, name, training.model, self.images, changes=training.changes
        )

    def asked(self, name: str, task: str) -> Path:
        """The folder of what a run of that name answers on its tested subjects."""
        return once.asked(self.setting, self.folder(name), task, self.images)

    def found(self, name: str, task: str) -> Mapping[str, Metric]:
        """The metrics of that answer."""
        return read(self.asked(name, task)).metrics

    @cached_property
    def images(self) -> Prepared:
        """Slices at the size of the model."""
        size = runs.sized("attri_ssc_vae", "small").recipe.image_size
        if self.setting.data:
            return self.setting.prepared(size, list(self.setting.data))
        root = once.drawn(self.setting, LAYOUT, HEARTS)
        return prepare(VIEW, root, size=size, cache=self.setting.out / "cache")

    def row(self, table: str, name: str, path: str, metric: Metric) -> Row:
        """A number in the shape of a table."""
        data = self.images.name if self.setting.data else f"phantom as {LAYOUT}"
        published = ATTRI_SSC_VAE.get(table.split(":", maxsplit=1)[0], {})
        label = self.all[name].label
        return row(table, path, metric, data=data, model=label, published=published)


def _reconstructed(bench: Bench) -> Iterator[Row]:
    """Tables 1 and 2, and by how many decibels ours is better."""
    methods = ("vae", "beta_vae", "ar_vae", "attri_vae", "ssc_vae", "attri_ssc_vae")
    for table, paths in (
        ("Table 1: distribution", ("mmd_rbf", "mmd_linear")),
        ("Table 2: reconstruction", (*FIDELITY, "dead_atom_share", "active_share")),
    ):
        for name in methods:
            found = bench.found(name, "reconstruct")
            for path in paths:
                if path in found:
                    yield bench.row(table, name, path, found[path])
    for other in ("attri_vae", "ssc_vae"):
        for path, metric in _gain(bench, "attri_ssc_vae", other).items():
            yield bench.row("Table 2: reconstruction", "attri_ssc_vae", path, metric)


def _gain(bench: Bench, ours: str, theirs: str) -> dict[str, Metric]:
    """Mean differences of what both render of the same slices (`septum.bench.folds.compared`)."""
    a, b = (bench.asked(name, "reconstruct") for name in (ours, theirs))
    return {
        f"gain_{path}/{theirs}": compared([a], [[b]], name=path, unit=unit)[f"gain_{path}"]
        for path, unit in (("psnr_db", "dB"), ("ssim", ""))
    }


def _fitted(bench: Bench) -> Iterator[Row]:
    """What codes say of attributes."""
    for name in ("ar_vae", "attri_vae", "ssc_vae", "attri_ssc_vae"):
        for path, metric in bench.found(name, "attributes").items():
            if path.startswith(FITS):
                yield bench.row("Attributes", name, path, metric)


def _correlated(bench: Bench) -> Iterator[Row]:
    """Table 3: are attributes as correlated in what codes say as in the data?"""
    for name in ("attri_vae", "attri_ssc_vae"):
        for path, metric in bench.found(name, "attributes").items():
            if path.startswith(("correlation_", "p_correlation_")):
                yield bench.row("Table 3: correlation of attributes", name, path, metric)


def _ablated(bench: Bench) -> Iterator[Row]:
    """Tables 4 and 5."""
    sweep = [f"gamma-{factor:g}" for factor in FACTORS]
    for table, names in (
        ("Table 4: one to few", ("attri_ssc_vae", "one")),
        ("Table 5: gamma", ("attri_ssc_vae", *sweep)),
    ):
        for name in names:
            found = {**bench.found(name, "reconstruct"), **bench.found(name, "attributes")}
            for path in (*AR, *FIDELITY):
                if path in found:
                    yield bench.row(table, name, path, found[path])


def _edited(bench: Bench) -> Iterator[Row]:
    """Figure 3: what an edit does, measured."""
    for name in ("attri_vae", "untaught", "attri_ssc_vae"):
        for path, metric in bench.found(name, "edit").items():
            if path.startswith(EDITED):
                yield bench.row("Figure 3: edits", name, path, metric)


def _between(bench: Bench) -> Iterator[Row]:
    """Figure 2: what lies between the codes of two subjects."""
    for name in ("attri_vae", "attri_ssc_vae"):
        for path, metric in bench.found(name, "interpolate").items():
            yield bench.row("Figure 2: interpolation", name, path, metric)
