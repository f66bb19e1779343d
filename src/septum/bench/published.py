"""What the papers report, by metric and model, to stand beside our numbers.

SDNet (Medical Image Analysis 58, 2019): Table 1 (ACDC, 100 subjects and 1,200 images of other
phases, three folds), Table 3 (MM-WHS, MR and CT, seven structures), sections 5.2, 5.4, 5.6.

ConceptVAE (Applied Sciences 15(3):1415, 2025): Table 1 (150 end-diastolic frames against 225
end-systolic ones), Table 2 (500 frames, five structures), section 5.3, Table 3. Its images are
private, of other views and about fifty times as many, so the numbers can be compared in order and
in ratio, not in height.

CoReEcho (MICCAI 2024, arXiv:2403.10164): Tables 1 to 5, on EchoNet-Dynamic (1,276 tested films,
three clips of each), CAMUS (500 patients, ten folds) and HMC-QU (109 films, five folds).

A-ViT (ARL, ICLR 2026): linear probing and fine-tuning on BUSI, 142 tested images, of which one is
.7 points; segmentation of the left ventricle on hearts that are not named.
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


def _table_1() -> dict[str, dict[str, float]]:
    """Dice of ACDC as the paper has it: average over joint structures, then MYO, LV and RV."""
    shares = ("100.0%", "50.0%", "25.0%", "12.5%", "6.0%", "3.0%", "1.5%")
    columns = ("joint", "myocardium", "left_ventricle", "right_ventricle")
    percent = {
        "U-Net": (
            (85, 83, 88, 79), (85, 83, 87, 79), (75, 77, 82, 67), (70, 71, 80, 61),
            (65, 63, 76, 56), (52, 55, 66, 46), (21, 26, 33, 35),
        ),
        "GAN": (
            (83, 82, 87, 75), (82, 81, 86, 75), (79, 78, 85, 72), (79, 78, 85, 69),
            (75, 75, 81, 69), (75, 73, 79, 67), (67, 67, 78, 63),
        ),
        "Self-training": (
            (85, 84, 89, 82), (82, 80, 85, 78), (78, 76, 85, 70), (67, 63, 77, 57),
            (47, 46, 59, 34), (24, 20, 35, 22), (16, 11, 19, 25),
        ),
        "SDNet": (
            (84, 84, 88, 78), (83, 83, 87, 77), (81, 80, 85, 73), (80, 79, 85, 69),
            (78, 77, 83, 71), (77, 76, 82, 68), (73, 70, 77, 64),
        ),
    }  # fmt: skip
    return {
        model: {
            f"dice_slice/{column}/{share}": value / 100
            for share, row in zip(shares, rows, strict=True)
            for column, value in zip(columns, row, strict=True)
        }
        for model, rows in percent.items()
    }


SDNET: Mapping[str, Numbers] = {
    "Table 1": _table_1(),
    "Section 5.2": {
        "SDNet": {"dice/mean": 0.756, "dice/myocardium": 0.633, "dice/left_ventricle": 0.819},
        "SDNet with areas": {
            "dice/mean": 0.832, "dice/myocardium": 0.706, "dice/left_ventricle": 0.899,
        },
    },
    "Sections 5.3 to 5.5": {"SDNet": {"accuracy/all": 0.92, "accuracy/best": 0.82}},
    "Section 5.6": {
        "C = 8, nz = 8": {"dice/mean": 0.84, "variance": 0.7325},
        "C = 4, nz = 8": {"dice/mean": 0.681},
        "C = 8, nz = 4": {"dice/mean": 0.84},
        "C = 8, nz = 32": {"dice/mean": 0.83},
        "C = 8, nz = 128": {"dice/mean": 0.82},
    },
}  # fmt: skip
"""By table, model and metric. Table 3 is of MR and CT; ours of cine and late enhancement is not."""

COREECHO: Mapping[str, Numbers] = {
    "Table 1": {
        "CoReEcho": {"mae": 3.90, "rmse": 5.13, "r2": 0.8244},
        "EchoCoTr": {"mae": 3.98, "rmse": 5.30, "r2": 0.81},
        "R(2+1)D-18": {"mae": 4.22, "rmse": 5.56, "r2": 0.79},
    },
    "Table 2": {
        "L1": {"r2/one_clip": 0.7511},
        "stage one": {"r2/one_clip": 0.7707},
        "stages one and two": {"r2/one_clip": 0.8159},
        "EchoCoTr": {"r2/one_clip": 0.8122},
    },
    "Table 3": {
        "two clips, views": {"r2/one_clip": 0.7707},
        "one clip, views": {"r2/one_clip": 0.7693},
        "two clips, no views": {"r2/one_clip": 0.6824},
    },
    "Table 4": {
        "scratch": {
            "pearson/good": 0.714, "mae/good": 6.20, "pearson/poor": 0.538, "mae/poor": 8.28,
        },
        "probe of EchoCoTr": {
            "pearson/good": 0.660, "mae/good": 7.00, "pearson/poor": 0.401, "mae/poor": 9.84,
        },
        "probe of CoReEcho": {
            "pearson/good": 0.730, "mae/good": 6.28, "pearson/poor": 0.570, "mae/poor": 8.42,
        },
        "EchoCoTr, fine-tuned": {
            "pearson/good": 0.799, "mae/good": 5.33, "pearson/poor": 0.599, "mae/poor": 7.49,
        },
        "CoReEcho, fine-tuned": {
            "pearson/good": 0.807, "mae/good": 5.29, "pearson/poor": 0.693, "mae/poor": 6.81,
        },
    },
    "Table 5": {
        model: dict(
            zip(
                ("sensitivity", "specificity", "precision", "f1", "accuracy"),
                (value / 100 for value in row),
                strict=True,
            )
        )
        for model, row in {
            "scratch": (95.81, 38.57, 75.99, 84.36, 76.31),
            "probe of EchoCoTr": (72.19, 81.07, 88.60, 78.90, 75.20),
            "probe of CoReEcho": (93.05, 69.64, 87.20, 89.55, 85.18),
            "EchoCoTr, fine-tuned": (98.57, 72.50, 88.37, 92.96, 89.77),
            "CoReEcho, fine-tuned": (92.95, 86.07, 93.55, 92.91, 90.64),
        }.items()
    },
}  # fmt: skip
"""By table, model and metric; `good` are films of good and medium quality. In Table 2, both stages
together and EchoCoTr began with weights of K400, which ours do not."""

ATTRI_SSC_VAE: Mapping[str, Numbers] = {
    "Table 1": {
        "VAE": {"mmd": 1.86}, "beta-VAE": {"mmd": 1.38}, "AR-VAE": {"mmd": 1.74},
        "Attri-VAE": {"mmd": 1.18}, "Attri-SSC-VAE": {"mmd": 0.64},
    },
    "Table 2": {
        "Attri-VAE": {
            "nmi": 1.1310, "psnr_db": 15.1908, "ssim": 0.4254, "frechet": 145.1451,
            "perceptual": 0.2021,
        },
        "Attri-SSC-VAE": {
            "nmi": 1.3753, "psnr_db": 28.6414, "ssim": 0.9371, "frechet": 42.1573,
            "perceptual": 0.0491,
        },
    },
    "Table 4": {
        "Attri-SSC-VAE": {
            "ar_loss_sum": 1073.18, "psnr_db": 28.64, "ssim": 0.94, "frechet": 42.16,
            "perceptual": 0.049,
        },
        "one atom per attribute": {
            "ar_loss_sum": 1091.40, "psnr_db": 28.04, "ssim": 0.92, "frechet": 47.73,
            "perceptual": 0.080,
        },
    },
    "Table 5": {
        "gamma x 0": {"psnr_db": 29.8703, "ssim": 0.9419, "frechet": 41.2179, "perceptual": 0.043},
        **{
            model: {
                "ar_loss_sum": row[0], "psnr_db": row[1], "ssim": row[2], "frechet": row[3],
                "perceptual": row[4],
            }
            for model, row in {
                "gamma x 0.02": (1371.60, 28.5174, 0.9303, 43.9887, 0.056),
                "gamma x 0.2": (1305.92, 28.0889, 0.9313, 45.0348, 0.061),
                "Attri-SSC-VAE": (1073.18, 28.6414, 0.9371, 42.1573, 0.049),
                "gamma x 2": (1285.74, 27.7333, 0.9149, 44.4684, 0.064),
                "gamma x 20": (1178.67, 23.8924, 0.8450, 55.4306, 0.154),
            }.items()
        },
    },
}  # fmt: skip
"""By table, model and metric, on masked hearts at 80 x 80 x 80. Its MMD, in hundredths, is of a
kernel that is not named, so that ours are other metrics; its Frechet and perceptual distances are
of networks trained on photographs, ours of one trained on the same slices."""

ANATOMY_VIT: Mapping[str, Numbers] = {
    "Linear probe/busi": {
        "MAE": {"accuracy/linear": 0.7764},
        "A-ViT": {"accuracy/linear": 0.8662},
    },
    "Fine-tuning/busi": {
        "masked modelling": {"accuracy/own": 0.8943},
        "+ ACDT": {"accuracy/own": 0.9225},
        "+ critic": {"accuracy/own": 0.9295},
        "A-ViT": {"accuracy/own": 0.9366, "auroc/own": 0.9742},
    },
    "Segmentation/camus": {
        "A-ViT": {"dice/mean": 0.9216, "miou": 0.8567},
    },
}
