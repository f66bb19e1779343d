"""LARS against steps worked out by hand."""

import pytest
import torch
from torch import nn

from septum.nn.lars import LARS


def parameter(*values, grad):
    p = nn.Parameter(torch.tensor(values, dtype=torch.float64))
    p.grad = torch.tensor(grad, dtype=torch.float64)
    return p


def test_two_steps_by_hand():
    p = parameter([3.0, 4.0], grad=[[0.0, 2.0]])
    lars = LARS([p], lr=0.5, weight_decay=0.5, momentum=0.9, trust=0.1)

    lars.step()
    # |w| = 5, g = (0, 2) + (3, 4) / 2 = (1.5, 4), |g| = √18.25, m = .1 · 5 / |g| · g
    m = [0.1 * 5 / 18.25**0.5 * g for g in (1.5, 4.0)]
    w = [3 - 0.5 * m[0], 4 - 0.5 * m[1]]
    assert p.flatten().tolist() == pytest.approx(w, rel=1e-12)

    lars.step()
    g = [0.5 * w[0], 2 + 0.5 * w[1]]
    ratio = 0.1 * (w[0] ** 2 + w[1] ** 2) ** 0.5 / (g[0] ** 2 + g[1] ** 2) ** 0.5
    m = [0.9 * old + ratio * new for old, new in zip(m, g, strict=True)]
    w = [old - 0.5 * new for old, new in zip(w, m, strict=True)]
    assert p.flatten().tolist() == pytest.approx(w, rel=1e-12)


def test_the_first_step_has_the_length_that_trust_says_whatever_the_gradient():
    for scale in (1e-6, 1.0, 1e6):
        p = parameter([3.0, 4.0], grad=[[0.6 * scale, 0.8 * scale]])
        LARS([p], lr=2.0, trust=1e-3).step()
        assert p.flatten().tolist() == pytest.approx([3 - 0.006, 4 - 0.008])


def test_biases_and_norms_take_plain_momentum_sgd_and_do_not_decay():
    ours, theirs = parameter(3.0, 4.0, grad=[0.5, 2.0]), parameter(3.0, 4.0, grad=[0.5, 2.0])
    lars = LARS([ours], lr=0.1, weight_decay=0.5)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    for _ in range(3):
        lars.step()
        sgd.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("weight", "grad", "moved"),
    [([0.0, 0.0], [1.0, 2.0], [-0.1, -0.2]), ([3.0, 4.0], [0.0, 0.0], [3.0, 4.0])],
)
def test_without_weights_or_gradient_the_step_is_plain(weight, grad, moved):
    p = parameter(weight, grad=[grad])
    LARS([p], lr=0.1).step()
    assert p.flatten().tolist() == pytest.approx(moved)


def test_a_parameter_without_gradient_stays():
    p = nn.Parameter(torch.ones(2, 2))
    LARS([p], lr=1.0, weight_decay=1.0).step()
    assert torch.equal(p, torch.ones(2, 2))


def test_its_state_is_there_before_the_first_step():
    p = parameter([3.0, 4.0], grad=[[0.0, 2.0]])
    lars = LARS([p], lr=0.5)
    assert {name: state.tolist() for name, state in lars.state[p].items()} == {
        "momentum": [[0.0, 0.0]]
    }


def test_stopped_and_resumed_it_goes_on_as_if_never_stopped():
    whole, stopped = parameter([3.0, 4.0], grad=[[0.5, 2.0]]), parameter([3.0, 4.0], grad=[[0, 0]])
    first = LARS([whole], lr=0.5)
    first.step()
    second = LARS([stopped], lr=0.5)
    stopped.data.copy_(whole)
    stopped.grad = whole.grad
    second.state[stopped]["momentum"].copy_(first.state[whole]["momentum"])
    first.step()
    second.step()
    assert torch.equal(whole, stopped)
