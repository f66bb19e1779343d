"""What the pictures of the tasks show, in a sentence or two."""

from septum.report.words import readable

CAPTIONS = {
    "area/area": "The area of a structure: true and estimated, and their difference against their "
    "mean; between the dashed lines lie 95 % of differences.",
    "attributes/attributes": "What codes say of an attribute against its label, a dot per slice. "
    "Only the order is asked for.",
    "classify/confusion": "How often an image of one class is taken for another.",
    "classify/labels": "How often the class is told by a logistic regression that saw the labels "
    "of so many of the training subjects.",
    "classify/reliability": "How often what is said holds, against how sure it was said: on the "
    "diagonal, confidence may be believed.",
    "colours/colours": "Images, and their features as colours: alike is what has one colour (ARL, "
    "Fig. 1b).",
    "conditioning/conditions": "How often the class is told where the organ is given, recognised, "
    "wrong or absent.",
    "delineate/examples": "True masks and the model's, on slices spread evenly over the split.",
    "delineate/worst": "The middle slices of the volumes with the lowest Dice.",
    "detect/detection": "Boxes: the true ones, and those found.",
    "detect/precision_recall": "Precision against recall.",
    "edit/along": "The attribute that is edited and the others, measured again on what is drawn: "
    "medians, and quartiles.",
    "edit/edits": "An attribute a row, less of it to the left and more to the right of the image; "
    "beneath, where the picture depends on the edit (Attri-SSC-VAE, Fig. 3).",
    "interpolate/interpolations": "What lies between the codes of two subjects (Attri-SSC-VAE, "
    "Fig. 2).",
    "modality/accuracy": "How often z, one of its dimensions, or the content names the modality of "
    "an unseen subject. One dimension that does it alone holds the modality.",
    "modality/plane": "The styles z of the tested images, along their two principal directions. "
    "Modalities should lie apart.",
    "offsets/reach": "How far from their cell the taps of every block sample, organ by organ.",
    "offsets/taps": "Where the taps of some cells sample, on an image of every organ.",
    "outliers/roc": "Unknown kinds of images told from known ones.",
    "outliers/typicality": "How unusual every cell is; yellow is unusual.",
    "reconstruct/reconstructions": "Images, what is drawn of their codes, and the difference: the "
    "best, a middling and the worst.",
    "retrieve/retrieval": "Queries, and what was found nearest to them.",
    "segment/dice_loss": "Dice loss of a linear map with kernels of different size.",
    "segment/segmentation": "True masks, and those read out of the features.",
    "speckle/drawn": "Images, the half of their patches that is seen, and all of them as they are "
    "drawn next to real ones.",
    "speckle/spectra": "Power by spatial frequency, of the images and of what is drawn: where the "
    "curve of the drawn falls below, their grain is missing.",
    "synthesise/augmentations": "What the augmentations make of an image.",
    "synthesise/dice": "What augmentation gains at every share of the labels.",
    "transform/transformed": "The anatomy of one image in the style of another. The heart should "
    "stay: compare the two masks.",
    "traverse/arithmetic": "Drawn again after channels of the anatomy were moved, exchanged and "
    "shuffled. What follows its channel was held by it (SDNet, Fig. 7).",
    "traverse/channels": "The channels of the anatomy, each with the structure it overlaps most "
    "with and their Dice (SDNet, Fig. 3 and 5).",
    "traverse/traversal": "One image, one dimension of z a row, from \N{MINUS SIGN}3 to 3; then "
    "where intensity follows it (correlation), and by how much (difference). Borders should stay "
    "(SDNet, Fig. 8).",
    "usage/needed": "The error of pictures from concepts alone, as fewer are kept.",
}
"""By task and name of the file."""


def caption(task: str, name: str) -> str:
    """What the picture of that name shows; its name as words, if that is all there is.

    >>> caption("delineate", "worst"), caption("retrieve", "best_hits")
    ('The middle slices of the volumes with the lowest Dice.', 'Best hits')
    """
    words = readable(name)
    return CAPTIONS.get(f"{task}/{name}") or words[:1].upper() + words[1:]
