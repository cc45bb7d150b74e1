"""Run by Python at start-up, being first on PYTHONPATH: waits for torch, then calls the recorder."""

# Everything here costs each Python process that the user's command starts, so nothing is imported that
# site.py has not imported already, and nothing of ours stays behind but one entry of sys.meta_path
# that goes away with the import of torch.

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HANDOVER = "1"


def _remove_own_folder() -> None:
    own = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != own]


def _run_next_sitecustomize() -> None:
    own = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except BaseException as error:
        # importlib expects to find the module that it is loading.
        sys.modules[__name__] = own
        if not isinstance(error, ImportError) or error.name != __name__:
            raise


def _say(sentence: str) -> None:
    try:
        sys.stderr.write(f"traindoctor: not recorded: {sentence}\n")
    except Exception:
        return


def _start_recorder() -> None:
    launcher = os.environ.get("TRAINDOCTOR_HANDOVER", "")
    try:
        from traindoctor.collectors.launcher import exit_state, handover
        from traindoctor.collectors.recorder import install_from_environment
    except Exception as error:
        _say(f"{sys.executable} cannot import traindoctor ({error!r}); install it for this Python")
        return
    if not launcher == HANDOVER == handover.FORMAT:
        _say(f"launcher ({launcher}), injected file ({HANDOVER}) and package ({handover.FORMAT}) differ")
        return
    try:
        install_from_environment()
        exit_state.install()
    except Exception as error:
        _say(f"the recorder could not start ({error!r})")
    if "TRAINDOCTOR_ORDERS" in os.environ:
        _start_driver()


def _start_driver() -> None:
    try:
        from traindoctor.collectors.driving.installing import install_from_environment

        install_from_environment()
    except Exception as error:  # whoever started the run finds no report of a driver, and says so
        sys.stderr.write(f"traindoctor: not driven: {error!r}\n")


def _seed(name: str) -> None:
    """Seed what has just been imported, where the run was given a seed."""
    if "TRAINDOCTOR_SEED" not in os.environ:
        return
    try:
        from traindoctor.collectors.driving.seeding import seed_module

        seed_module(name)
    except Exception as error:
        _say(f"the seed of {name} could not be set ({error!r})")


class _TorchFinder:
    """Answers for `torch` (and `numpy`, in a run with a seed): with the spec of the other finders, marked to
    see the end of its loading."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name != "torch" and (name != "numpy" or "TRAINDOCTOR_SEED" not in os.environ):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not _TorchFinder else None
            if spec is not None:
                _watch_loading(spec, name)
                return spec
        return None


def _watch_loading(spec: "Any", module: str) -> None:
    plain = type(spec)

    # importlib sets `_initializing` to False as the last act of an import. Seeing it there, instead of
    # wrapping the loader, keeps our frames out of every traceback that passes through `import torch`.
    def note_attribute(self: "Any", name: str, value: "Any") -> None:
        object.__setattr__(self, name, value)
        if name != "_initializing" or value:
            return
        object.__setattr__(self, "__class__", plain)
        _seed(module)
        if module == "torch" and "torch" in sys.modules and _TorchFinder in sys.meta_path:
            sys.meta_path.remove(_TorchFinder)
            _start_recorder()

    spec.__class__ = type("WatchedSpec", (plain,), {"__setattr__": note_attribute})


_remove_own_folder()
try:
    _run_next_sitecustomize()
finally:
    if "TRAINDOCTOR_RUN_ID" in os.environ and os.environ.get("TRAINDOCTOR_DISABLE", "0") in ("", "0"):
        if "TRAINDOCTOR_SEED" in os.environ:
            import random  # noqa: F401 - so that it can be seeded before the script draws from it

            _seed("random")
        sys.meta_path.insert(0, _TorchFinder)
