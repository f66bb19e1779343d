"""What ties codes to attributes: a linear map, a memory of the training, and bounds of codes."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Mapper(nn.Module):
    """W of Attri-SSC-VAE (eq. 8): proxies of attributes from usages of atoms.

    Attributes:
        weight: W; random until it is started.
        support: Entries that count; all until rows are frozen.
        anchor: W as it was when rows were frozen.
    """

    support: Bool[Tensor, "attributes atoms"]
    anchor: Float[Tensor, "attributes atoms"]

    def __init__(self, attributes: int, atoms: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(attributes, atoms))
        self.register_buffer("support", torch.ones(attributes, atoms, dtype=torch.bool))
        self.register_buffer("anchor", torch.zeros(attributes, atoms))

    def forward(self, usage: Float[Tensor, "b atoms"]) -> Float[Tensor, "b attributes"]:
        """a^, in the scale that W was started in."""
        return usage.float() @ self.effective().T

    def effective(self) -> Float[Tensor, "attributes atoms"]:
        """W where it counts, 0 elsewhere."""
        return self.weight * self.support

    @torch.no_grad()
    def start(self, weight: Float[Tensor, "attributes atoms"]) -> None:
        """Take this W."""
        self.weight.copy_(weight)

    @torch.no_grad()
    def freeze(self, support: Bool[Tensor, "attributes atoms"]) -> None:
        """From now on only these entries count, and W is held near what it is."""
        self.support.copy_(support)
        self.weight.mul_(self.support)
        self.anchor.copy_(self.weight)

    def drift(self) -> Float[Tensor, ""]:
        """Squared Frobenius norm of the way W has gone since rows were frozen (eq. 15)."""
        return (self.effective() - self.anchor).square().sum()


class Memory(nn.Module):
    """Usages and attributes of the last images of the training, oldest overwritten first."""

    usage: Float[Tensor, "size atoms"]
    true: Float[Tensor, "size attributes"]
    seen: Tensor

    def __init__(self, size: int, *, atoms: int, attributes: int) -> None:
        super().__init__()
        self.register_buffer("usage", torch.zeros(size, atoms))
        self.register_buffer("true", torch.full((size, attributes), torch.nan))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def remember(
        self, usage: Float[Tensor, "b atoms"], true: Float[Tensor, "b attributes"]
    ) -> None:
        """Keep these in the place of the oldest."""
        rows = (self.seen + torch.arange(len(usage), device=usage.device)) % len(self.usage)
        self.usage[rows] = usage.detach().float()
        self.true[rows] = true
        self.seen += len(usage)

    def kept(self) -> tuple[Float[Tensor, "n atoms"], Float[Tensor, "n attributes"]]:
        """Usages and attributes of what has been remembered."""
        count = min(int(self.seen), len(self.usage))
        return self.usage[:count], self.true[:count]


class Bounds(nn.Module):
    """Least and greatest coefficient of every atom over all places and images (appendix A.5)."""

    least: Float[Tensor, " atoms"]
    most: Float[Tensor, " atoms"]

    def __init__(self, atoms: int) -> None:
        super().__init__()
        self.register_buffer("least", torch.zeros(atoms))
        self.register_buffer("most", torch.zeros(atoms))

    @torch.no_grad()
    def widen(self, z: Float[Tensor, "b atoms *n"]) -> None:
        """Take these coefficients in."""
        flat = z.detach().float().transpose(0, 1).flatten(1)
        torch.minimum(self.least, flat.amin(1), out=self.least)
        torch.maximum(self.most, flat.amax(1), out=self.most)

    def approached(
        self,
        code: Float[Tensor, "b atoms *n"],
        row: Float[Tensor, " atoms"],
        amount: Float[Tensor, " b"],
        *,
        top: int,
    ) -> Float[Tensor, "b atoms *n"]:
        """Z' = (1 - |alpha|) Z + |alpha| B for the strongest atoms of a row of W, at all places.

        B is the greatest coefficient of an atom where alpha has the sign of its weight, else the
        least.
        """
        atoms = row.abs().topk(min(top, len(row))).indices
        atoms = atoms[row[atoms] != 0]
        up = amount.sign()[:, None] * row[atoms].sign() > 0
        bound = torch.where(up, self.most[atoms], self.least[atoms])
        tall = (...,) + (None,) * (code.dim() - 2)
        share = amount.abs()[:, None][tall]
        moved = (1 - share) * code[:, atoms] + share * bound[tall]
        return code.index_copy(1, atoms, moved.to(code.dtype))

    @torch.no_grad()
    def forget(self) -> None:
        """Begin anew: coefficients of earlier weights are none of these weights."""
        self.least.zero_()
        self.most.zero_()


def fitted(
    usage: Float[Tensor, "n atoms"], true: Float[Tensor, "n attributes"], *, top: int | None
) -> Float[Tensor, "attributes atoms"]:
    """W that fits attributes by usages, both without their means; rows by themselves.

    Usages sum to 1, so that a constant is within reach of any W; it does not matter to an order.

    Args:
        usage: Of images.
        true: Of the same, NaN where unknown; a row without two known values stays 0.
        top: Non-zero entries of a row, found by orthogonal matching pursuit on usages of unit
            variance (Pati, Rezaiifar, Krishnaprasad, 1993); None for least squares with the least
            norm, which is dense.
    """
    rows = [_row(usage.double().cpu().numpy(), a, top) for a in true.double().cpu().numpy().T]
    found = np.stack(rows) if rows else np.zeros((0, usage.shape[1]))
    return torch.from_numpy(found).to(usage)


def _row(
    usage: Float[np.ndarray, "n atoms"], true: Float[np.ndarray, " n"], top: int | None
) -> Float[np.ndarray, " atoms"]:
    known = ~np.isnan(true)
    row = np.zeros(usage.shape[1])
    if known.sum() < 2:
        return row
    x = usage[known] - usage[known].mean(0)
    y = true[known] - true[known].mean()
    if top is None:
        return np.linalg.lstsq(x, y, rcond=1e-6)[0]
    spread = x.std(0)
    unit = np.divide(x, spread, out=np.zeros_like(x), where=spread > 1e-8 * spread.max())
    chosen: list[int] = []
    left = y
    for _ in range(min(top, len(y) - 1)):
        gain = np.abs(left @ unit)
        gain[chosen] = 0
        if gain.max() <= 1e-9 * np.abs(y).sum():
            break
        chosen.append(int(gain.argmax()))
        row[chosen] = np.linalg.lstsq(x[:, chosen], y, rcond=1e-6)[0]
        left = y - x @ row
    return row
