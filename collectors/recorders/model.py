"""What the model looks like: names, roles and groups of its parameters, and the optimizers' settings."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from traindoctor.run import OptimizerInfo, ParameterInfo

from .part import Part

if TYPE_CHECKING:
    from ..recorder import Recorder

MOST_SCANS = 3
"""Looking through all objects costs tens of milliseconds; parameters that appear later stay unnamed."""

_WRAPPING = ("_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_NORMS = ("Norm",)
_ACTIVATION_MODULE = "torch.nn.modules.activation"
_PASSED_OVER = ("Dropout", "Pool", "Norm", "Flatten", "Unflatten", "Identity")


class ModelRecorder(Part):
    """Finds the modules that own the optimizers' parameters and describes them."""

    name = "model description"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._roots: list[Module] = []
        self._names: dict[int, str] = {}
        self._infos: dict[int, ParameterInfo] = {}
        self._groups: dict[int, str] = {}
        self._optimizers: dict[int, OptimizerInfo] = {}
        self._scans = 0

    def add(self, model: Module) -> None:
        """The user named the model: no search is needed for its parameters."""
        self._describe_roots([model])

    def look(self, optimizer: Optimizer) -> None:
        """Make sure that every parameter of this optimizer is known, and write what is new."""
        labels = group_labels(optimizer)
        held = [
            (p, label)
            for group, label in zip(optimizer.param_groups, labels, strict=True)
            for p in group["params"]
        ]
        objects: list[Any] | None = None
        if any(id(p) not in self._names for p, _ in held) and self._scans < MOST_SCANS:
            self._scans += 1
            objects = gc.get_objects()
            self._describe_roots(root_modules(objects, {id(p) for p, _ in held}))
        for position, (p, label) in enumerate(held):
            self._groups.setdefault(id(p), label)
            if id(p) not in self._names:
                self._name_unowned(p, position)
        if id(optimizer) not in self._optimizers:
            scheduler = scheduler_of(optimizer, objects)
            self._optimizers[id(optimizer)] = OptimizerInfo(
                type(optimizer).__name__, tuple(map(_settings, optimizer.param_groups, labels)), scheduler
            )
        self.write()

    def write(self) -> None:
        """Write the description as far as it is known."""
        infos = [{**asdict(info), "group": self._groups.get(key, "")} for key, info in self._infos.items()]
        self.recorder.sink.meta(
            {"parameters": infos, "optimizers": [asdict(o) for o in self._optimizers.values()]}
        )

    def name_of(self, parameter: Tensor) -> str:
        """Its qualified name; `parameter <n>` when no module owns it."""
        return self._names[id(parameter)]

    def has_rows(self, parameter: Tensor) -> bool:
        """Whether its first dimension counts output units."""
        return self._infos[id(parameter)].role == "matrix"

    def _name_unowned(self, parameter: Tensor, position: int) -> None:
        name = self._free_name(f"parameter{position}", "")
        self._names[id(parameter)] = name
        self._infos[id(parameter)] = _info(name, parameter, None, "")

    def _describe_roots(self, roots: Iterable[Module]) -> None:
        for root in roots:
            owners = _owners(root)
            activations = following_activations(root)
            clash = any(name in self._names.values() for _, name, _ in owners)
            prefix = f"{type(root).__name__}." if clash else ""
            for parameter, name, module in owners:
                if id(parameter) in self._names:
                    continue
                unique = self._free_name(name, prefix)
                self._names[id(parameter)] = unique
                self._infos[id(parameter)] = _info(unique, parameter, module, activations.get(id(module), ""))
            self._roots.append(root)

    def _free_name(self, name: str, prefix: str) -> str:
        taken = set(self._names.values())
        candidate, n = prefix + name, 1
        while candidate in taken:
            n += 1
            candidate = f"{prefix}{name}#{n}"
        return candidate


def _owners(root: Module) -> list[tuple[Tensor, str, Module]]:
    """(parameter, name, owning module) in registration order, a tied parameter once."""
    found: dict[int, tuple[Tensor, str, Module]] = {}
    for path, module in root.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in found:
                parts = [part for part in path.split(".") if part and part not in _WRAPPING]
                found[id(parameter)] = (parameter, ".".join([*parts, name]), module)
    return list(found.values())


def root_modules(objects: Iterable[Any], wanted: set[int]) -> list[Module]:
    """Modules that hold wanted parameters and are inside no other module."""
    # type(o) and not isinstance: the latter asks lazy objects for __class__, which may import or warn.
    modules = [o for o in objects if issubclass(type(o), Module)]
    inner = {id(child) for module in modules for child in module.__dict__.get("_modules", {}).values()}
    roots = [m for m in modules if id(m) not in inner and "_modules" in m.__dict__]
    return [root for root in roots if any(id(p) in wanted for p in root.parameters())]


def following_activations(root: Module) -> dict[int, str]:
    """`id(module)` -> class name of the activation module registered next, for modules that own parameters.

    Only modules can be seen: an activation applied as a function leaves no trace in registration order.
    """
    leaves = [m for m in root.modules() if not m._modules]
    found: dict[int, str] = {}
    waiting: list[Module] = []
    for module in leaves:
        name = type(module).__name__
        if is_activation(module):
            found.update({id(m): name for m in waiting})
            waiting = []
        elif module._parameters and not any(word in name for word in _NORMS):
            waiting = [module]
        elif module._parameters:
            waiting.append(module)
        elif not any(word in name for word in _PASSED_OVER):
            waiting = []
    return found


def is_activation(module: Module) -> bool:
    """Whether a module is an element-wise activation of torch."""
    kind = type(module)
    return (
        kind.__module__ == _ACTIVATION_MODULE
        and "Attention" not in kind.__name__
        and "Softm" not in kind.__name__
    )


def _info(name: str, parameter: Tensor, module: Module | None, activation: str) -> ParameterInfo:
    return ParameterInfo(
        name=name,
        shape=tuple(parameter.shape),
        role=role_of(name, parameter, module),
        trainable=parameter.requires_grad,
        dtype=str(parameter.dtype).removeprefix("torch."),
        module=type(module).__name__ if module is not None else "",
        activation=activation,
    )


def role_of(name: str, parameter: Tensor, module: Module | None) -> str:
    """`matrix`, `bias`, `norm`, `embedding` or `other`, see `traindoctor.run.ParameterInfo`."""
    owner = type(module).__name__ if module is not None else ""
    if "Embedding" in owner:
        return "embedding"
    if any(word in owner for word in _NORMS):
        return "norm"
    if "bias" in name.rpartition(".")[2]:
        return "bias"
    return "matrix" if parameter.ndim >= 2 else "other"


def group_labels(optimizer: Optimizer) -> list[str]:
    """One label per param group: its `name` if it has one and all differ, else its index."""
    names = [str(group.get("name", "")) for group in optimizer.param_groups]
    usable = all(names) and len(set(names)) == len(names)
    return names if usable else [str(index) for index in range(len(names))]


def _settings(group: Mapping[str, Any], label: str) -> dict[str, Any]:
    kept: dict[str, Any] = {"label": label}
    for key, value in group.items():
        if isinstance(value, Tensor):
            value = value.item() if value.is_cpu and value.numel() == 1 else None
        if key not in ("params", "param_names") and isinstance(
            value, (bool, int, float, str, tuple, type(None))
        ):
            kept[key] = value
    return kept


def scheduler_of(optimizer: Optimizer, objects: Iterable[Any] | None = None) -> str:
    """Class name of the outermost scheduler that drives an optimizer, "" when there is none."""
    if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return ""
    everything = gc.get_objects() if objects is None else objects
    found = [
        o for o in everything if issubclass(type(o), LRScheduler) and o.__dict__.get("optimizer") is optimizer
    ]
    inner = {id(s) for o in found for s in o.__dict__.get("_schedulers", ())}
    outer = [o for o in found if id(o) not in inner]
    return type(outer[-1]).__name__ if outer else ""
