"""AR-VAE: a VAE with one dimension for every attribute, in whose order images lie on it.

Pati, Lerch: Attribute-based Regularization of Latent Spaces for Variational Auto-Encoders, Neural
Computing and Applications 33, 2021, arXiv:2004.05485. The third baseline of Attri-SSC-VAE (Table
1), with the network of Attri-VAE: `septum.nn.attribute_vae`.

x --encoder--> N(mean, scale) --drawn--> z --decoder--> x^      |x - x^|^2 + KL
                                         z_m, attribute m       gamma AR, delta = 1

gamma and delta are those of the authors' code; Attri-SSC-VAE does not say which it used. `small`
has gamma = 1000: with 10 its few steps leave the attributes out of order.
"""

from functools import partial

from septum.contract import Paper
from septum.losses.anatomy import kl_to_unit
from septum.losses.attributes import attribute_regularisation
from septum.nn.attribute_names import SLICE
from septum.nn.attribute_vae import AttributeVae, adapted, sizes

PAPER = Paper(
    title="AR-VAE",
    cite="Pati, Lerch: Attribute-based Regularization of Latent Spaces for Variational "
    "Auto-Encoders, Neural Computing and Applications 33, 2021, arXiv:2004.05485",
    build=partial(AttributeVae, kl=kl_to_unit, order=attribute_regularisation),
    adapt=adapted,
    sizes=sizes(attributes=SLICE, beta=1.0, gamma=10.0, delta=1.0, small={"gamma": 1000.0}),
)
