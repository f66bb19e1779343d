"""Self-distillation: a student is to say of one view what its teacher says of another.

Caron et al.: Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021,
arXiv:2104.14294 (DINO), eq. 1 to 3; it is L_SD of Anatomy-aware Representation Learning for
Medical Ultrasound (ARL), ICLR 2026, https://openreview.net/forum?id=5ThIWuDkEf.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from septum.nn.distil import sharpened


def cross_entropy(
    student_logits: Float[Tensor, "b K"],
    teacher_logits: Float[Tensor, "b K"],
    centre: Float[Tensor, " K"],
    *,
    student_temperature: float,
    teacher_temperature: float,
) -> Float[Tensor, ""]:
    """L_SD = -sum_i z_t^(i) log z_s^(i), in nats, mean over rows.

    Row by row, the two are to be of different views of an image: with both views of b images one
    after the other, the teacher's are rolled by b. The teacher gets no gradient. It is float32
    under autocast.

    >>> alike = torch.zeros(3, 8)
    >>> options = {"student_temperature": 0.1, "teacher_temperature": 0.04}
    >>> round(cross_entropy(alike, alike, alike[0], **options).item(), 4)  # ln 8
    2.0794
    """
    wanted = sharpened(teacher_logits, centre, teacher_temperature)
    student = student_logits.to(torch.promote_types(student_logits.dtype, torch.float32))
    return -(wanted * (student / student_temperature).log_softmax(1)).sum(1).mean()
