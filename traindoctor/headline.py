"""Which metric a run is usually judged by: one order for the checks and for the report."""

from __future__ import annotations

HEADLINES = (
    *(
        "map50_95",
        "map",
        "map50",
        "ap",
        "accuracy",
        "bleu",
        "f1",
        "dice",
        "miou",
        "iou",
        "auc",
        "auroc",
        "mrr",
        "ndcg",
    ),
    *("rougel", "rouge1", "rouge2", "em", "r2", "psnr", "ssim", "wer", "cer", "per", "ter", "fid"),
    *("rmse", "mae", "mse", "ppl", "perplexity", "bpb", "bpc"),
)
"""Names of metrics a run is usually judged by, the most telling first."""


def headline_rank(quantity: str) -> int:
    """Place of a metric among HEADLINES, their number for one that is not there.

    Args:
        quantity: our name of a series without its split.

    Example:
        >>> headline_rank("map50_95_b") < headline_rank("bbox_map") < headline_rank("class_7_recall")
        True
    """
    for rank, key in enumerate(HEADLINES):
        if quantity == key or quantity.startswith(f"{key}_") or quantity.endswith(f"_{key}"):
            return rank
    return len(HEADLINES)
