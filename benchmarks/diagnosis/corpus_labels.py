"""What each finding says in the words of the corpus' labels, and which answers a label accepts."""

from __future__ import annotations

FOUND_BY: dict[str, tuple[str, ...]] = {
    "overfitting": ("TD401", "TD403", "TD407", "TD109"),
    "plateau": ("TD101", "TD108", "TD304"),
    "no_learning": ("TD107", "TD108", "TD302", "TD207"),
    "frozen_loss": ("TD107", "TD108", "TD101"),
    "underfit": ("TD402", "TD302", "TD107", "TD106"),
    "nan": ("TD103",),
    "divergence": ("TD102", "TD202", "TD301"),
    "slow_divergence": ("TD102", "TD407"),
    "loss_spikes": ("TD104",),
    "staircase_epoch_drops": ("TD109",),
    "still_improving": ("TD106",),
    "lr_decay_too_early": ("TD304", "TD306"),
    "metric_stuck_at_zero": ("TD408",),
    "metric_collapse": ("TD409", "TD407"),
    "metric_mismatch": ("TD408", "TD404"),
    "train_eval_mismatch": ("TD404",),
    "noisy_validation": ("TD405",),
}
"""Label -> codes that say it. A note counts: what is at stake is another question than what happened."""

ABSTAIN = (
    *("no_curve", "no_metrics", "too_short", "mixed_runs_in_one_file", "not_gradient_training"),
    *("gan_losses", "rl_objective", "rl_healthy", "rl_no_learning", "rl_reward_collapse", "rl_unstable"),
)
"""Labels for which no verdict on the loss is right: refuse, list several runs, or say what is missing."""

SOUND = ("healthy", "still_improving")
"""Labels for which any warning is a false alarm."""
