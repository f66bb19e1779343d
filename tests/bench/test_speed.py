"""Both sides of the speed table do the same work."""

import pytest
import torch

from septum.bench import speed
from septum.bench.table import Setting
from septum.contract import Batch
from septum.models.concept_vae import ConceptVAE, ConceptVAEConfig


def test_the_plain_step_has_the_same_loss_and_gradients():
    torch.manual_seed(0)
    model = ConceptVAE(ConceptVAEConfig(stem=4, middle=(4, 4, 8), beta_independence=0.5))
    sector = torch.zeros(3, 1, 64, 80, dtype=torch.bool)
    sector[..., 8:, 16:64] = True
    batch = Batch(image=torch.rand(3, 1, 64, 80) * sector, sector=sector)
    own = model.phases()[0].parameters

    torch.manual_seed(1)
    ours = torch.stack(list(model.loss(batch, 0.0).values())).sum()
    torch.manual_seed(1)
    plain = speed.plain_loss(model, batch)

    torch.testing.assert_close(plain, ours)
    pairs = zip(torch.autograd.grad(ours, own), torch.autograd.grad(plain, own), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_every_row_has_an_interval(tmp_path, monkeypatch, tiny_models):  # noqa: ARG001
    for name, value in (("ROUNDS", 1), ("STEPS", 2), ("WARM", 1), ("READS", 5)):
        monkeypatch.setattr(speed, name, value)
    rows = speed.rows(
        Setting(out=tmp_path, data=(), prepared=lambda *_: pytest.fail("needs no images"))
    )
    assert [row["name"] for row in rows] == [
        "training step, plain",
        "training step",
        "plain / ours",
        "random batch of 64 from the cache",
        "waiting for data",
    ]
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
