"""From strangers' series names to ours."""

from __future__ import annotations

import pytest

from traindoctor.collectors.intake.series_names import classify, words


@pytest.mark.parametrize(
    ("theirs", "ours", "better"),
    [
        ("loss", "loss/train", "lower"),
        ("train_loss", "loss/train", "lower"),
        ("Train loss", "loss/train", "lower"),
        ("training.loss", "loss/train", "lower"),
        ("lm loss", "loss/train", "lower"),
        ("TRAIN_LOSS", "loss/train", "lower"),
        ("trainLoss", "loss/train", "lower"),
        ("train_loss_step", "loss/train", "lower"),
        ("Loss/Evaluation", "loss/validation", "lower"),
        ("DEV_LOSS", "loss/validation", "lower"),
        ("eval_loss", "loss/validation", "lower"),
        ("test_loss", "loss/test", "lower"),
        ("train/box_loss", "box_loss/train", "lower"),
        ("lossG", "g_loss/train", "lower"),
        ("val_acc_top1", "accuracy/validation", "higher"),
        ("eval_wer", "wer/validation", "lower"),
        ("PhonemeErrorRate/Evaluation", "phoneme_error_rate/validation", "lower"),
        ("metrics/mAP50(B)", "map50_b/validation", "higher"),
        ("val_perplexity", "perplexity/validation", "lower"),
        ("learning_rate", "lr/0", ""),
        ("lr-Adam", "lr/adam", ""),
        ("lr/pg2", "lr/2", ""),
        ("x/lr0", "lr/0", ""),
        ("grad_norm", "grad_norm/global", ""),
        ("gnorm", "grad_norm/global", ""),
        ("loss_scale", "amp/scale", ""),
        ("epoch", "epoch", ""),
    ],
)
def test_meaning(theirs, ours, better):
    meaning = classify(theirs)
    assert (meaning.name, meaning.better) == (ours, better)


@pytest.mark.parametrize(
    "name",
    ["eval_runtime", "train/steps_per_second", "best_val_loss", "loss_std", "loss__MIN", "data_time", "seed",
     "num_tokens", "", "...", "val/epoch", "momentum", "entropy", "weight_decay", "best_acc", "val/lr"],
)  # fmt: skip
def test_book_keeping_is_no_metric(name):
    assert classify(name).name == ""


def test_an_epochs_average_stands_behind_the_steps():
    assert classify("train_loss_step").rank < classify("train_loss_epoch").rank
    assert classify("train_loss").rank < classify("avg_train_loss").rank


def test_words_of_hostile_names():
    assert words("\0\n<script>") == ["script"]
    assert classify("損失").name == ""
