"""SDNet: an image is its anatomy, binary maps in space, and its modality, a short vector.

Chartsias, Joyce, Papanastasiou, Semple, Williams, Newby, Dharmakumar, Tsaftaris: Disentangled
representation learning in cardiac image analysis, Medical Image Analysis 58, 2019,
arXiv:1903.09467.

x    --f_anatomy, binarise--> s  C maps of 0 and 1, each pixel in one
x, s --f_modality-----------> z  mean and variance of a normal distribution
s    --h--------------------> m  masks, which few images have and a critic D_M judges
s, z --g--------------------> y  the image again; z may scale and shift maps of s, no more

So shape can only come through s and appearance only through z: images without a mask teach what the
maps are, and few masks tell which maps are the heart.

Differs from the paper
* s is the arg-max over channels. The printed floor(s + 1/2) leaves every pixel in which no channel
  exceeds one half without any: 87 % of them at the start. `binarise="round"` is that operator.
* The z that made an image is sought from the anatomy of the image it was made for, as the authors'
  code has it; the paper encodes the anatomy anew (`zrec_anatomy="reencoded"`).
* The critic has spectral norm (Miyato et al., 2018); the authors' code pulls its kernels towards
  theirs by a penalty. It is shown the class of every pixel, with the gradient of the probabilities:
  otherwise it tells predictions from masks by their soft edges and teaches nothing about shape.
* `small` sharpens the logits of masks (`sharpness`) and takes shorter steps on images without a
  mask (`unlabelled_rate`): Adam makes steps of one length whatever the weights of the losses, and
  in few steps the critic otherwise outweighs the masks.
* The modality encoder averages its last map to 13 x 13 cells: that of 224 x 224 pixels as it is.
* Every one of the five steps has its own Adam, the authors share one between both steps on z.
* The area head averages its maps over the image, and ends in softplus: a dead ReLU stays dead.
* Past the paper, off unless `consistency` is set: `consistent`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import anatomy as losses
from septum.nn import quantise, strong, supervised, tone
from septum.nn.anatomy_parts import AreaHead, Decoder, Drawer, ModalityEncoder, segmentor
from septum.nn.critic import MaskCritic, Pool
from septum.nn.mirror import follow, mirror
from septum.nn.mode import evaluating
from septum.nn.ranks import draw
from septum.nn.unet import UNet

BETAS = (0.5, 0.999)


@dataclass(frozen=True, kw_only=True)
class SDNetConfig:
    """Sizes and weights, those of the paper by default (section 4.2, Fig. 2).

    Attributes:
        structures: L, foreground classes; the images decide.
        image_size: The images decide.
        channels: C, maps of the anatomy.
        modality: nz, length of z.
        width: Of the first level of the U-Net.
        kl, segmentation, adversarial, reconstruction, zrec: lambda 1 to 5.
        rotation_deg: Images are turned up to this angle either way.
        real_masks: What the critic takes for real: `all` masks of the training split, also those
            kept from their images, or those of the `labelled` images.
        area: Label that is regressed too, such as `left_ventricle_px`; empty for none (5.2).
        consistency: Weight of `consistent`; 0 leaves it out.
        sure: Least probability of a class that `consistent` takes for the truth.
        sharpness: Factor of the logits of masks.
        unlabelled_rate: Factor of the learning rate of step 3.
        toned: Share of the images that `rebuilt` shows in another tone; 0 leaves it out.
    """

    structures: int = 3
    image_size: tuple[int, int] = (224, 224)
    channels: int = 8
    modality: int = 8
    width: int = 64
    segmentor_width: int = 64
    modality_width: int = 16
    critic_width: int = 64
    binarise: str = "argmax"
    kl: float = 0.01
    segmentation: float = 10.0
    adversarial: float = 10.0
    reconstruction: float = 1.0
    zrec: float = 1.0
    zrec_anatomy: str = "input"
    zrec_target: str = "mean"
    rotation_deg: float = 90.0
    real_masks: str = "all"
    area: str = ""
    area_weight: float = 10.0
    consistency: float = 0.0
    sure: float = 0.8
    sharpness: float = 1.0
    unlabelled_rate: float = 1.0
    toned: float = 0.0


class AnatomyEncoder(nn.Module):
    """f_anatomy (section 3.1.1): U-Net, 1 x 1, softmax over channels."""

    def __init__(self, c: SDNetConfig) -> None:
        super().__init__()
        self.body = UNet(width=c.width)
        self.head = nn.Conv2d(c.width, c.channels, 1)

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b C h w"]:
        """Log-probabilities of the channels."""
        return F.log_softmax(self.head(self.body(x)), dim=1)


def binarised(
    log_p: Float[Tensor, "b C h w"], *, how: str, training: bool
) -> Float[Tensor, "b C h w"]:
    """Maps of 0 and 1 forwards, the gradient of the probabilities backwards."""
    match how:
        case "round":
            p = log_p.exp()
            return (p.detach() + 0.5).floor() - p.detach() + p
        case "gumbel" if training:
            noise = quantise.gumbel(draw(torch.rand, log_p.shape, device=log_p.device))
            return quantise.sample_one_hot(log_p, noise, temperature=1.0)
        case _:
            return quantise.straight_through(log_p.exp())


class SDNet(nn.Module):
    """The five networks and the five steps of an iteration (section 4.2)."""

    def __init__(self, config: SDNetConfig) -> None:
        super().__init__()
        self.config = c = config
        self.f_anatomy = AnatomyEncoder(c)
        of: Any = {"channels": c.channels, "length": c.modality}
        self.f_modality = ModalityEncoder(width=c.modality_width, **of)
        self.h = segmentor(channels=c.channels, width=c.segmentor_width, classes=c.structures + 1)
        self.g = Decoder(**of)
        shapes: Any = {"structures": c.structures, "image_size": c.image_size}
        self.critic = MaskCritic(width=c.critic_width, **shapes)
        self.pool = Pool(**shapes)
        self.area = AreaHead(channels=c.channels) if c.area else None
        self.teacher = mirror(Drawer(self.f_anatomy, self.h)) if c.consistency else None
        self._seen: dict[str, tuple[Tensor, Tensor]] = {}

    def phases(self) -> Sequence[Phase]:
        """The five steps in their order; each begins where the one before has ended."""
        parts = [self.f_anatomy, self.f_modality, self.h, self.g, *filter(None, [self.area])]
        everything = [p for part in parts for p in part.parameters()]
        of_z = [*self.f_modality.parameters(), *self.g.parameters()]
        steps = (
            ("labelled", everything, self.supervised, 1.0),
            ("labelled_z", of_z, partial(self.regress_z, "labelled"), 1.0),
            ("unlabelled", everything, self.unsupervised, self.config.unlabelled_rate),
            ("unlabelled_z", of_z, partial(self.regress_z, "unlabelled"), 1.0),
            ("critic", [*self.critic.parameters()], self.judge, 1.0),
        )
        return [
            Phase(name=name, parameters=parameters, loss=loss, betas=BETAS, rate=rate)
            for name, parameters, loss, rate in steps
        ]

    def supervised(self, batch: Batch, progress: float) -> Terms:
        """Step 1, images with a mask: L_segm, L_rec, L_KL."""
        del progress
        known = supervised.annotated(batch)
        if not len(known.image):
            return {}
        known = supervised.turned(known, self.config.rotation_deg)
        s, terms = self.rebuilt(known, "labelled")
        assert known.mask is not None
        truth = supervised.structures(known.mask, self.config.structures)
        dice = losses.dice(self.masks(s), truth)
        return {"dice": self.config.segmentation * dice, **terms}

    def unsupervised(self, batch: Batch, progress: float) -> Terms:
        """Step 3, images without: L_adv against the critic, L_rec, L_KL."""
        bare = supervised.others(batch)
        if not len(bare.image):
            return {}
        bare = supervised.turned(bare, self.config.rotation_deg)
        s, terms = self.rebuilt(bare, "unlabelled")
        masks = quantise.straight_through(self.drawn(s))[:, 1:]
        self.pool.remember(masks)
        fooled = losses.towards(self.critic(masks), 1.0)
        found = {"adversarial": self.config.adversarial * fooled, **terms}
        return found | self.consistent(bare.image, progress)

    def rebuilt(self, batch: Batch, name: str) -> tuple[Float[Tensor, "b C h w"], Terms]:
        """The anatomy, and what it and z lack to be the image.

        Past the paper, if `toned`: s is read from the image in one tone, z from another, which is
        to be rebuilt. So s cannot tell the tone and z has to; otherwise which maps are in use says
        enough of the modality for z to be forgotten.
        """
        c = self.config
        seen, x = (2 * tone.varied(batch.image, c.toned) - 1 for _ in "sz")
        s = self.anatomy(seen)
        mean, log_variance = self.f_modality(x, s)
        z = mean + (log_variance / 2).exp() * draw(torch.randn, mean.shape, device=mean.device)
        self._seen[name] = (x, s.detach())
        terms = {
            "reconstruction": c.reconstruction * losses.absolute(x, self.g(s, z)),
            "kl": c.kl * losses.kl_to_unit(mean, log_variance),
        }
        return s, terms | self._areas(s, batch)

    def regress_z(self, name: str, batch: Batch, progress: float) -> Terms:
        """Steps 2 and 4: z that was drawn is found again in the image it made (L_zrec, 3.3.1).

        The images and their anatomy are those of the step before, which they cannot change.
        """
        del batch, progress
        c = self.config
        if name not in self._seen:
            return {}
        x, s = self._seen.pop(name)
        z = draw(torch.randn, (len(x), c.modality), device=x.device)
        y = self.g(s, z)
        again = self.anatomy(y) if c.zrec_anatomy == "reencoded" else s
        mean, log_variance = self.f_modality(y, again)
        if c.zrec_target == "sample":
            noise = draw(torch.randn, mean.shape, device=mean.device)
            mean = mean + (log_variance / 2).exp() * noise
        return {"zrec": c.zrec * losses.absolute(z, mean)}

    def judge(self, batch: Batch, progress: float) -> Terms:
        """Step 5: the critic learns to tell real masks from remembered predictions."""
        del progress
        mask = supervised.annotated(batch).mask
        if self.config.real_masks == "all" and batch.unpaired is not None:
            mask = batch.unpaired
        if mask is None or not len(mask) or not int(self.pool.filled):
            return {}
        drawn = supervised.turned_mask(mask, self.config.rotation_deg)
        real = supervised.structures(drawn, self.config.structures)
        return {
            "real": losses.towards(self.critic(real), 1.0),
            "fake": losses.towards(self.critic(self.pool.sample(len(real))), 0.0),
        }

    def consistent(self, image: Float[Tensor, "b 1 h w"], progress: float) -> Terms:
        """Masks of a strong view agree with those that a moving average of the model draws.

        Past the paper. Images differ in contrast and the heart stays what it is: that is what SDNet
        claims of s, so it is asked for where no mask is known. The teacher sees the image as it
        is; only where it is sure of a class does the pixel count (FixMatch, Sohn et al., 2020,
        arXiv:2001.07685; mean teachers, Tarvainen and Valpola, 2017, arXiv:1703.01780). In the end
        it is the teacher that draws.
        """
        c = self.config
        if self.teacher is None:
            return {}
        height, width = image.shape[2:]
        view = strong.sample(len(image), (height, width), image.device)
        with torch.no_grad(), evaluating(self.teacher):
            wanted = strong.mixed(self.taught(2 * image - 1), view)
        sure = (wanted.amax(1, keepdim=True) > c.sure).float()
        drawn = self.masks(self.anatomy(2 * strong.shaded(strong.mixed(image, view), view) - 1))
        weight = c.consistency * min(1.0, progress / 0.25)
        truth = quantise.one_hot(wanted)[:, 1:]
        return {"consistency": weight * losses.dice(drawn * sure, truth * sure)}

    def anatomy(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b C h w"]:
        """s, from an image in [-1, 1]."""
        return binarised(self.f_anatomy(x), how=self.config.binarise, training=self.training)

    def drawn(self, s: Float[Tensor, "b C h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first."""
        return (self.config.sharpness * self.h(s).float()).softmax(1)

    def taught(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """The same, as the teacher has it for an image in [-1, 1]."""
        assert self.teacher is not None
        return (self.config.sharpness * self.teacher(x).float()).softmax(1)

    def masks(self, s: Float[Tensor, "b C h w"]) -> Float[Tensor, "b l h w"]:
        """Probabilities of the structures; the background, which takes the rest, is left out."""
        return self.drawn(s)[:, 1:]

    def after_step(self, progress: float) -> None:
        """The teacher follows, if there is one."""
        if self.teacher is not None:
            follow([self.teacher], [Drawer(self.f_anatomy, self.h)], min(0.99, 0.9 + progress))

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """Content is s, style is the mean of z at every pixel, which is `pooled` too."""
        x = 2 * image - 1
        with evaluating(self):
            s = self.anatomy(x)
            z, _ = self.f_modality(x, s)
        return Features(content=s, style=z[:, :, None, None].expand(-1, -1, *s.shape[2:]), pooled=z)

    @torch.no_grad()
    def decode(
        self, content: Float[Tensor, "b C h w"], style: Float[Tensor, "b z h w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """Render the anatomy in the modality, which is the mean of the style; in [0, 1]."""
        with evaluating(self):
            return (self.g(content, style.mean(dim=(2, 3))) + 1) / 2

    @torch.no_grad()
    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first."""
        x = 2 * image - 1
        with evaluating(self):
            return self.taught(x) if self.teacher else self.drawn(self.anatomy(x))

    @torch.no_grad()
    def regress(self, image: Float[Tensor, "b 1 h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """The area of a structure in pixels, if the config names one."""
        if self.area is None:
            return {}
        with evaluating(self):
            share = self.area(self.anatomy(2 * image - 1))
        return {self.config.area: share.float() * image.shape[2] * image.shape[3]}

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """How much z says, and how much of s is in use, on one batch.

        `variance` is the posterior variance, mean over dimensions and images; at 1 in every
        dimension z says nothing (5.6). `variance_least` is that of the most telling dimension.
        """
        x = 2 * batch.image - 1
        with evaluating(self):
            s = self.anatomy(x)
            mean, log_variance = self.f_modality(x, s)
            error = losses.absolute(x, self.g(s, mean))
        variance = log_variance.exp().mean(0)
        share = s.mean(dim=(0, 2, 3))
        return {
            "variance": float(variance.mean()),
            "variance_least": float(variance.min()),
            "kl": float(losses.kl_to_unit(mean, log_variance)),
            "reconstruction": float(error),
            "channels_used": float((share > 0.01).sum()),
        }

    def _areas(self, s: Float[Tensor, "b C h w"], batch: Batch) -> Terms:
        """Absolute error of the share of the image that the structure covers, where it is known."""
        if self.area is None or self.config.area not in batch.labels:
            return {}
        pixels = batch.image.shape[2] * batch.image.shape[3]
        wanted = batch.labels[self.config.area] / pixels
        known = ~wanted.isnan()
        off = (self.area(s).float() - wanted.nan_to_num()).abs() * known
        return {"area": self.config.area_weight * off.sum() / known.sum().clamp(min=1)}


def adapted(config: SDNetConfig, samples: Samples) -> SDNetConfig:
    """The structures and the size of these images.

    Raises:
        BadInput: There are no masks, the size does not fit, or no image has the area's label.
    """
    structures, image_size = supervised.learns_from(samples, multiple=16)
    if config.area and not any(config.area in record.labels for record in samples.records):
        numbers = sorted({k for r in samples.records for k in r.labels if k.endswith("_px")})
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has the label {config.area!r} to learn "
            f"an area from; choose one of {', '.join(numbers) or 'those of another data set'}."
        )
    return replace(config, structures=structures, image_size=image_size)


SMALL = SDNetConfig(
    image_size=(64, 64), width=16, segmentor_width=16, critic_width=16, rotation_deg=20.0,
    sharpness=5.0, unlabelled_rate=0.1,
)  # fmt: skip
SHORT = Recipe(
    data="acdc", steps=400, batch_size=8, labelled=4, image_size=(64, 64), lr=1e-3,
    warmup_steps=20, final_lr=0.05,
)  # fmt: skip
# every image has its mask: steps 3 to 5 fall away (section 5.3)
SUPERVISED = Size(config=replace(SMALL, toned=0.5), recipe=replace(SHORT, steps=1600, labelled=8))

PAPER = Paper(
    title="SDNet",
    cite="Chartsias et al., Disentangled representation learning in cardiac image analysis, "
    "Medical Image Analysis 58, 2019, arXiv:1903.09467",
    build=SDNet,
    adapt=adapted,
    sizes={
        "small": Size(config=SMALL, recipe=SHORT),
        "small_supervised": SUPERVISED,
        "paper": Size(
            config=SDNetConfig(),
            # 300 updates an epoch, 500 epochs
            recipe=Recipe(
                data="acdc", steps=150_000, batch_size=8, labelled=4, lr=1e-4, lr_decay=1e-4
            ),
        ),
    },
)  # fmt: skip
