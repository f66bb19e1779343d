"""Sparse codes over a dictionary, by unrolled iterative soft thresholding.

Gregor, LeCun: Learning Fast Approximations of Sparse Coding, ICML 2010, for the unrolling;
Daubechies, Defrise, De Mol, 2004, doi:10.1002/cpa.20042, for the step that is unrolled.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLACK = 1.01
"""Factor of ||D||_2^2 that bounds the step: power iteration reads it from below."""
COLD, WARM = 100, 16
"""Power iterations for a fresh dictionary, and for one that has moved by a step."""


def soft_threshold(
    v: Float[Tensor, "*s"], threshold: Float[Tensor, "*s"] | float, *, signed: bool = True
) -> Float[Tensor, "*s"]:
    """What is left of `v` nearer to 0 by `threshold`, which is at least 0.

    argmin over z of (z - v)^2 / 2 + threshold |z|; over z >= 0 where codes are not `signed`.

    >>> soft_threshold(torch.tensor([-2.0, -0.5, 2.0]), 1.5).tolist()
    [-0.5, 0.0, 0.5]
    >>> soft_threshold(torch.tensor([-2.0, -0.5, 2.0]), 1.5, signed=False).tolist()
    [0.0, 0.0, 0.5]
    """
    above = F.relu(v - threshold)
    return above - F.relu(-v - threshold) if signed else above


def cosine_atoms(channels: int, atoms: int) -> Float[Tensor, "channels atoms"]:
    """Unit-norm cosines of frequencies 0, 1 / 2K, ..., (K - 1) / 2K turns a channel, K atoms.

    No two are alike, and with twice as many atoms as channels D D^T is about 2 I.
    """
    place = 2 * torch.arange(channels, dtype=torch.float64) + 1
    frequency = torch.arange(atoms, dtype=torch.float64) / (2 * atoms)
    return normalised(torch.cos(math.pi * place[:, None] * frequency)).float()


def normalised(dictionary: Float[Tensor, "channels atoms"]) -> Float[Tensor, "channels atoms"]:
    """Every atom (a column) at length 1; an atom of zeros stays one."""
    return F.normalize(dictionary, dim=0)


def largest_eigenvalue(
    dictionary: Float[Tensor, "channels atoms"],
    vector: Float[Tensor, " channels"],
    *,
    iterations: int,
) -> tuple[Float[Tensor, ""], Float[Tensor, " channels"]]:
    """||D||_2^2 by power iteration on D D^T, from below, and the unit vector to go on from."""
    value = vector.new_zeros(())
    for _ in range(iterations):
        grown = dictionary @ (dictionary.T @ vector)
        value, vector = grown.norm(), F.normalize(grown, dim=0)
    return value, vector


class Lista(nn.Module):
    """Codes Z of maps E, so that D Z is E and most of Z is 0.

    After `iterations` steps Z <- S(Z + D^T (E - D Z) / L, alpha / L) from Z = 0, S the soft
    threshold, all of them with the same D: descent on |E - D Z|^2 / 2 + sum alpha |Z|. L is about
    1.01 ||D||_2^2, and no step raises the objective while it is above half of ||D||_2^2. 16 steps
    end within 1 % of the least objective where thresholds are at least a third of the largest
    |D^T E|, D random and twice overcomplete; lower ones take more steps. Always in the precision
    of D.

    Args:
        channels: Of E.
        atoms: K, columns of D.
        iterations: Steps, at least one.
        signed: Whether codes may be negative.
    """

    lipschitz: Float[Tensor, ""]
    direction: Float[Tensor, " channels"]

    def __init__(
        self, channels: int, atoms: int, *, iterations: int = 16, signed: bool = True
    ) -> None:
        super().__init__()
        self.iterations, self.signed = iterations, signed
        self.dictionary = nn.Parameter(cosine_atoms(channels, atoms))
        self.register_buffer("lipschitz", torch.ones(()))
        self.register_buffer("direction", torch.full((channels,), channels**-0.5))
        self.refresh(COLD)

    def forward(
        self, e: Float[Tensor, "b channels *n"], threshold: Float[Tensor, "b atoms *n"]
    ) -> Float[Tensor, "b atoms *n"]:
        """Z; `threshold` is alpha, at least 0, one per atom and place."""
        with torch.autocast(e.device.type, enabled=False):
            d = self.dictionary
            alpha = threshold.movedim(1, -1).to(d.dtype) / self.lipschitz
            return self._descend(e.movedim(1, -1).to(d.dtype), alpha).movedim(-1, 1)

    def _descend(self, e: Tensor, alpha: Tensor) -> Tensor:
        """Steps on rows, one per place: Z + (E - Z D^T) D / L is Z (I - D^T D / L) + E D / L."""
        d, rows = self.dictionary, alpha.flatten(0, -2)
        pull = e.flatten(0, -2) @ d / self.lipschitz
        keep = torch.eye(d.shape[1], dtype=d.dtype, device=d.device) - d.T @ d / self.lipschitz
        z = soft_threshold(pull, rows, signed=self.signed)
        for _ in range(self.iterations - 1):
            z = soft_threshold(torch.addmm(pull, z, keep), rows, signed=self.signed)
        return z.view(alpha.shape)

    def synthesise(self, z: Float[Tensor, "b atoms *n"]) -> Float[Tensor, "b channels *n"]:
        """D Z."""
        with torch.autocast(z.device.type, enabled=False):
            return (z.movedim(1, -1).to(self.dictionary.dtype) @ self.dictionary.T).movedim(-1, 1)

    @torch.no_grad()
    def after_step(self) -> None:
        """Atoms back at length 1, or E and D could trade scale for ever; L follows."""
        self.dictionary.copy_(normalised(self.dictionary))
        self.refresh(WARM)

    @torch.no_grad()
    def refresh(self, iterations: int) -> None:
        """L anew, from the direction where it was found last."""
        value, direction = largest_eigenvalue(
            self.dictionary, self.direction, iterations=iterations
        )
        self.lipschitz.copy_(SLACK * value)
        self.direction.copy_(direction)
