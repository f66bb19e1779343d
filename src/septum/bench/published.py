"""What the papers report, by metric and model, to stand beside our numbers.

ConceptVAE (Applied Sciences 15(3):1415, 2025): Table 1 (150 end-diastolic frames against 225
end-systolic ones), Table 2 (500 frames, five structures), section 5.3, Table 3. Its images are
private, of other views and about fifty times as many, so the numbers can be compared in order and
in ratio, not in height.
"""

from collections.abc import Mapping

Numbers = Mapping[str, Mapping[str, float]]

CONCEPT_VAE: Numbers = {
    "ConceptVAE": {
        "map5/left_annulus": 0.418,
        "map5/mid_septum": 0.281,
        "map5/apex": 0.518,
        "map5/mid_free_wall": 0.263,
        "map5/right_annulus": 0.371,
        "map5/mean": 0.370,
        "dice_loss/content/k1": 0.5876,
        "dice_loss/content/k3": 0.2268,
        "dice_loss/content/k5": 0.1311,
        "dice_loss/content/k7": 0.1013,
        "dice_loss/content/k9": 0.0903,
        "dice_loss/style/k1": 0.6641,
        "dice_loss/style/k3": 0.4238,
        "dice_loss/style/k5": 0.2586,
        "dice_loss/style/k7": 0.1825,
        "dice_loss/style/k9": 0.1520,
        "dice_loss/both/k1": 0.4853,
        "dice_loss/both/k3": 0.1741,
        "dice_loss/both/k5": 0.1087,
        "dice_loss/both/k7": 0.0938,
        "dice_loss/both/k9": 0.0900,
        "auroc/flow": 0.753,
        "average_precision/both/open": 0.337,
        "average_precision/both/closed": 0.386,
        "average_precision/both/mean": 0.362,
        "average_precision/both/objectness": 0.786,
    },
    "ConceptVAE, untrained": {
        "dice_loss/content/k1": 0.6958,
        "dice_loss/content/k3": 0.5413,
        "dice_loss/content/k5": 0.3665,
        "dice_loss/content/k7": 0.2465,
        "dice_loss/content/k9": 0.1876,
        "dice_loss/style/k1": 0.6942,
        "dice_loss/style/k3": 0.5205,
        "dice_loss/style/k5": 0.3504,
        "dice_loss/style/k7": 0.2405,
        "dice_loss/style/k9": 0.1990,
        "dice_loss/both/k1": 0.6790,
        "dice_loss/both/k3": 0.4655,
        "dice_loss/both/k5": 0.2901,
        "dice_loss/both/k7": 0.2016,
        "dice_loss/both/k9": 0.1715,
    },
    "VICReg": {
        "map5/left_annulus": 0.148,
        "map5/mid_septum": 0.098,
        "map5/apex": 0.345,
        "map5/mid_free_wall": 0.094,
        "map5/right_annulus": 0.128,
        "map5/mean": 0.163,
        "dice_loss/content/k1": 0.187,
        "auroc/flow": 0.655,
        "average_precision/content/open": 0.297,
        "average_precision/content/closed": 0.459,
        "average_precision/content/mean": 0.378,
        "average_precision/content/objectness": 0.665,
    },
}
