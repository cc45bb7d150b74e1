"""Where a restarted process goes on: the steps that the optimizer's own state has counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from .run_recorder import Recorder
    from .state import Track


def count_on(recorder: Recorder, track: Track, optimizer: Optimizer) -> None:
    """The first step of an optimizer in a restarted process: its steps follow those of the attempt before."""
    try:
        done = steps_done(optimizer)
    except Exception:  # a state of the user's own making; recording goes on without it
        done = None
    if done is None:
        recorder.note(
            f"this is a restart of the run, and {track.name} keeps no count of its steps: they are counted "
            "from 0, whether it went on from a checkpoint or not"
        )
    else:
        track.first_step = done - 1
    known = {t.index: t.first_step for state in recorder.states() for t in list(state.tracks.values())}
    recorder.sink.meta({"first_steps": [known.get(index) for index in range(max(known) + 1)]})


def steps_done(optimizer: Optimizer) -> int | None:
    """How many steps an optimizer has done, over all restarts; None for one that does not count (SGD).

    Adam and its kin keep the number with each parameter. It is read once per process, and from an accelerator
    that waits, which is why only restarted processes are asked.
    """
    counts: list[int] = []
    for state in optimizer.state.values():
        count: Any = state.get("step") if isinstance(state, dict) else None
        if isinstance(count, Tensor):
            count = count.item() if count.numel() == 1 else None
        if isinstance(count, (int, float)) and count >= 1:
            counts.append(int(count))
    return max(counts, default=None)
