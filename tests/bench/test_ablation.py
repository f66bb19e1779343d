"""Every variant of the ablation is trained and asked."""

import pytest
import torch

from septum.bench import ablation
from septum.bench.table import Setting
from septum.checkpoint import read_header
from septum.contract import Batch
from septum.data.prepare import prepare
from septum.models.concept_vae import ConceptVAE, ConceptVAEConfig


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_a_variant_changes_the_gradient(name):
    def pull(changes):
        torch.manual_seed(0)
        small = {"stem": 4, "middle": (4, 4, 8), "beta_independence": 0.05}
        model = ConceptVAE(ConceptVAEConfig(**{**small, **changes}))
        torch.manual_seed(1)
        loss = torch.stack([*model.loss(Batch(image=image), 0.0).values()]).sum()
        last = [model.head.weight, model.stylizer[-1].weight]
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, last)])

    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    changes = ablation.VARIANTS[name]
    assert torch.equal(pull(changes), pull({})) is (not changes)


@pytest.mark.slow
def test_rows_come_with_runs_and_evaluations(phantom_root, tmp_path, monkeypatch, tiny_models):  # noqa: ARG001
    monkeypatch.setattr(ablation, "VARIANTS", {"as it is": {}, "cold": {"temperature": 1.0}})

    def prepared(size, names):  # noqa: ARG001
        return prepare("phantom", phantom_root, size=size, cache=tmp_path / "cache")

    rows = ablation.rows(
        Setting(out=tmp_path / "out", data=("phantom",), prepared=prepared, steps=2)
    )
    assert [row["variant"] for row in rows] == ["as it is", "cold"]
    assert all("n = " in row["map5/mean"] for row in rows)
    assert read_header(tmp_path / "out" / "ablation" / "cold")["config"]["temperature"] == 1.0
    assert (
        tmp_path / "out" / "ablation" / "cold" / "evaluate" / "segment" / "metrics.json"
    ).is_file()
