"""Heads of one number."""

import pytest
import torch

from septum.nn import regressor


def test_the_published_head_has_the_published_number_of_parameters():
    head = regressor.shallow(512, start=55.6)
    assert sum(p.numel() for p in head.parameters()) == 265_217
    kinds = [type(layer).__name__ for layer in head]
    assert kinds == ["BatchNorm1d", "Dropout", "Linear", "BatchNorm1d", "GELU", "Dropout", "Linear"]
    assert [layer.p for layer in head if isinstance(layer, torch.nn.Dropout)] == [0.4, 0.4]


@pytest.mark.parametrize(
    "head", [regressor.shallow(16, start=55.6), regressor.linear(16, start=55.6)]
)
def test_the_first_estimates_lie_about_the_start(head):
    found = head.eval()(torch.randn(200, 16))
    assert found.shape == (200, 1)
    assert found.mean().item() == pytest.approx(55.6, abs=1.0)
