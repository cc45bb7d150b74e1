"""Lightning's Trainer and Fabric: callbacks that record from the start of the fit to its end."""

from __future__ import annotations

from typing import Any

from .session import Session


class LightningHooks:
    """Callback of the Trainer: `Trainer(callbacks=[LightningCallback()])`.

    Args:
        options: as for `traindoctor.watch`.
    """

    def __init__(self, **options: Any) -> None:
        self.session = Session(**options)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Before the sanity check."""
        self.session.begin(pl_module, getattr(trainer, "optimizers", None), trainer.global_rank)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The module's own validation metrics, under their names."""
        if not trainer.sanity_checking:
            self.session.log(trainer.callback_metrics)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Training failed or was interrupted."""
        self.session.end(exception)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Training is over."""
        self.session.end()


class FabricHooks:
    """Callback of Fabric: `Fabric(callbacks=[FabricCallback()])`.

    Records from `fabric.setup` on, until `fabric.call("on_fit_end")` or the end of the process.

    Args:
        options: as for `traindoctor.watch`.
    """

    def __init__(self, **options: Any) -> None:
        self.session = Session(**options)

    def on_after_setup(self, fabric: Any, module: Any) -> None:
        """A module was set up."""
        self.session.begin(module, None, fabric.global_rank)

    def on_fit_end(self) -> None:
        """The user says that training is over."""
        self.session.end()
