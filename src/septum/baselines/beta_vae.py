"""beta-VAE: a VAE whose posterior is pulled harder to the prior, so that dimensions come apart.

Higgins, Matthey, Pal, Burgess, Glorot, Botvinick, Mohamed, Lerchner: beta-VAE: Learning Basic
Visual Concepts with a Constrained Variational Framework, ICLR 2017. The second baseline of
Attri-SSC-VAE (Table 1), with the network of Attri-VAE: `septum.nn.attribute_vae`.

x --encoder--> N(mean, scale) --drawn--> z --decoder--> x^      |x - x^|^2 + beta KL

beta is that of Attri-VAE, 2, so that the two differ in attributes alone.
"""

from functools import partial

from septum.contract import Paper
from septum.losses.anatomy import kl_to_unit
from septum.losses.attributes import attribute_regularisation
from septum.nn.attribute_vae import AttributeVae, adapted, sizes

PAPER = Paper(
    title="beta-VAE",
    cite="Higgins et al.: beta-VAE: Learning Basic Visual Concepts with a Constrained Variational "
    "Framework, ICLR 2017",
    build=partial(AttributeVae, kl=kl_to_unit, order=attribute_regularisation),
    adapt=adapted,
    sizes=sizes(beta=2.0),
)
