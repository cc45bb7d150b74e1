"""Checksums of whole weights, by which a reader sees whether all ranks hold the same ones. Nothing is sent.

The bits of a tensor are added up as 32-bit integers, exactly and in any order, so that ranks with another
number of threads get the same sum; it is folded to 24 bits, which a float32 in the log holds exactly. Changes
that cancel each other out to the bit are not seen. Parts of sharded tensors differ by right: they have none.
Ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from traindoctor.names import WEIGHT_CHECKSUM

from .sharding import copies_of
from .statistics import Table
from .tensors import Quiet

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int32}


def checksum(tensor: Tensor) -> Tensor | None:
    """Checksum of a tensor's bits, 0 to 2**24 - 1 (0-dim int32, on its device); None if it cannot be read."""
    if copies_of(tensor):
        return None
    tensor = getattr(tensor, "_local_tensor", tensor).detach()
    if type(tensor) is not Tensor or tensor.layout is not torch.strided or tensor.device.type == "meta":
        return None
    size = tensor.element_size()
    if tensor.is_contiguous():
        flat = tensor.view(-1)
        words = flat.view(torch.int32 if flat.numel() * size % 4 == 0 else _INTEGERS[size])
    elif size in (1, 2, 4):
        words = tensor.view(_INTEGERS[size])
    else:
        return None
    total = words.sum(dtype=torch.int32)  # wraps around, the same in any order
    return (total & 0xFFFFFF) ^ ((total >> 24) & 0xFF)


def checksum_tables(step: int, names: Sequence[str], parameters: Sequence[Tensor]) -> list[Table]:
    """The checksums of one step as a table of their own; [] when no parameter has one."""
    with Quiet():
        found = [(name, checksum(p)) for name, p in zip(names, parameters, strict=True) if name]
    known = {name: value for name, value in found if value is not None}
    if not known:
        return []
    values = [{WEIGHT_CHECKSUM: value} for value in known.values()]
    return [Table(step, list(known), values, (WEIGHT_CHECKSUM,))]
