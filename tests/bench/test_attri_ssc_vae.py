"""The bench of Attri-SSC-VAE puts every published number beside one of ours."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from septum import runs
from septum.bench import attri_ssc_vae as table
from septum.bench.attri_ssc_vae import FACTORS, Bench, trainings
from septum.bench.published import ATTRI_SSC_VAE
from septum.bench.table import Setting
from septum.contract import Metric
from septum.tasks.write import write

A, B = "left_ventricle_area_px", "myocardium_area_px"
ANSWERS = {
    "reconstruct": ("mmd_rbf", "mmd_linear", *table.FIDELITY, "dead_atom_share", "active_share"),
    "attributes": (
        *(f"spearman/{A}", f"ar_loss/{A}", "ar_loss", "ar_loss_sum", "sap", "modularity"),
        *(f"correlation_data/{A}/{B}", f"correlation_said/{A}/{B}", f"p_correlation_said/{A}/{B}"),
    ),
    "edit": (f"monotone/{A}", f"moved/{A}", f"moved/{A}/{B}", f"leak/{A}", f"focus/{A}"),
    "interpolate": ("evenness/codes", "straightness/pixels"),
}


@pytest.fixture
def bench(monkeypatch):
    """What tasks are called to answer is known beforehand."""

    def found(self: Bench, name: str, task: str) -> Mapping[str, Metric]:
        assert name in self.all
        value = {"unit": "", "n": 12}
        return {p: Metric(value=1.0, low=0.5, high=1.5, **value) for p in ANSWERS[task]}

    monkeypatch.setattr(Bench, "found", found)
    monkeypatch.setattr(table, "_gain", lambda *_: {})
    monkeypatch.setattr(Bench, "images", type("Some", (), {"name": "some"}))
    return Bench(Setting(out=Path("none"), data=("some",), prepared=lambda *_: None))


@pytest.fixture
def rows(bench, monkeypatch):
    monkeypatch.setattr(table, "Bench", lambda _: bench)
    return table.rows(bench.setting)


def test_every_published_number_stands_beside_one_of_ours(rows):
    """But for the MMD, whose kernel is not named, and SSC-VAE, which has no row of its own."""
    beside = {
        (r["table"].split(":")[0], r["model"], r["metric"]): r["published"]
        for r in rows
        if r["published"] != ""
    }
    wanted = {
        (name, model, path): value
        for name, of in ATTRI_SSC_VAE.items()
        for model, numbers in of.items()
        for path, value in numbers.items()
        if path != "mmd"
    }
    assert beside == wanted


def test_every_table_and_figure_has_rows_of_whom_it_compares(rows):
    of = {}
    for row in rows:
        of.setdefault(row["table"].split(":")[0], set()).add(row["model"])
    ours, other = "Attri-SSC-VAE", "Attri-VAE"
    six = {"VAE", "beta-VAE", "AR-VAE", other, "SSC-VAE, stage one alone", ours}
    assert of["Table 1"] == of["Table 2"] == six
    assert of["Attributes"] == six - {"VAE", "beta-VAE"}
    assert of["Table 3"] == of["Figure 2"] == {ours, other}
    assert of["Table 4"] == {ours, "one atom per attribute"}
    assert of["Table 5"] == {ours, *(f"gamma x {factor:g}" for factor in FACTORS)}
    assert of["Figure 3"] == {ours, other, f"{ours}, edits not taught"}


def test_no_training_is_done_twice():
    found = [*trainings().values()]
    assert not [pair for pair in combinations(found, 2) if pair[0] == pair[1]]


def test_models_see_the_same_slices_in_batches_of_one_size():
    recipes = [runs.sized(t.model, "small").recipe for t in trainings().values()]
    assert len({(r.data, r.batch_size, r.image_size) for r in recipes}) == 1


def test_a_gain_is_the_mean_difference_over_subjects(tmp_path, monkeypatch):
    psnr = {"ours": [30.0, 28.0, 25.0, 27.0], "theirs": [20.0, 20.0, 20.0, 20.0]}
    for name, values in psnr.items():
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"{i},s{i},{v},{v / 100}" for i, v in enumerate(values)]
        (folder / "predictions.csv").write_text("\n".join(["id,subject,psnr_db,ssim", *lines]))
    monkeypatch.setattr(Bench, "asked", lambda _, name, __: tmp_path / name)
    some = Bench(Setting(out=tmp_path, data=(), prepared=lambda *_: None))
    gain = table._gain(some, "ours", "theirs")
    assert gain["gain_psnr_db/theirs"].value == pytest.approx(7.5)
    assert gain["gain_ssim/theirs"].value == pytest.approx(0.075)
    spread = np.std([10.0, 8.0, 5.0, 7.0], ddof=1) / 2
    assert gain["gain_psnr_db/theirs"].high == pytest.approx(7.5 + 3.182446 * spread, rel=1e-4)


def test_what_is_asked_is_read_from_the_folder_of_the_run(tmp_path, monkeypatch):
    from septum.contract import Report  # noqa: PLC0415

    metric = Metric(value=1.0, low=0.0, high=2.0, unit="", n=3)
    out = tmp_path / "vae"
    out.mkdir()
    write(
        Report(metrics={"psnr_db": metric}), out, task="reconstruct", model="vae", data="d",
        split="test", seed=0,
    )  # fmt: skip
    monkeypatch.setattr(Bench, "asked", lambda *_: out)
    some = Bench(Setting(out=tmp_path, data=(), prepared=lambda *_: None))
    assert some.found("vae", "reconstruct") == {"psnr_db": metric}
