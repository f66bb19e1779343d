"""Attri-SSC-VAE: an image is a sparse sum of atoms, and few atoms stand for each attribute.

Attri-SSC-VAE: Multi-attribute Regularized Sparse Coding VAEs for Interpretable Medical Image
Representation, under double-blind review, 2025; on SSC-VAE (Wang et al., AAAI 2025).

X --encoder--> E --alpha-network--> alpha, how much a coefficient has to be worth
E, alpha --LISTA--> Z, sparse, with E ~ D Z --decoder--> X^
u = mean of |Z| over the grid, in shares; W u = a^, one proxy per attribute

stage I    the image alone: L_SSC
stage II   W begins with what fits attributes by usages, and is shrunk: L_SSC + gamma L_AR + L_GS
stage III  the five strongest atoms of every row are kept: L_SSC + gamma L_AR + mu |W - W_II|^2

An edit moves the coefficients of the atoms of an attribute towards the largest or least that the
training shows, everywhere in the image (appendix A.5).

Differs from the paper
* Coefficients are not negative (`signed=False`). With signed ones the printed lower bound of an
  edit is far below 0, and since usage counts magnitudes, both ends of an edit raise it.
* Atoms have unit norm and E unit mean square, or both would shrink for ever. LISTA starts from 0
  with steps of 1 / 1.01 |D|^2, and thresholds are positive (softplus). The weight of the l1 term is
  a number, not alpha, which would end that term by vanishing.
* Stage II sees L_AR: as printed, nothing but shrinkage would act on W there. The l1 term of W is a
  proximal step, so that entries become 0. `second="printed"` leaves L_AR out.
* W begins with `top` atoms per attribute, by orthogonal matching pursuit (`start="sparse"`); least
  squares (`start="dense"`) is the paper's.
* L_AR compares a batch with the last `remembered` images of the training: a batch of 4 has 6 pairs.
* Hearts are cut out by a window of one size, so that sizes stay what they are; the paper cuts to
  the box of the myocardium and blackens the rest.
* Past the paper, off unless `edits` is set: a second network reads from D Z how what the decoder
  draws is to be reshaped, and learns that of hearts whose walls are moved by their masks (`teach`).
  Without an edit it changes nothing, and an edit moves the same atoms to the same bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Clip, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import attributes
from septum.nn import attribute_names, counterfactual, slice_views, tone
from septum.nn.attribute_parts import Bounds, Mapper, Memory, fitted
from septum.nn.lista import Lista
from septum.nn.mode import evaluating
from septum.nn.reshaping import Reshaper, changed, missed, weighted
from septum.nn.sparse_parts import Decoder, Encoder, Thresholds, unit_power


@dataclass(frozen=True, kw_only=True)
class AttriSscVaeConfig:
    """Sizes and weights, those of the paper by default (Tables 6 and 7).

    Attributes:
        attributes: Labels that codes are tied to, without unit, separated by commas; none if empty.
        names, low, high: Those labels and their range; the images decide.
        classes: Of masks; the images decide.
        dims: 2 for slices, 3 for volumes.
        widths: Channels at full size, and of all smaller maps.
        channels: C', of E.
        atoms: K.
        groups: Of the group norms.
        iterations: Of LISTA.
        signed: Whether coefficients may be negative.
        second_stage, third_stage: Shares of the steps after which these begin.
        second: `attributes`, or `printed` for stage II without L_AR.
        start: Of W: `sparse` or `dense`.
        mapping: `few` atoms per attribute, or `one`, its own.
        reconstruction: Weight of the mean squared error of a pixel.
        latent: Weight of the squared length of E - D Z.
        sparsity: Weight of the sum of |Z| over atoms.
        gamma, delta, mu, rows, columns: Of eq. 10, 12 and 15.
        top: Atoms per attribute in stage III.
        remembered: Images that L_AR compares a batch with.
        flips: Probability of a flip along an axis, and of a quarter turn.
        shift_px: Furthest shift along an axis.
        toned: Share of the images that are shown in another tone.
        edits: Weight of `teach`, in which edits of slices are learnt; 0 leaves that out.
        reach: How far an edit by 1 goes, of the way to the most that the training shows.
    """

    attributes: str = attribute_names.SLICE
    names: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    dims: int = 2
    widths: tuple[int, int] = (128, 512)
    channels: int = 256
    atoms: int = 512
    groups: int = 16
    iterations: int = 16
    signed: bool = False
    second_stage: float = 300 / 450
    third_stage: float = 350 / 450
    second: str = "attributes"
    start: str = "sparse"
    mapping: str = "few"
    reconstruction: float = 1.0
    latent: float = 1.0
    sparsity: float = 0.1
    gamma: float = 5.0
    delta: float = 10.0
    mu: float = 0.01
    rows: float = 10.0
    columns: float = 10.0
    proximal_step: float = 4e-4
    top: int = 5
    remembered: int = 512
    flips: float = 0.1
    shift_px: int = 0
    toned: float = 0.0
    edits: float = 0.0
    reach: float = 0.5


FIRST, SECOND, THIRD = 1, 2, 3
"""Stages of the training (section 3.3)."""


class AttriSscVae(nn.Module):
    """Encoder, dictionary, decoder and mapper, and their three stages (section 3)."""

    stage: Tensor

    def __init__(self, config: AttriSscVaeConfig) -> None:
        super().__init__()
        self.config = c = config
        sizes: Any = {"widths": c.widths, "channels": c.channels, "dims": c.dims}
        self.encoder = Encoder(**sizes, groups=c.groups)
        self.alpha = Thresholds(c.channels, c.atoms, dims=c.dims)
        self.lista = Lista(c.channels, c.atoms, iterations=c.iterations, signed=c.signed)
        self.decoder = Decoder(**sizes, groups=c.groups)
        self.mapper = Mapper(len(c.names), c.atoms) if c.names else None
        self.memory = Memory(c.remembered, atoms=c.atoms, attributes=len(c.names))
        self.bounds = Bounds(c.atoms)
        taught = c.edits and c.names and c.dims == 2
        self.reshaper = Reshaper(c.channels, widths=c.widths) if taught else None
        self._lesson: tuple[counterfactual.Lesson, Tensor] | None = None
        self.register_buffer("stage", torch.ones((), dtype=torch.long))

    def phases(self) -> Sequence[Phase]:
        """Stages I and III, and at four times their rate stage II and the reshaper."""
        parts = [self.encoder, self.alpha, self.lista, self.decoder, *filter(None, [self.mapper])]
        everything = [p for part in parts for p in part.parameters()]
        phases = [
            Phase(name="code", parameters=everything, loss=self.first_and_third),
            Phase(name="map", parameters=everything, loss=self.second, rate=4.0),
        ]
        if self.reshaper is not None:
            fields = [*self.reshaper.parameters()]
            phases.append(Phase(name="reshape", parameters=fields, loss=self.reshape, rate=4.0))
        return phases

    def first_and_third(self, batch: Batch, progress: float) -> Terms:
        """Eq. 13, and eq. 15."""
        stage = self.entered(progress)
        if stage == SECOND:
            return {}
        batch = self.viewed(batch)
        z, terms = self.ssc(batch)
        said = self.regularise(z, batch, in_use=stage == THIRD)
        if stage == FIRST or self.mapper is None:
            return terms
        self.bounds.widen(z)
        return terms | said | {"drift": self.config.mu * self.mapper.drift()} | self.teach(z, batch)

    def second(self, batch: Batch, progress: float) -> Terms:
        """Eq. 14; the l1 norm of W is left to `after_step`."""
        if self.entered(progress) != SECOND:
            return {}
        batch = self.viewed(batch)
        z, terms = self.ssc(batch)
        return terms | self.regularise(z, batch, in_use=self.config.second != "printed")

    def viewed(self, batch: Batch) -> Batch:
        """Images in views of which the attributes are the same."""
        c = self.config
        seen = slice_views.viewed(batch, c.flips, shift_px=c.shift_px)
        return replace(seen, image=tone.varied(seen.image, c.toned)) if c.toned else seen

    def ssc(self, batch: Batch) -> tuple[Float[Tensor, "b atoms *n"], Terms]:
        """Z and L_SSC = L_recon + L_latent (eq. 1-3): what is lost on the way to Z and back."""
        c = self.config
        e, _, z = self.coded(batch.image)
        dz = self.lista.synthesise(z)
        rendered = self.decoder(dz)
        return z, {
            "reconstruction": c.reconstruction * F.mse_loss(rendered, batch.image),
            "latent": c.latent * (e - dz).square().sum(1).mean(),
            "sparsity": c.sparsity * z.abs().sum(1).mean(),
        }

    def coded(
        self, image: Float[Tensor, "b 1 *t h w"]
    ) -> tuple[
        Float[Tensor, "b channels *n"], Float[Tensor, "b atoms *n"], Float[Tensor, "b atoms *n"]
    ]:
        """E, alpha+ and Z (section 3.1); E has unit mean square in every image."""
        e = unit_power(self.encoder(image).float())
        alpha = self.alpha(e)
        return e, alpha, self.lista(e, alpha)

    def regularise(self, z: Float[Tensor, "b atoms *n"], batch: Batch, *, in_use: bool) -> Terms:
        """Gamma L_AR (eq. 9-11) of the batch against itself and what is remembered of others."""
        c = self.config
        if self.mapper is None:
            return {}
        usage = attributes.usage(z)
        true = attribute_names.scaled(batch, c.names, low=c.low, high=c.high)
        known, known_true = (of.clone() for of in self.memory.kept())
        self.memory.remember(usage, true)
        if not in_use:
            return {}
        said, others = self.mapper(usage), self.mapper(known)
        off = attributes.attribute_regularisation(
            said, true, torch.cat([said, others]), torch.cat([true, known_true]), delta=c.delta
        )
        return {"attributes": c.gamma * off.sum()}

    def teach(self, z: Float[Tensor, "b atoms *n"], batch: Batch) -> Terms:
        """The decoder draws of an edited code what it draws of the code (past the paper).

        No printed loss ever sees an edited image. Here every image has an attribute and an amount
        drawn for it, and its mask tells how the picture should change
        (`septum.nn.counterfactual`). That change is the reshaper's, which reads it from the atoms
        of the attribute; what is drawn before it should not depend on how far they are moved.
        """
        c = self.config
        of = None if self.reshaper is None else counterfactual.lesson(
            batch, c.classes, c.names, low=c.low, high=c.high, reach=c.reach
        )  # fmt: skip
        if of is None:
            return {}
        code = z[of.rows]
        dz = self.lista.synthesise(self._edited_by(code, of))
        self._lesson = of, dz.detach()
        with evaluating(self.decoder):
            drawn = self.decoder(dz)
            with torch.no_grad():
                plain = self.decoder(self.lista.synthesise(code))
        off = weighted((drawn - plain).square(), of.inside)
        return {"edits": c.edits * c.reconstruction * off}

    def _edited_by(self, code: Tensor, of: counterfactual.Lesson) -> Tensor:
        """Every code by its own attribute and amount."""
        edited = code.clone()
        for m in of.which.unique().tolist():
            rows = of.which == m
            edited[rows] = self.edited(code[rows], self.config.names[m], of.amount[rows])
        return edited

    def reshape(self, batch: Batch, progress: float) -> Terms:
        """Fields of the codes that were edited last; the reshaper learns from nothing else."""
        del batch, progress
        if self.reshaper is None or self._lesson is None:
            return {}
        (of, dz), self._lesson = self._lesson, None
        off = missed(self.reshaper(dz), of.field)
        return {"fields": self.config.edits * weighted(off, of.inside)}

    def entered(self, progress: float) -> int:
        """The stage of this progress; what marks its beginning is done when it is first met."""
        c = self.config
        wanted = FIRST + (progress >= c.second_stage) + (progress >= c.third_stage)
        while self.mapper is not None and int(self.stage) < wanted:
            self.stage += 1
            if int(self.stage) == SECOND:
                self._start(self.mapper)
            else:
                kept = attributes.kept_rows(self.mapper.weight.detach(), c.top)
                self.mapper.freeze(kept & self.mapper.support)
                self.bounds.forget()
        return wanted

    @torch.no_grad()
    def _start(self, mapper: Mapper) -> None:
        """W fits what is remembered; with one atom per attribute, as many unlike ones."""
        c = self.config
        usage, true = self.memory.kept()
        if len(usage):
            mapper.start(fitted(usage, true, top=c.top if c.start == "sparse" else None))
        if c.mapping == "one":
            own = torch.eye(len(c.names), c.atoms, device=usage.device)
            mapper.start(c.atoms * own)
            mapper.freeze(own > 0)

    def after_step(self, progress: float) -> None:
        """Atoms back to unit norm; in stage II the proximal step of the l1 norm of W."""
        c = self.config
        self.lista.after_step()
        if self.mapper is not None and c.second_stage <= progress < c.third_stage:
            threshold = c.proximal_step * (c.rows + c.columns)
            self.mapper.start(attributes.shrink(self.mapper.weight, threshold))

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 *t h w"]) -> Features:
        """Content is Z; `pooled` is u~, the usage of atoms in shares."""
        z = self.code(image)
        return Features(content=z, style=None, pooled=attributes.usage(z))

    @torch.no_grad()
    def code(self, image: Float[Tensor, "b 1 *t h w"]) -> Float[Tensor, "b atoms *n"]:
        """Z."""
        with evaluating(self):
            return self.coded(image)[2].float()

    def render(self, code: Float[Tensor, "b atoms *n"]) -> Float[Tensor, "b 1 *t h w"]:
        """X^ of Z: the decoder of D Z, reshaped, by the running statistics of their norms."""
        dz = self.lista.synthesise(code)
        with evaluating(self):
            drawn = self.decoder(dz)
            return drawn if self.reshaper is None else changed(drawn, self.reshaper(dz))

    def attributes(self) -> Sequence[str]:
        """Labels that codes are tied to."""
        return self.config.names

    def proxies(self, code: Float[Tensor, "b atoms *n"]) -> Float[Tensor, "b attributes"]:
        """a^ = W u~ (eq. 8), about in [0, 1] over the range of the training but for a constant."""
        if self.mapper is None:
            return code.new_zeros(len(code), 0)
        return self.mapper(attributes.usage(code))

    def edited(
        self, code: Float[Tensor, "b atoms *n"], attribute: str, amount: Float[Tensor, " b"]
    ) -> Float[Tensor, "b atoms *n"]:
        """Z' = (1 - |alpha|) Z + |alpha| B for the strongest atoms of the attribute (A.5)."""
        assert self.mapper is not None
        row = self.mapper.effective()[self.config.names.index(attribute)].detach()
        return self.bounds.approached(code, row, amount, top=self.config.top)

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Sparsity and fidelity on one batch.

        `active` is the share of coefficients above 1e-6 in magnitude, `dead` that of atoms without
        any, `used` their perplexity by usage, `threshold` the mean of alpha+.
        """
        with evaluating(self):
            _, alpha, z = self.coded(batch.image)
            error = F.mse_loss(self.render(z.float()), batch.image)
        on = z.abs() > 1e-6
        u = attributes.usage(z).mean(0)
        return {
            "active": float(on.float().mean()),
            "dead": float((~on.transpose(0, 1).flatten(1).any(1)).float().mean()),
            "used": float(torch.special.entr(u / u.sum().clamp(min=1e-12)).sum().exp()),
            "threshold": float(alpha.float().mean()),
            "psnr_db": float(-10 * error.clamp(min=1e-12).log10()),
        }


def adapted(config: AttriSscVaeConfig, samples: Samples) -> AttriSscVaeConfig:
    """The attributes, their range and the classes of masks of these images."""
    found = attribute_names.resolved(config.attributes, samples)
    return replace(
        config, names=found.names, low=found.low, high=found.high, classes=tuple(samples.classes)
    )


SMALL = AttriSscVaeConfig(
    widths=(16, 64), channels=64, atoms=128, groups=8, reconstruction=1000.0, latent=0.1,
    sparsity=0.05, second_stage=0.25, third_stage=0.3, gamma=8.0, flips=0.5, shift_px=3, toned=0.3,
    edits=2.0,
)  # fmt: skip
SHORT = Recipe(
    data="emidec:hearts", steps=6000, batch_size=16, image_size=(64, 64), lr=5e-4,
    warmup_steps=100, final_lr=0.05,
)  # fmt: skip

PAPER = Paper(
    title="Attri-SSC-VAE",
    cite="Attri-SSC-VAE: Multi-attribute Regularized Sparse Coding VAEs for Interpretable Medical "
    "Image Representation, under double-blind review, 2025",
    build=AttriSscVae,
    adapt=adapted,
    sizes={
        "small": Size(config=SMALL, recipe=SHORT),
        # 70 subjects in batches of 4, 450 epochs: 300 of stage I, 50 of II, 100 of III
        "paper": Size(
            config=AttriSscVaeConfig(dims=3),
            recipe=Recipe(
                data="emidec:hearts", steps=450 * 18, batch_size=4, image_size=(80, 80),
                clip=Clip(frames=80, stride=0), lr=1e-4,
            ),
        ),
        "paper_slices": Size(
            config=AttriSscVaeConfig(),
            recipe=Recipe(
                data="emidec:hearts", steps=450 * 106, batch_size=4, image_size=(256, 256), lr=1e-4
            ),
        ),
    },
)  # fmt: skip
