"""From a source's name of a series to ours: quantity, split and direction, by the words in it."""

from __future__ import annotations

import re
from functools import lru_cache

from traindoctor import names

from .logbook import Meaning

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z](?:[a-z]|[A-Z]*(?![A-Za-z])))")
_WORD = re.compile(r"[a-z0-9@]+")


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr", "trl"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validation", "dev", "eval", "evaluation", "evaluator", "heldout", "vl"),
        "validation",
    ),
    **dict.fromkeys(("test", "testing", "tst", "tel"), "test"),
}
LOSS_WORDS = frozenset(("loss", "losses", "cost", "nll", "objective", "trl", "tel", "criterion"))
FILLERS = _vocabulary(
    """
    total avg average mean overall final lm batch running value all metrics metric current the of set
    results ts smoothed raw monitor score full model global main last
    """
)
"""Words that do not make it another quantity."""

DETAILS = frozenset(
    ("std", "stderr", "min", "max", "best", "weight", "scale", "window", "time", "count", "num")
)
"""Words that do: the standard deviation of a loss is no loss."""

HIGHER = _vocabulary(
    """
    acc accuracy top1 top5 acc1 acc5 acc@1 acc@5 prec@1 prec@5 precision recall f1 fscore map map50 map@
    ap ap50 ap75 aps apm apl iou miou dice bleu sacrebleu rouge rouge1 rouge2 rougel rougelsum meteor
    chrf cider auc auroc auprc roc r2 corr correlation pearson spearman kappa mcc psnr ssim ndcg mrr hit
    hits reward rewards return returns success specificity sensitivity bbox segm em exact topk elo
    winrate
    """
)
LOWER = _vocabulary(
    """
    loss nll error err wer cer per ter der eer ppl perplexity bpb bpc bpd bits rmse mae mse mape smape
    rmsle fid kid lpips ece brier epe crps msle distance hausdorff hd95 top1err cost rmsd nmse mase
    """
)
ACCURACY = frozenset(("acc", "accuracy", "top1", "acc1", "acc@1", "prec@1", "prec1"))
RUN_KEEPING = _vocabulary(
    """
    time eta memory mem speed fps throughput runtime seconds second sec ms samples tokens tok flos flops
    mfu percentage remaining elapsed duration timestamp wall gpu cpu utilization dt secs hours minutes
    iterations ups wps wpb bsz steps iter updates lr params parameters best
    """
)
"""Book-keeping of a run: never a metric."""

LEVELS = ("step", "epoch")
"""Words that say how often a quantity was averaged."""


def words(name: str) -> list[str]:
    """The words of a name in lower case, split at punctuation and capitals.

    Example:
        >>> words("eval/trainLoss (avg)"), words("mAP50-95(B)"), words("TRAIN_LOSS")
        (['eval', 'train', 'loss', 'avg'], ['map50', '95', 'b'], ['train', 'loss'])
    """
    head = re.sub(r"m(?=AP|IOU)", "m\N{WORD JOINER}", name.replace("IoU", "IOU"))
    return _WORD.findall(_CAMEL.sub(" ", head).replace("\N{WORD JOINER}", "").lower())


_GRADIENT_NORM = re.compile(
    r"(?:(?:optim|optimizer|global|total|l2|lm) )*(?:grad(?:ient)?s? ?norm|gnorm)"
    r"(?: (?:total|2|2 0|l2|global|before clip|preclip))*"
)


@lru_cache(maxsize=20_000)
def classify(name: str) -> Meaning:
    """What a source's series is, as far as its name tells.

    Example:
        >>> classify("train/box_loss").name, classify("val_loss").name, classify("learning_rate").name
        ('box_loss/train', 'loss/validation', 'lr/0')
        >>> classify("eval_wer").better, classify("metrics/mAP50(B)").name
        ('lower', 'map50_b/validation')
    """
    found = words(name)
    if not found:
        return Meaning()
    split = _split(found)
    rest = [word for word in found if word not in SPLITS or word in LOSS_WORDS]
    for reader in (_epoch, _learning_rate, _gradient_norm, _loss_scale):
        meaning = reader(rest, split)
        if meaning is not None:
            return meaning
    if RUN_KEEPING.intersection(rest):
        return Meaning(split=split)
    return _loss(rest, split) or _metric(rest, split) or Meaning(split=split)


def _split(found: list[str]) -> str:
    """The split a name tells; a prefix of its own wins over a word inside (`eval/train_loss` is training)."""
    told = [SPLITS[word] for word in found if word in SPLITS]
    if not told:
        return ""
    return told[-1] if set(told) == {"train", "validation"} else told[0]


def _epoch(rest: list[str], split: str) -> Meaning | None:
    return Meaning(names.EPOCH, unit="epochs") if rest == ["epoch"] and split in ("", "train") else None


def _learning_rate(rest: list[str], split: str) -> Meaning | None:
    text = " ".join(rest)
    found = re.search(r"(?:^| )(?:lr|learning rate|learningrate|lr(?=\d)|lr pg|x lr)(?: ?(.*))$", text)
    if found is None or "schedule" in text or "mult" in text or split in ("validation", "test"):
        return None
    group = re.sub(r"^pg ?(?=\d)", "", found.group(1).strip()) or "0"
    group = re.sub(r"[^a-z0-9]+", "_", group)
    return Meaning(names.lr(group), better="", unit="1/step")


def _gradient_norm(rest: list[str], split: str) -> Meaning | None:
    text = " ".join(rest)
    del split
    if not _GRADIENT_NORM.fullmatch(text):
        return None
    if "before" in text or "preclip" in text:
        return Meaning(names.GRAD_NORM_PRECLIP, note="before clipping")
    return Meaning(names.GRAD_NORM, note="the log does not say whether before or after clipping")


def _loss_scale(rest: list[str], split: str) -> Meaning | None:
    del split
    return Meaning(names.AMP_SCALE) if " ".join(rest) in ("loss scale", "amp scale", "scaler scale") else None


def _loss(rest: list[str], split: str) -> Meaning | None:
    if not LOSS_WORDS.intersection(rest) or DETAILS.intersection(rest):
        return None
    parts = [word for word in rest if word not in LOSS_WORDS and word not in FILLERS and word not in LEVELS]
    if "nll" in rest and "loss" in rest:
        parts = [*parts, "nll"]
    where = split or "train"
    # Plain names before those with fillers, a step's value before an average, a told split before a guess.
    rank = sum(word in FILLERS and word not in ("total", "lm") for word in rest) + (0 if split else 1)
    rank += 3 if "epoch" in rest else 1 if "step" in rest else 0
    name = "_".join([*parts, "loss"])
    return Meaning(f"{name}/{where}", where, "lower", "loss units", rank=rank, tells_split=bool(split))


def _metric(rest: list[str], split: str) -> Meaning | None:
    direction = better(rest)
    if not direction or DETAILS.intersection(rest):
        return None
    kept = [word for word in rest if word not in FILLERS and word not in LEVELS] or rest
    where = split or "validation"
    rank = (0 if split else 1) + (3 if "epoch" in rest else 0)
    is_accuracy = ACCURACY.issuperset(kept)
    name, unit = ("accuracy", "fraction") if is_accuracy else ("_".join(kept), "")
    return Meaning(f"{name}/{where}", where, direction, unit, rank=rank, tells_split=bool(split))


def better(found: list[str]) -> str:
    """`lower`, `higher` or "" for the words of a metric's name; a name with words of both tells nothing.

    Example:
        >>> better(["wer"]), better(["bleu"]), better(["entropy"]), better(["error", "accuracy"])
        ('lower', 'higher', '', '')
    """
    lower = any(word in LOWER for word in found)
    higher = any(
        word in HIGHER or re.fullmatch(r"(?:map|ap|top|acc|hit|recall|p|r)@?\d+", word) for word in found
    )
    if lower == higher:
        return ""
    return "lower" if lower else "higher"
