"""A loss function that is fed something else than it expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..network import BOUNDED, PROBABILITIES, last_operation
from ..outcome import better_final_skill
from ..phrases import measured


@dataclass(frozen=True)
class LossInput:
    """Reports outputs that were squashed before a loss function that does that itself.

    `cross_entropy` applies a log-softmax and `binary_cross_entropy_with_logits` a sigmoid to what it is
    given. Read off the autograd graph of the first training loss: the last operation before that. A softmax
    or sigmoid there is a warning: the outputs are probabilities already. A ReLU or tanh there is a warning
    where the run ended with a skill below `poor_skill` in training and in validation, a note otherwise.

    Why it matters: values between 0 and 1 are nearly the same to a softmax. With C classes the loss cannot
    fall below ln(1 + (C - 1) / e), the gradients vanish as answers get certain, and the probabilities that
    come out are wrong, although the accuracy may look fine. A ReLU leaves a unit without gradient wherever
    its
    class should be unlikely.

    When it is wrong: outputs that are bounded on purpose, and scaled up again by a factor that is learned.

    What to try: leave the last activation out of the model, and apply it only where probabilities are read.

    Source: the documentation of torch.nn.CrossEntropyLoss and BCEWithLogitsLoss, which expect logits; the
    reading of the graph is ours.

    Example:
        >>> from traindoctor.run import NetworkInfo, RunInfo
        >>> network = NetworkInfo({"Addmm": 2, "Relu": 1, "Softmax": 1, "LogSoftmax": 1, "NllLoss": 1},
        ...                       ("NllLoss", "LogSoftmax", "Softmax"))
        >>> run = Run("r", "r", info=RunInfo(loss_name="cross_entropy", network=network))
        >>> [f.severity.value for f in LossInput().check(run)]
        ['warning']
    """

    code: str = "TD213"
    name: str = "loss-input"
    needs: tuple[str, ...] = ()
    poor_skill: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the operations of the network were not recorded.
        """
        if run.info.network is None:
            raise NotAssessable(Text("the operations of the network were not recorded"))
        kind = last_operation(run)
        is_squashed = kind in PROBABILITIES
        if not (is_squashed or kind in BOUNDED):
            return
        skill = better_final_skill(run)
        is_harmed = is_squashed or skill < self.poor_skill
        shown = "softmax" if "Softmax" in kind else kind.lower()
        expected = "sigmoid" if "binary" in run.info.loss_name else "softmax"
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if is_harmed else Severity.INFO,
            0.95,
            0,
            max(0, run.n_steps - 1),
            Text(
                "The model ends with a {shown}, and {loss} applies a {expected} of its own to what it is "
                "given: it expects logits, numbers of any size.",
                shown=shown,
                loss=run.info.loss_name,
                expected=expected,
            ),
            *measured({"final skill": (skill, "share of the constant predictor's loss")}),
            Remedy(
                Text(
                    "Take the {shown} out of the model; where probabilities are needed, apply the "
                    "{expected} to the model's output there.",
                    shown=shown,
                    expected=expected,
                ),
                f"# in the model: return the last layer's output as it is\n"
                f"probabilities = logits.{_call(expected)}  # only where they are read",
            ),
        )


def _call(function: str) -> str:
    return "sigmoid()" if function == "sigmoid" else "softmax(dim=1)"
