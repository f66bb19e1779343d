"""VAE: a variational autoencoder that nobody tells what its dimensions should mean.

Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114. The first baseline of
Attri-SSC-VAE (Table 1), with the network of Attri-VAE: `septum.nn.attribute_vae`.

x --encoder--> N(mean, scale) --drawn--> z --decoder--> x^      |x - x^|^2 + KL
"""

from functools import partial

from septum.contract import Paper
from septum.losses.anatomy import kl_to_unit
from septum.losses.attributes import attribute_regularisation
from septum.nn.attribute_vae import AttributeVae, adapted, sizes

PAPER = Paper(
    title="VAE",
    cite="Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114",
    build=partial(AttributeVae, kl=kl_to_unit, order=attribute_regularisation),
    adapt=adapted,
    sizes=sizes(beta=1.0),
)
