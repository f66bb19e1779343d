"""What names and numbers are called on a page, and which way is better."""

import math
import re

PHRASES = {
    "accuracy/majority": "Accuracy of always naming the most frequent class",
    "accuracy/all": "Modality, named by all of z",
    "accuracy_fooled": "Share taken for the other modality",
    "anatomy_kept": "Dice of the masks at \N{MINUS SIGN}3 and at 3",
    "balanced_accuracy/all": "Balanced accuracy of all of z",
    "change": "Mean change from \N{MINUS SIGN}3 to 3",
    "channel_dice": "Dice of the channel most like it",
    "correlation": "Mean |r| with the step",
    "dice_kept": "Dice of the masks before and after",
    "dice_slice": "Dice by slice, as published",
    "dice_truth": "Dice against the true masks",
    "gain_dice": "Gain in Dice over the second best",
    "hd95_mm": "HD95",
    "hd95_px": "HD95",
    "joint": "all as one",
    "mae_reconstruction": "MAE of the reconstruction",
    "p_value": "p of the paired t-test",
    "p_value_dice": "p of the gain in Dice, paired t-test",
}
"""Of whole paths, or of one part of them."""
WORDS = {
    "auroc": "AUROC", "dice": "Dice", "ece": "calibration error (ECE)", "hd95": "HD95", "kl": "KL",
    "eta": "η", "lr": "learning rate",
    "map5": "mAP@5", "mae": "MAE", "psnr": "PSNR", "r2": "R²", "rmse": "RMSE", "ssim": "SSIM",
    "zrec": "z found again",
}  # fmt: skip
LOWER_IS_BETTER = {
    "accuracy_lost", "accuracy_matched_lost", "ar_loss", "ar_loss_sum", "assd_mm",
    "dead_atom_share", "dice_loss", "drift", "ece", "evenness", "frechet", "hausdorff_mm",
    "hd95_mm", "hd95_px", "leak", "mae", "mae_reconstruction", "mmd_linear", "mmd_rbf",
    "perceptual", "rmse", "spectral_distance_db", "straightness",
}  # fmt: skip
NEITHER = {
    "", "active_share", "anisotropy", "change", "channels_used", "correlation", "correlation_data",
    "correlation_said", "difference_ml", "difference_px", "drawn_axial_width_px",
    "drawn_high_share", "drawn_lateral_width_px", "drawn_speckle_snr", "eta_squared_chance",
    "explained_variance_percent", "focus_chance", "high_share_ratio", "kl", "label_effect_cells",
    "left_out", "moved", "p_correlation_data", "p_correlation_said", "p_value", "p_value_dice",
    "reach_cells", "reach_percent", "real_axial_width_px", "real_high_share",
    "real_lateral_width_px", "real_speckle_snr", "spread_cells", "variance", "variance_least",
    "volume_ml", "volume_px",
}  # fmt: skip
"""What describes, and is not to be high or low."""


def readable(name: str) -> str:
    """A metric's path as words.

    >>> readable("dice_loss/content/k5"), readable("map5_strict/left_annulus")
    ('Dice loss, content, k = 5', 'mAP@5 strict, left annulus')
    >>> readable("hd95_mm/left_ventricle"), readable("accuracy/all")
    ('HD95, left ventricle', 'Modality, named by all of z')
    """
    return PHRASES.get(name) or ", ".join(_words(part) for part in name.split("/") if part)


def number(value: float) -> str:
    """Three decimals below 10, one above, one digit near 0; a dash for what is not finite.

    >>> [number(v) for v in (0.12345, 72.46, 0.00004, 0.0)]
    ['0.123', '72.5', '4e-05', '0.000']
    """
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if 0 < abs(value) < 0.0005:
        return f"{value:.0e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def better(name: str) -> str:
    """Which values of a metric are better: `lower`, `higher`, or neither.

    >>> better("hd95_px/apex"), better("dice/mean"), better("p_value/apex")
    ('lower', 'higher', '')
    """
    head = name.split("/", 1)[0]
    if head in NEITHER:
        return ""
    return "lower" if head in LOWER_IS_BETTER else "higher"


def _words(part: str) -> str:
    kernel = re.fullmatch(r"k(\d+)", part)
    if kernel:
        return f"k = {kernel[1]}"
    return PHRASES.get(part) or " ".join(WORDS.get(word, word) for word in part.split("_"))
