"""What can be read off modules and optimizers: owners, roles, activations, settings, schedulers."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from traindoctor.run import ParameterInfo

_WRAPPING = ("_orig_mod", "module", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_ACTIVATION_MODULE = "torch.nn.modules.activation"
_PASSED_OVER = ("Dropout", "Pool", "Norm", "Flatten", "Unflatten", "Identity")


def owners(root: Module) -> list[tuple[Tensor, str, Module]]:
    """(parameter, name, owning module) in registration order, tied ones once, without wrappers' prefixes."""
    found: dict[int, tuple[Tensor, str, Module]] = {}
    for path, module in root.named_modules():
        for name, parameter in own_parameters(module):
            if id(parameter) not in found:
                parts = [part for part in path.split(".") if part and part not in _WRAPPING]
                found[id(parameter)] = (parameter, ".".join([*parts, name]), module)
    return list(found.values())


def own_parameters(module: Module) -> list[tuple[str, Tensor]]:
    """Parameters that a module holds itself, not through a submodule."""
    return [(name, p) for name, p in module.named_parameters(recurse=False, remove_duplicate=False)]


def root_modules(modules: Iterable[Module], wanted: set[int]) -> list[Module]:
    """Modules that hold wanted parameters (ids) and are inside no other module."""
    known = [m for m in modules if "_modules" in m.__dict__]
    inner = {id(child) for module in known for child in module.children()}
    roots = [m for m in known if id(m) not in inner]
    return [root for root in roots if any(id(p) in wanted for p in root.parameters())]


def following_activations(root: Module) -> dict[int, str]:
    """`id(module)` -> class name of the activation module registered next, for modules that own parameters.

    Only modules can be seen: an activation applied as a function leaves no trace in registration order.
    """
    leaves = [m for m in root.modules() if next(m.children(), None) is None]
    found: dict[int, str] = {}
    waiting: list[Module] = []
    for module in leaves:
        name = type(module).__name__
        if is_activation(module):
            found.update({id(m): name for m in waiting})
            waiting = []
        elif own_parameters(module) and "Norm" not in name:
            waiting = [module]
        elif own_parameters(module):
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


def describe_parameter(
    name: str, parameter: Tensor, module: Module | None, activation: str, group: str
) -> ParameterInfo:
    """Everything about one parameter; `module` owns it, if any does."""
    return ParameterInfo(
        name=name,
        shape=tuple(parameter.shape),
        role=role_of(name, parameter, module),
        trainable=parameter.requires_grad,
        dtype=str(parameter.dtype).removeprefix("torch."),
        module=type(module).__name__ if module is not None else "",
        activation=activation,
        group=group,
    )


def role_of(name: str, parameter: Tensor, module: Module | None) -> str:
    """`matrix`, `bias`, `norm`, `embedding` or `other`, see `traindoctor.run.ParameterInfo`."""
    owner = type(module).__name__ if module is not None else ""
    if "Embedding" in owner:
        return "embedding"
    if "Norm" in owner:
        return "norm"
    if "bias" in name.rpartition(".")[2]:
        return "bias"
    return "matrix" if parameter.ndim >= 2 else "other"


def group_labels(optimizer: Optimizer) -> list[str]:
    """One label per param group: its `name` if it has one and all differ, else its index."""
    names = [str(group.get("name", "")) for group in optimizer.param_groups]
    usable = all(names) and len(set(names)) == len(names)
    return names if usable else [str(index) for index in range(len(names))]


def longer_labels(known: tuple[str, ...], optimizer: Optimizer | None, n: int) -> tuple[str, ...]:
    """Labels of n param groups of which the first ones have theirs already, and keep them.

    Args:
        known: labels given so far.
        optimizer: the optimizer, None when it is gone; new groups then get their index.
        n: number of groups.
    """
    labels = [*known]
    names = [] if optimizer is None else [str(group.get("name", "")) for group in optimizer.param_groups]
    for index in range(len(known), n):
        name = names[index] if index < len(names) and known[:1] != ("0",) else ""
        labels.append(name if name and name not in labels else str(index))
    return tuple(labels)


def settings(group: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The settings of one param group that are plain values, and its label."""
    kept: dict[str, Any] = {"label": label}
    for key, value in group.items():
        if isinstance(value, Tensor):
            value = value.item() if value.is_cpu and value.numel() == 1 else None
        if key not in ("params", "param_names") and isinstance(
            value, (bool, int, float, str, tuple, type(None))
        ):
            kept[key] = value
    return kept


def scheduler_of(optimizer: Optimizer) -> str:
    """Class name of the outermost scheduler that drives an optimizer, "" when there is none.

    Asks the garbage collector who refers to the optimizer: unlike a list of all objects, that never holds a
    tuple which another thread is still filling.
    """
    holders = _holders(optimizer)
    # Accelerate and Fabric give schedulers an optimizer of their own that holds the real one.
    wrappers = [o for o in holders if issubclass(type(o), Optimizer)]
    holders += [o for wrapper in wrappers for o in _holders(wrapper)]
    found = [o for o in holders if issubclass(type(o), LRScheduler)]
    inner = {id(s) for scheduler in found for s in vars(scheduler).get("_schedulers", ())}
    outer = [scheduler for scheduler in found if id(scheduler) not in inner]
    return type(outer[-1]).__name__ if outer else ""


def _holders(optimizer: Optimizer) -> list[Any]:
    """Objects that have an optimizer as an attribute."""
    found: list[Any] = []
    for referrer in gc.get_referrers(optimizer):
        if type(referrer) is not dict:
            found.append(referrer)
        elif any(referrer.get(name) is optimizer for name in ("optimizer", "_optimizer")):
            found += gc.get_referrers(referrer)
    return found
