"""What the model looks like: finds the modules that own the optimizers' parameters and describes them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import Module
from torch.nn.modules import module as torch_module
from torch.optim import Optimizer

from traindoctor.run import OptimizerInfo, ParameterInfo

from .architecture import (
    describe_parameter,
    following_activations,
    group_labels,
    longer_labels,
    owners,
    root_modules,
    scheduler_of,
    settings,
)
from .internals import is_single_threaded
from .part import Part
from .patches import Patches
from .sharding import copies_of

if TYPE_CHECKING:
    from .run_recorder import Recorder
    from .state import Track

MOST_SEARCHES = 3
"""Looking through all objects costs tens of milliseconds; parameters that appear later stay unnamed."""


@dataclass(slots=True, eq=False)
class _Known:
    """A parameter that was described; weak, so that we keep nobody's model alive.

    Attributes:
        copies: on how many ranks the same part of it is, 0 when each has it whole.
        owner: index of the first optimizer that held it.
        finder: index of the optimizer with whose model it was found.
    """

    parameter: weakref.ref[Tensor]
    info: ParameterInfo
    copies: int
    owner: int = -1
    finder: int = -1


class ModelRecorder(Part):
    """Knows which modules exist, from their registrations, without putting anything on them."""

    name = "model description"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._modules: dict[int, weakref.ref[Module]] = {}
        self._handles: list[Any] = []
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing described, in a forked child. The modules are there as before."""
        self._known: dict[int, _Known] = {}
        self._names: set[str] = set()
        self._optimizers: dict[int, OptimizerInfo] = {}
        self._searches = 0
        self._roots: list[weakref.ref[Module]] = []

    def install(self, patches: Patches) -> None:
        """Be told of every parameter and submodule that is registered from now on."""
        self._handles = [
            torch_module.register_module_parameter_registration_hook(self._registered),
            torch_module.register_module_module_registration_hook(self._registered),
        ]

    def uninstall(self) -> None:
        """Be told no more."""
        for handle in self._handles:
            handle.remove()

    def _registered(self, module: Module, name: str, value: Any) -> None:
        if not self.off:
            try:
                self._note(module)
            except Exception as error:
                self.fail(error)

    def _note(self, module: Module) -> None:
        key, modules = id(module), self._modules
        if key not in modules:
            modules[key] = weakref.ref(module, lambda gone: modules.pop(key, None))

    def add(self, model: Module) -> None:
        """The user named the model: no search is needed for its parameters."""
        for module in model.modules():
            self._note(module)

    def look(self, track: Track, optimizer: Optimizer) -> None:
        """Make sure that every parameter of this optimizer is known, and write what is new."""
        labels = longer_labels(
            track.labels or tuple(group_labels(optimizer)), optimizer, len(optimizer.param_groups)
        )
        groups = {
            id(p): track.prefix + label
            for group, label in zip(optimizer.param_groups, labels, strict=True)
            for p in group["params"]
        }
        held = [p for group in optimizer.param_groups for p in group["params"]]
        if any(self._info(p) is None for p in held):
            self._search(groups)
        for position, p in enumerate(held):
            if self._info(p) is None:
                self._describe(f"parameter{position}", p, None, "", groups)
            known = self._known[id(p)]
            if known.owner < 0:
                known.owner = track.index
                known.info = replace(known.info, group=groups[id(p)])
        described = list(self._known.values())
        for known in described:
            known.finder = track.index if known.finder < 0 else known.finder
        before = self._optimizers.get(track.index)
        if before is None or len(before.groups) < len(labels):
            scheduler = before.scheduler if before is not None else ""
            if not scheduler and len(self._optimizers) < MOST_SEARCHES:
                scheduler = scheduler_of(optimizer)
            kept = tuple(map(settings, optimizer.param_groups, labels))
            self._optimizers[track.index] = OptimizerInfo(track.name, kept, scheduler)
        parts = {known.info.name: n for known in self._known.values() if (n := known.copies)}
        if parts:
            self.recorder.sink.meta({"parts": parts})
        self.recorder.sink.meta(
            {
                "parameters": [asdict(known.info) for known in described],
                "optimizers": [asdict(self._optimizers[index]) for index in sorted(self._optimizers)],
            }
        )
        self.recorder.network.models_known(self._alive())

    def _search(self, groups: dict[int, str]) -> None:
        modules = [m for ref in list(self._modules.values()) if (m := ref()) is not None]
        self._describe_roots(root_modules(modules, set(groups)), groups)
        is_missing = any(key not in self._known for key in groups)
        # Copies and unpickled models register nothing. A list of all objects is safe in a single thread only:
        # it would hold tuples that another thread is still filling, and filling fails then.
        if is_missing and self._searches < MOST_SEARCHES and is_single_threaded():
            self._searches += 1
            # type(o) and not isinstance: that asks lazy objects for __class__, which may import or warn.
            everything = [o for o in gc.get_objects() if issubclass(type(o), Module)]
            self._describe_roots(root_modules(everything, set(groups)), groups)

    def _describe_roots(self, roots: Iterable[Module], groups: dict[int, str]) -> None:
        for root in roots:
            if not any(known() is root for known in self._roots):
                self._roots.append(weakref.ref(root))
            found = owners(root)
            activations = following_activations(root)
            prefix = f"{type(root).__name__}." if any(name in self._names for _, name, _ in found) else ""
            for parameter, name, module in found:
                if self._info(parameter) is None:
                    activation = activations.get(id(module), "")
                    self._describe(prefix + name, parameter, module, activation, groups)

    def _describe(
        self, name: str, parameter: Tensor, module: Module | None, activation: str, groups: dict[int, str]
    ) -> None:
        unique, n = name, 1
        while unique in self._names:
            n += 1
            unique = f"{name}#{n}"
        self._names.add(unique)
        info = describe_parameter(unique, parameter, module, activation, groups.get(id(parameter), ""))
        self._known[id(parameter)] = _Known(weakref.ref(parameter), info, copies_of(parameter))

    def _info(self, parameter: Tensor) -> ParameterInfo | None:
        known = self._known.get(id(parameter))
        return known.info if known is not None and known.parameter() is parameter else None

    def name_for(self, track: Track, parameter: Tensor) -> str:
        """Its name if this is the first optimizer that holds it, else ""."""
        known = self._known[id(parameter)]
        return known.info.name if known.owner == track.index else ""

    def is_in_evaluation_mode(self) -> bool:
        """Whether `eval()` was called on every model that is trained; False when none is known yet."""
        alive = self._alive()
        return bool(alive) and not any(root.training for root in alive)

    def _alive(self) -> list[Module]:
        """The models that are trained, in the order in which they were found."""
        return [root for known in self._roots if (root := known()) is not None]

    def unheld(self, track: Track) -> list[tuple[Tensor, ParameterInfo]]:
        """The parameters that were found with this optimizer's model and that no optimizer holds.

        Never those found by another one: its thread may be writing their gradients now.
        """
        optimizers = self.recorder.optimizers()
        held = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
        found = [k for k in list(self._known.values()) if k.owner < 0 and k.finder == track.index]
        return [(p, k.info) for k in found if (p := k.parameter()) is not None and id(p) not in held]

    def info(self, parameter: Tensor) -> ParameterInfo:
        """The description of a parameter of an optimizer that was looked at.

        Raises:
            KeyError: it was not.
        """
        info = self._info(parameter)
        if info is None:
            raise KeyError(f"a parameter of shape {tuple(parameter.shape)} was never described")
        return info
