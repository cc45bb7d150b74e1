"""What a recording lacks, said at its end: a recorder that saw nothing must not look like a quiet run."""

from __future__ import annotations

BY_HAND = (
    "weights updated by hand, with torch.func or by an optimizer that is no torch.optim.Optimizer "
    "are not recorded"
)


def omissions(steps: int, backward_calls: int, skipped: int, rootless: int) -> list[str]:
    """Sentences about what a run that ends now did not show; [] when nothing is missing.

    Args:
        steps: optimizer steps seen, over all optimizers.
        backward_calls: calls of `backward` seen.
        skipped: steps that GradScaler skipped.
        rootless: backward calls on something else than one number, a loss per sample for example.
    """
    if not steps:
        called = f"no optimizer step was seen; backward was called {backward_calls} times"
        if skipped:
            return [f"{called}, and GradScaler skipped all {skipped} steps"]
        return [f"{called} ({BY_HAND})"]
    sentences: list[str] = []
    if not backward_calls:
        sentences.append(
            f"no training loss was recorded: {steps} optimizer steps were seen, but no call of backward "
            "(gradients that come from torch.autograd.grad or torch.func show no loss)"
        )
    elif rootless == backward_calls:
        sentences.append(
            f"no training loss was recorded: backward was called {backward_calls} times, but never on a "
            "single number; call it on the mean of the losses"
        )
    if skipped:
        sentences.append(f"GradScaler skipped {skipped} steps beside the {steps} recorded ones")
    return sentences
