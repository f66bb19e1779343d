"""Against numbers of the authors' own code, by hand, and against loops."""

import math

import numpy as np
import pytest
import torch

from septum.losses import distillation
from septum.nn import distil
from septum.nn.distil import Centre

SHARP = {"student_temperature": 0.1, "teacher_temperature": 0.04}


def grid(a, b, c):
    """8 x 12 numbers that anyone can make: sin(a i + b j + c i j)."""
    i, j = np.indices((8, 12))
    return torch.from_numpy(np.sin(a * i + b * j + c * i * j))


STUDENT, TEACHER = grid(0.37, 1.7, 0.11), grid(0.9, 0.7, 0.23)
"""Rows 0 to 3 are one view of four images, 4 to 7 another of the same."""


def zero_centre(prototypes=12):
    return torch.zeros(prototypes, dtype=torch.float64)


def test_it_is_that_of_the_authors_code():
    # main_dino.py of facebookresearch/dino at 7c446df, run once in float64
    loss = distillation.cross_entropy(STUDENT, TEACHER.roll(4, 0), zero_centre(), **SHARP)
    assert loss.item() == pytest.approx(10.915461542753862, rel=1e-12)


def test_it_is_the_printed_formula():
    centre = torch.linspace(-0.3, 0.5, 12, dtype=torch.float64)
    apart = []
    for s, t in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True):
        seen = [math.exp(x / 0.2) for x in s]
        wanted = [math.exp((x - c) / 0.07) for x, c in zip(t, centre.tolist(), strict=True)]
        pairs = zip(seen, wanted, strict=True)
        apart.append(-sum(w / sum(wanted) * math.log(p / sum(seen)) for p, w in pairs))
    found = distillation.cross_entropy(
        STUDENT, TEACHER, centre, student_temperature=0.2, teacher_temperature=0.07
    )
    assert found.item() == pytest.approx(np.mean(apart), rel=1e-12)


@pytest.mark.parametrize("prototypes", [16, 4096, 8192, 65_536])
def test_both_alike_for_all_prototypes_cost_ln_k(prototypes):
    alike = torch.full((3, prototypes), 0.3)
    found = distillation.cross_entropy(alike, alike, torch.zeros(prototypes), **SHARP)
    assert found.item() == pytest.approx(math.log(prototypes), rel=1e-6)


def test_a_teacher_sure_of_one_prototype_costs_minus_its_log_probability():
    sure = 100.0 * torch.nn.functional.one_hot(torch.arange(8), 12).double()
    found = distillation.cross_entropy(STUDENT, sure, zero_centre(), **SHARP)
    log_p = (STUDENT / 0.1).log_softmax(1)
    expected = -sum(log_p[i, i].item() for i in range(8)) / 8
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_only_the_student_gets_a_gradient_the_difference_of_the_two():
    student, teacher = (x.clone().requires_grad_() for x in (STUDENT, TEACHER))
    centre = zero_centre().requires_grad_()
    distillation.cross_entropy(student, teacher, centre, **SHARP).backward()
    assert teacher.grad is None
    difference = (STUDENT / 0.1).softmax(1) - (TEACHER / 0.04).softmax(1)
    torch.testing.assert_close(student.grad, difference / 0.1 / 8)


def test_the_centre_is_taken_from_the_teacher_alone():
    centre = torch.linspace(-1, 1, 12, dtype=torch.float64)
    found = distillation.cross_entropy(STUDENT, TEACHER + centre, centre, **SHARP)
    torch.testing.assert_close(
        found, distillation.cross_entropy(STUDENT, TEACHER, zero_centre(), **SHARP)
    )


def test_a_lower_temperature_of_the_teacher_makes_it_surer():
    entropies = [
        distil.entropy(distil.sharpened(TEACHER, zero_centre(), t)).item()
        for t in (0.01, 0.04, 0.07, 1.0)
    ]
    assert entropies == sorted(entropies)
    hot = distil.sharpened(TEACHER, zero_centre(), 1e6)
    assert distil.entropy(hot).item() == pytest.approx(math.log(12), rel=1e-9)


def test_autocast_does_not_reach_it():
    centre = Centre(12).value
    student, teacher = STUDENT.float(), TEACHER.float()
    outside = distillation.cross_entropy(student, teacher, centre, **SHARP)
    with torch.autocast("cpu", torch.bfloat16):
        inside = distillation.cross_entropy(student, teacher, centre, **SHARP)
    assert torch.equal(inside, outside)
    low = distillation.cross_entropy(student.bfloat16(), teacher.bfloat16(), centre, **SHARP)
    assert low.dtype == torch.float32
