"""What the operations of the network tell, as the recorder read them off the autograd graph."""

from __future__ import annotations

from collections import Counter

from traindoctor.run import Run

LAYOUT = {
    *("Alias", "AsStrided", "Clone", "Copy", "Expand", "Flip", "Permute", "Repeat", "ReshapeAlias", "Roll"),
    *(
        "Select",
        "Slice",
        "Squeeze",
        "T",
        "ToCopy",
        "Transpose",
        "Unflatten",
        "Unsqueeze",
        "UnsafeView",
        "View",
    ),
}
"""Operations that only move values."""

PRODUCTS = {"Addmm", "Baddbmm", "Bmm", "Convolution", "Linear", "Mm", "Mv"}
"""Operations that a layer with a matrix ends in."""

LINEAR = {
    *LAYOUT,
    *PRODUCTS,
    *(
        "AdaptiveAvgPool2D",
        "AdaptiveAvgPool3D",
        "Add",
        "AvgPool2D",
        "AvgPool3D",
        "Cat",
        "ConstantPadNd",
        "Div",
    ),
    *("Embedding", "EmbeddingBag", "Index", "IndexSelect", "Mean", "Mul", "NativeDropout", "Neg", "Split"),
    *("SplitWithSizes", "Stack", "Sub", "Sum", "Unbind", "UnsafeSplit", "UpsampleBilinear2D"),
    "UpsampleNearest2D",
}
"""Operations that are linear in what depends on parameters, or only look something up."""

NO_ACTIVATION = {
    *("AdaptiveMaxPool2D", "CudnnBatchNorm", "MaxPool2DWithIndices", "MaxPool3DWithIndices"),
    *("MiopenBatchNorm", "NativeBatchNorm", "NativeGroupNorm", "NativeLayerNorm"),
}
"""Pooling and normalisation: no linear operations, but nobody's activation either."""

PROBABILITIES = ("Softmax", "SafeSoftmax", "Sigmoid")
BOUNDED = ("Relu", "Tanh")


def lacks_activation(run: Run) -> bool:
    """Whether two layers or more follow each other without any activation function before the loss.

    False where that cannot be told: a part of the graph is hidden, or holds operations that are not known to
    be linear.
    """
    network = run.info.network
    if network is None or not network.is_whole or not network.output:
        return False
    inside = Counter(network.operations)
    inside.subtract(network.output)  # the loss function's own operations
    present = {kind for kind, n in inside.items() if n > 0}
    return present <= LINEAR | NO_ACTIVATION and sum(inside[kind] for kind in PRODUCTS) > 1


def last_operation(run: Run) -> str:
    """The operation whose result a cross-entropy with built-in softmax or sigmoid is given; "" if unknown.

    Operations that only move values are passed over. A linear layer, which has a parameter, is unknown.
    """
    network = run.info.network
    if network is None:
        return ""
    built_in = {"cross_entropy": "LogSoftmax", "binary_cross_entropy_with_logits": None}
    if run.info.loss_name not in built_in:
        return ""
    first = built_in[run.info.loss_name] or "BinaryCrossEntropyWithLogits"
    if first not in network.output:
        return ""
    before = network.output[network.output.index(first) + 1 :]
    return next((kind for kind in before if kind not in LAYOUT), "")


def has_operation(run: Run, kind: str) -> bool:
    """Whether the network holds an operation of that kind; False where its operations are unknown."""
    return run.info.network is not None and kind in run.info.network.operations


def strongest_dropout(run: Run) -> float:
    """Largest probability of a dropout module that was training; 0 without any, or where it is unknown."""
    network = run.info.network
    return max(network.dropouts, default=0.0) if network is not None else 0.0
