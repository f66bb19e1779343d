"""MADGRAD against steps worked out by hand."""

import pytest
import torch
from torch import nn

from septum.nn.madgrad import MADGRAD


def parameter(*values, grad):
    p = nn.Parameter(torch.tensor(values, dtype=torch.float64))
    p.grad = torch.tensor(grad, dtype=torch.float64)
    return p


def test_the_first_step_by_hand():
    """λ = .001 (step 0), g = 8: ∛(.001 · 64) = .4, z = 1 - .008 / .4 = .98; a tenth of the way."""
    p = parameter(1.0, 1.0, grad=[8.0, -8.0])

    MADGRAD([p], lr=0.001).step()

    assert p.tolist() == pytest.approx([0.998, 1.002], abs=1e-6)


def test_three_steps_by_the_published_rule():
    gradients, lr, decay, momentum = [0.5, -2.0, 3.0], 0.1, 0.01, 0.8
    p = parameter(2.0, grad=[0.0])
    madgrad = MADGRAD([p], lr=lr, weight_decay=decay, momentum=momentum)

    x = start = 2.0
    s = v = 0.0
    for k, gradient in enumerate(gradients):
        p.grad = torch.tensor([gradient], dtype=torch.float64)
        madgrad.step()

        step = lr * (k + 1) ** 0.5
        g = gradient + decay * x
        s, v = s + step * g, v + step * g**2
        z = start - s / (v ** (1 / 3) + 1e-6)
        c = 1 - momentum
        x = (1 - c) * x + c * z
        assert p.item() == pytest.approx(x, rel=1e-6)


def test_the_learning_rate_of_every_step_counts():
    """Weights of gradients are what the rate was then: .1, and .2 √2."""
    p = parameter(0.0, grad=[1.0])
    madgrad = MADGRAD([p], lr=0.1, momentum=0.0)
    madgrad.step()
    madgrad.param_groups[0]["lr"] = 0.2
    madgrad.step()

    total = 0.1 + 0.2 * 2**0.5
    assert p.item() == pytest.approx(-total / (total ** (1 / 3) + 1e-6))


def test_without_gradient_a_parameter_stays():
    still, flat = nn.Parameter(torch.ones(2)), parameter(3.0, grad=[0.0])

    MADGRAD([still, flat], lr=1.0).step()

    assert still.tolist() == [1, 1]
    assert flat.item() == 3


def test_its_state_is_there_before_the_first_step():
    p = parameter(3.0, grad=[2.0])

    madgrad = MADGRAD([p], lr=0.5)

    assert {name: state.tolist() for name, state in madgrad.state[p].items()} == {
        "step": 0,
        "start": [3],
        "sum": [0],
        "squares": [0],
    }


def test_stopped_and_resumed_it_goes_on_as_if_never_stopped():
    whole, stopped = parameter(3.0, 4.0, grad=[0.5, 2.0]), parameter(7.0, 7.0, grad=[0.5, 2.0])
    first, second = MADGRAD([whole], lr=0.5), MADGRAD([stopped], lr=0.5)
    first.step()
    stopped.data.copy_(whole)
    for name, state in second.state[stopped].items():
        state.copy_(first.state[whole][name])
    first.step()
    second.step()

    assert torch.equal(whole, stopped)


def test_it_finds_the_bottom_of_a_bowl():
    p = parameter(5.0, -3.0, grad=[0.0, 0.0])
    madgrad = MADGRAD([p], lr=0.1)

    for _ in range(600):
        p.grad = 2 * (p.detach() - torch.tensor([1.0, 2.0]))
        madgrad.step()

    assert p.tolist() == pytest.approx([1, 2], abs=0.02)
