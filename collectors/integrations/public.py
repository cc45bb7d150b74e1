"""The objects that users import: our hooks joined with the framework's class, made when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from traindoctor.errors import MissingDependencyError

# public name -> (module of the hooks, hooks, framework's module, its class; "" where none is asked for)
OBJECTS = {
    "LightningCallback": ("lightning", "LightningHooks", "lightning.pytorch", "Callback"),
    "FabricCallback": ("lightning", "FabricHooks", "lightning.fabric", ""),
    "TransformersCallback": ("transformers", "TransformersHooks", "transformers", "TrainerCallback"),
    "AccelerateTracker": ("accelerate", "AccelerateHooks", "accelerate.tracking", "GeneralTracker"),
    "IgniteHandler": ("ignite", "IgniteHooks", "ignite.engine", ""),
    "SkorchCallback": ("skorch", "SkorchHooks", "skorch.callbacks", "Callback"),
    "FastaiCallback": ("fastai", "FastaiHooks", "fastai.callback.core", "Callback"),
    "ComposerCallback": ("composer", "ComposerHooks", "composer.core", "Callback"),
}
HOME = "traindoctor.integrations"


@cache
def integration(name: str) -> type:
    """The class behind a public name.

    Raises:
        AttributeError: there is no such name.
        MissingDependencyError: the framework is not installed.
    """
    if name not in OBJECTS:
        raise AttributeError(f"module {HOME!r} has no attribute {name!r}")
    where, hooks, framework, base = OBJECTS[name]
    ours: type = getattr(import_module(f".{where}", __package__), hooks)
    try:
        theirs = import_module(framework)
    except ImportError as error:
        raise MissingDependencyError(f"{name} needs {framework.split('.')[0]} ({error})") from error
    bases = (ours, getattr(theirs, base)) if base else (ours,)
    # Pickle finds it again under the public name.
    return type(name, bases, {"__module__": HOME, "__doc__": ours.__doc__})
