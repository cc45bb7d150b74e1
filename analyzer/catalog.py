"""The list of detectors: built-ins in one static tuple, strangers' through entry points."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence

from traindoctor.detector import Detector
from traindoctor.errors import UsageError
from traindoctor.plugins import load_plugins

from .detectors.bad_initial_loss import BadInitialLoss
from .detectors.bad_initialisation import BadInitialisation
from .detectors.class_imbalance import ClassImbalance
from .detectors.clipping_saturated import ClippingSaturated
from .detectors.collapsed_metric import CollapsedMetric
from .detectors.confused_classes import ConfusedClasses
from .detectors.dead_units import DeadUnits
from .detectors.decayed_too_early import DecayedTooEarly
from .detectors.divergence import Divergence
from .detectors.excess_dropout import ExcessDropout
from .detectors.exploding_gradient import ExplodingGradient
from .detectors.frozen_parameters import FrozenParameters
from .detectors.hidden_values import HiddenValues
from .detectors.label_noise import LabelNoise
from .detectors.long_momentum import LongMomentum
from .detectors.loss_input import LossInput
from .detectors.loss_spike import LossSpike
from .detectors.losses_not_comparable import LossesNotComparable
from .detectors.lr_jump import LrJump
from .detectors.lr_too_high import LrTooHigh
from .detectors.lr_too_low import LrTooLow
from .detectors.majority_collapse import MajorityCollapse
from .detectors.marginal_plateau import MarginalPlateau
from .detectors.memorisation_gap import MemorisationGap
from .detectors.miscalibrated import Miscalibrated
from .detectors.missing_warmup import MissingWarmup
from .detectors.no_activation import NoActivation
from .detectors.no_decay import NoDecay
from .detectors.no_learning import NoLearning
from .detectors.noise_dominated import NoiseDominated
from .detectors.non_finite import NonFinite
from .detectors.oscillation import Oscillation
from .detectors.overfitting import Overfitting
from .detectors.oversized_weights import OversizedWeights
from .detectors.periodic_loss import PeriodicLoss
from .detectors.plateau import Plateau
from .detectors.rank_desync import RankDesync
from .detectors.recording_gaps import RecordingGaps
from .detectors.schedule_mismatch import ScheduleMismatch
from .detectors.slow_steps import SlowSteps
from .detectors.stale_gradients import StaleGradients
from .detectors.steps_rewind import StepsRewind
from .detectors.still_improving import StillImproving
from .detectors.stuck_metric import StuckMetric
from .detectors.tiny_batch import TinyBatch
from .detectors.too_good import TooGood
from .detectors.trained_past_best import TrainedPastBest
from .detectors.underfitting import Underfitting
from .detectors.undersized_weights import UndersizedWeights
from .detectors.update_ratio_outlier import UpdateRatioOutlier
from .detectors.validation_too_noisy import ValidationTooNoisy
from .detectors.vanishing_gradient import VanishingGradient
from .detectors.weight_decay_collapse import WeightDecayCollapse

CATALOG: tuple[Detector, ...] = (
    Plateau(),
    Divergence(),
    NonFinite(),
    LossSpike(),
    Oscillation(),
    StillImproving(),
    NoLearning(),
    MarginalPlateau(),
    PeriodicLoss(),
    BadInitialLoss(),
    VanishingGradient(),
    ExplodingGradient(),
    DeadUnits(),
    OversizedWeights(),
    UndersizedWeights(),
    WeightDecayCollapse(),
    FrozenParameters(),
    StaleGradients(),
    ClippingSaturated(),
    UpdateRatioOutlier(),
    BadInitialisation(),
    NoiseDominated(),
    LossInput(),
    NoActivation(),
    TinyBatch(),
    LrTooHigh(),
    LrTooLow(),
    MissingWarmup(),
    DecayedTooEarly(),
    NoDecay(),
    ScheduleMismatch(),
    LrJump(),
    LongMomentum(),
    Overfitting(),
    Underfitting(),
    MemorisationGap(),
    LossesNotComparable(),
    ValidationTooNoisy(),
    TooGood(),
    TrainedPastBest(),
    StuckMetric(),
    CollapsedMetric(),
    ExcessDropout(),
    MajorityCollapse(),
    ClassImbalance(),
    Miscalibrated(),
    ConfusedClasses(),
    LabelNoise(),
    SlowSteps(),
    RankDesync(),
    RecordingGaps(),
    StepsRewind(),
    HiddenValues(),
)
"""Every built-in detector at its default thresholds, ordered by code."""


def all_detectors() -> tuple[tuple[Detector, ...], dict[str, str]]:
    """The built-ins and the plugins, and for each plugin that is left out a sentence that says why."""
    loaded, broken = load_plugins("traindoctor.detectors")
    detectors = list(CATALOG)
    taken = {detector.code for detector in detectors}
    for name, candidate in loaded.items():
        try:
            detector = candidate() if isinstance(candidate, type) else candidate
        except Exception as error:  # a stranger's class may raise anything
            broken[name] = f"plugin {name!r} could not be built: {error!r}; it is left out"
            continue
        if not isinstance(detector, Detector):
            broken[name] = f"plugin {name!r} is {detector!r}, which is no detector; it is left out"
        elif detector.code in taken:
            broken[name] = f"plugin {name!r} uses the taken code {detector.code}; it is left out"
        else:
            detectors.append(detector)
            taken.add(detector.code)
    return tuple(detectors), broken


def choose(
    detectors: Sequence[Detector], select: Sequence[str], ignore: Sequence[str]
) -> tuple[Detector, ...]:
    """The detectors named by `select` (all when empty) and not by `ignore`.

    A name is a code (`TD101`), the beginning of codes (`TD1`) or a detector's name (`plateau`).

    Raises:
        UsageError: a name fits no detector; the nearest ones are listed.
    """
    chosen = {code for name in select for code in _codes_named(name, detectors)} if select else None
    ignored = {code for name in ignore for code in _codes_named(name, detectors)}
    return tuple(
        detector
        for detector in detectors
        if (chosen is None or detector.code in chosen) and detector.code not in ignored
    )


def explain(code_or_name: str) -> str:
    """The documentation of one detector: what it reports, how it decides, when it is wrong, what to try.

    Raises:
        UsageError: no detector has that code or name; the nearest ones are listed.

    Example:
        >>> explain("plateau").splitlines()[0]
        'TD101 plateau'
    """
    detectors = all_detectors()[0]
    exact = [d for d in detectors if code_or_name.strip().lower() in (d.code.lower(), d.name.lower())]
    if not exact:
        raise UsageError(_unknown(code_or_name, detectors))
    detector = exact[0]
    text = inspect.getdoc(type(detector)) or "This detector has no documentation."
    return f"{detector.code} {detector.name}\n\n{text}"


def methods() -> dict[str, str]:
    """Code -> how the detector decides, one paragraph of its documentation; for a report's appendix."""
    found: dict[str, str] = {}
    for detector in all_detectors()[0]:
        paragraphs = (inspect.getdoc(type(detector)) or "").split("\n\n")
        if len(paragraphs) > 1:
            found[detector.code] = " ".join(paragraphs[1].split())
    return found


def _codes_named(name: str, detectors: Sequence[Detector]) -> set[str]:
    wanted = name.strip().lower()
    found = {
        detector.code
        for detector in detectors
        if wanted and (detector.code.lower().startswith(wanted) or detector.name.lower() == wanted)
    }
    if not found:
        raise UsageError(_unknown(name, detectors))
    return found


def _unknown(name: str, detectors: Sequence[Detector]) -> str:
    names = [key for detector in detectors for key in (detector.code, detector.name)]
    folded = {key.lower(): key for key in names}
    near = [folded[key] for key in difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.4)]
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"expected the code or name of a detector, such as TD101 or plateau, found {name!r}{hint}"
