"""skorch: `NeuralNetClassifier(..., callbacks=[SkorchCallback()])`."""

from __future__ import annotations

from typing import Any

from .session import Session


class SkorchHooks:
    """Callback that records `fit`. Its options are plain attributes, as `sklearn.clone` asks for.

    Args:
        name, out, every, budget: as for `traindoctor.watch`.
    """

    def __init__(
        self, name: str = "", out: Any = None, every: int | None = None, budget: float | None = None
    ) -> None:
        self.name, self.out, self.every, self.budget = name, out, every, budget
        self._session: Session | None = None

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **rest: Any) -> None:  # noqa: N803
        """`fit` begins."""
        self._session = Session(self.name, self.out, self.every, self.budget)
        self._session.begin(getattr(net, "module_", None), getattr(net, "optimizer_", None))

    def on_epoch_end(self, net: Any, **rest: Any) -> None:
        """Scores of the epoch, as far as callbacks before this one computed them."""
        if self._session is not None:
            scores = net.history[-1].items()
            self._session.log(
                {key: v for key, v in scores if key.startswith("valid_") and "batch" not in key}
            )

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **rest: Any) -> None:  # noqa: N803
        """`fit` is over."""
        session, self._session = self._session, None
        if session is not None:
            session.end()
