"""Numbers that are still on an accelerator: copied without waiting, read when they have arrived."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Arriving:
    """A copy on its way from an accelerator to the host.

    The copy is queued on the current stream into pinned memory and followed by an event; the memory is read
    only after the event. Where a device has neither, the tensor is kept and read later, which waits then.

    Args:
        values: tensor on an accelerator; what happens to it afterwards does not change the copy.
    """

    def __init__(self, values: Tensor) -> None:
        self._event: Any = None
        module = getattr(torch, values.device.type, None)
        make_event = getattr(module, "Event", None)
        if make_event is None or values.device.type not in ("cuda", "xpu"):
            self._host = values.detach().clone()
            return
        self._host = torch.empty(values.shape, dtype=values.dtype, device="cpu", pin_memory=True)
        self._host.copy_(values.detach(), non_blocking=True)
        self._event = make_event()
        self._event.record()

    def has_arrived(self) -> bool:
        """Whether reading would not wait."""
        return self._event is None or bool(self._event.query())

    def read(self) -> Tensor:
        """The values on the host; waits for them if they are still under way."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None
        return self._host.cpu()


def is_capturing(device: torch.device) -> bool:
    """Whether a CUDA graph is being captured, during which nothing of ours may be queued."""
    return device.type == "cuda" and bool(torch.cuda.is_current_stream_capturing())


def gather(values: list[Tensor]) -> Tensor:
    """0-dim tensors of one device as one vector; float64 if any of them is, else float32."""
    wide = any(v.dtype == torch.float64 for v in values)
    dtype = torch.float64 if wide else torch.float32
    return torch.stack([v.detach().to(dtype) for v in values])


class ArrivingScalars:
    """0-dim tensors of any devices on their way to the host, one copy per device.

    Args:
        tensors: at least one.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        by_device: dict[torch.device, list[int]] = {}
        for index, tensor in enumerate(tensors):
            by_device.setdefault(tensor.device, []).append(index)
        self._n = len(tensors)
        self._copies = [
            (Arriving(gather([tensors[i] for i in indices])), indices) for indices in by_device.values()
        ]

    def has_arrived(self) -> bool:
        """Whether reading would not wait."""
        return all(copy.has_arrived() for copy, _ in self._copies)

    def read(self) -> list[float]:
        """The values in the order given; waits for those still under way."""
        values = [float("nan")] * self._n
        for copy, indices in self._copies:
            for index, value in zip(indices, copy.read().tolist(), strict=True):
                values[index] = value
        return values
