"""What the gradients of the first layer tell about the inputs, which are not recorded themselves."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.run import ParameterInfo, Run

from .memo import memoised
from .parameter_signals import matrices

EARLY_SAMPLES = 10
ROUNDING = 1e-5
"""A bias whose gradient is smaller than this share of its matrix's only holds rounding errors."""

CENTRING = ("BatchNorm", "SyncBatchNorm", "InstanceNorm")
"""Layers that take the mean away, and with it the gradient of a bias before them."""


@memoised
def input_scale(run: Run) -> float:
    """Root mean square of the inputs as the first layer's gradients tell it, 1; NaN where they do not.

    For a layer z = W x + b the gradients are dL/dW = sum delta x^T and dL/db = sum delta, so that
    |dL/dW| / (|dL/db| sqrt(fan-in)) is near 1 for inputs of unit scale: 0.3 to 10 was measured on tuned small
    runs, the median of the first samples. Source: the chain rule.
    """
    first = _first_layer(run)
    if first is None or any(info.module.startswith(CENTRING) for info in _own_vectors(run, first[0])):
        return math.nan
    weight, bias = first
    gradients = run.parameter("grad_norm")
    of_weight, of_bias = gradients[weight.name].values, gradients[bias.name].values
    n = min(EARLY_SAMPLES, of_weight.size, of_bias.size)
    fan_in = math.prod(weight.shape[1:])
    of_weight, of_bias = of_weight[:n], of_bias[:n]
    known = np.isfinite(of_weight) & np.isfinite(of_bias) & (of_bias > ROUNDING * of_weight)
    if not known.any():
        return math.nan
    return float(np.median(of_weight[known] / of_bias[known])) / math.sqrt(fan_in)


@memoised
def has_zero_inputs(run: Run) -> bool:
    """Whether the first layer saw nothing but zeros: its matrix never had a gradient although something did.

    dL/dW = sum delta x^T is exactly zero for x = 0, while the bias, or the normalisation after it, has a
    gradient; where the bias is exactly 0 and nothing normalises, a ReLU passes none of it on.
    """
    first = _first_layer(run)
    if first is None:
        return False
    weight, bias = first
    gradients, sizes = run.parameter("grad_norm"), run.parameter("weight_max").get(bias.name)
    of_weight = gradients[weight.name].values
    if of_weight.size < 5 or of_weight.any():
        return False
    own = _own_vectors(run, weight)
    is_empty = len(own) == 1 and sizes is not None and len(sizes) > 0 and not float(sizes.values[0])
    recorded = [gradients[info.name].values for info in own if info.name in gradients]
    return is_empty or any(values.any() for values in recorded)


def _first_layer(run: Run) -> tuple[ParameterInfo, ParameterInfo] | None:
    """Matrix and bias of the layer that the inputs go into, both with recorded gradients."""
    known, found = run.info.parameters, matrices(run)
    if len(known) < 2 or not found or known[0].name != found[0].name or known[1].role != "bias":
        return None
    gradients = run.parameter("grad_norm")
    recorded = [info for info in known[:2] if info.name in gradients and len(gradients[info.name])]
    return (recorded[0], recorded[1]) if len(recorded) == 2 and len(known[0].shape) >= 2 else None


def _own_vectors(run: Run, weight: ParameterInfo) -> tuple[ParameterInfo, ...]:
    """The vectors between a matrix and the next one: its bias and what normalises its output."""
    after = run.info.parameters[[info.name for info in run.info.parameters].index(weight.name) + 1 :]
    n = next((i for i, info in enumerate(after) if len(info.shape) >= 2), len(after))
    return after[:n]
