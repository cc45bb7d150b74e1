"""Models: a small network for each configuration."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .configuration import Config
from .tasks import Data

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def build_model(config: Config, data: Data) -> nn.Module:
    """The network of a configuration, with its initial weights and the faults that concern them."""
    if config.architecture in ("gru", "transformer"):
        model: nn.Module = SequenceModel(config, data)
    elif config.architecture == "conv":
        model = _conv(config, data)
    else:
        model = _mlp(config, data)
    if config.fault.detached and isinstance(model, nn.Sequential):
        model.insert(len(model) - 1, Detached())
    _initialise(model, config)
    if config.fault.probabilities:
        model = nn.Sequential(model, nn.Softmax(dim=1) if data.y_train.dtype == torch.long else nn.Sigmoid())
    return model


class Detached(nn.Module):
    """Passes values on and holds gradients back."""

    def forward(self, x: Tensor) -> Tensor:
        """The same values, out of the graph."""
        return x.detach()


def _mlp(config: Config, data: Data) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    n_inputs = int(data.x_train[0].numel())
    for _ in range(config.depth):
        layers.append(nn.Linear(n_inputs, config.width))
        if config.norm != "none":
            layers.append(
                nn.BatchNorm1d(config.width) if config.norm == "batch" else nn.LayerNorm(config.width)
            )
        layers.append(ACTIVATIONS[config.activation]())
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        n_inputs = config.width
    return nn.Sequential(*layers, nn.Linear(n_inputs, data.n_outputs))


def _conv(config: Config, data: Data) -> nn.Sequential:
    layers: list[nn.Module] = []
    n_inputs, width = 1, max(4, config.width // 8)
    for layer in range(min(config.depth, 3)):
        layers.append(nn.Conv2d(n_inputs, width, 3, padding=1))
        if config.norm != "none":
            layers.append(nn.BatchNorm2d(width) if config.norm == "batch" else nn.GroupNorm(1, width))
        layers.append(ACTIVATIONS[config.activation]())
        if layer < 2:
            layers.append(nn.MaxPool2d(2))
        n_inputs = width
    if config.dropout:
        layers.append(nn.Dropout(config.dropout))
    side = data.x_train.shape[-1] // (4 if config.depth > 1 else 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * side * side, data.n_outputs))


class SequenceModel(nn.Module):
    """A GRU or a transformer encoder over tokens; one answer per token, or one for the whole sequence."""

    def __init__(self, config: Config, data: Data) -> None:
        super().__init__()
        self.per_token = data.y_train.dim() == 2
        self.embedding = nn.Embedding(data.n_tokens, config.width)
        length = data.x_train.shape[1]
        self.body: nn.Module
        if config.architecture == "gru":
            self.body = nn.GRU(config.width, config.width, config.depth, batch_first=True)
        else:
            layer = nn.TransformerEncoderLayer(
                config.width,
                4,
                2 * config.width,
                config.dropout,
                "gelu" if config.activation == "gelu" else "relu",
                batch_first=True,
                norm_first=config.norm == "layer",
            )
            self.positions = nn.Parameter(0.02 * torch.randn(length, config.width))
            self.body = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))
        self.head = nn.Linear(config.width, data.n_outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits, shape (n, classes) or (n, classes, length)."""
        x = self.embedding(tokens)
        if isinstance(self.body, nn.GRU):
            x = self.body(x)[0]
        else:
            x = self.body(x + self.positions, mask=self.mask, is_causal=True)
        logits: Tensor = self.head(x if self.per_token else x[:, -1])
        return logits.transpose(1, 2) if self.per_token else logits


def _initialise(model: nn.Module, config: Config) -> None:
    layers = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    with torch.no_grad():
        if config.architecture in ("mlp", "conv") and config.initialisation != "default":
            for layer in layers:
                if config.initialisation == "he":
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.mul_(config.fault.weight_factor)
        if config.fault.equal_weights >= 0:
            for layer in layers:
                layer.weight.fill_(config.fault.equal_weights)
                if layer.bias is not None:
                    layer.bias.zero_()
        norms = [module for module in model.modules() if isinstance(module, NORMS)]
        for module in norms if config.norm != "none" else layers[:-1]:
            if config.fault.bias_shift and module.bias is not None:
                module.bias.add_(config.fault.bias_shift)
