"""Attri-VAE: dimensions in the order of attributes, and a diagnosis that z has to tell.

Cetin, Stephens, Camara, González Ballester: Attri-VAE: Attribute-based interpretable
representations of medical images with variational autoencoders, Computerized Medical Imaging and
Graphics 104, 2023, arXiv:2203.10417. The fourth baseline of Attri-SSC-VAE (Tables 1 to 3); network
and what differs from the paper: `septum.nn.attribute_vae`.

x --encoder--> N(mean, scale) --drawn--> z --decoder--> x^      |x - x^|^2 + beta KL
                                         z_m, attribute m       gamma AR
                                         z --classifier--> y^   cross-entropy
                                         all parameters         5e-5 |theta|_1

`small` has gamma = 1000 and delta = 1: with the published 10 and 100 its few steps leave the
attributes out of order, at the same error of the images.
"""

from functools import partial

from septum.contract import Paper
from septum.losses.anatomy import kl_to_unit
from septum.losses.attributes import attribute_regularisation
from septum.nn.attribute_names import SLICE
from septum.nn.attribute_vae import AttributeVae, adapted, sizes

PAPER = Paper(
    title="Attri-VAE",
    cite="Cetin, Stephens, Camara, González Ballester: Attri-VAE: Attribute-based interpretable "
    "representations of medical images with variational autoencoders, Computerized Medical "
    "Imaging and Graphics 104, 2023, arXiv:2203.10417",
    build=partial(AttributeVae, kl=kl_to_unit, order=attribute_regularisation),
    adapt=adapted,
    sizes=sizes(
        attributes=SLICE, diagnosis="pathological", beta=2.0, gamma=10.0, delta=100.0,
        weight_l1=5e-5, small={"gamma": 1000.0, "delta": 1.0},
    ),
)  # fmt: skip
