"""Recordings of small trainings in this process, and the same trainings without us."""

import hashlib
import random
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from traindoctor.collectors import recorder as process
from traindoctor.collectors.importers.native import read_run
from traindoctor.collectors.options import RecorderOptions
from traindoctor.collectors.recorder import Recorder

torch.set_num_threads(1)

RUN_ID = "20260101-000000-abcd"


@contextmanager
def recording(folder, **options):
    """Record what happens inside; `read(folder)` gives the Run afterwards."""
    recorder = Recorder(RUN_ID, folder / RUN_ID, RecorderOptions(**options), {})
    process.start(recorder)
    try:
        recorder.adopt(None, [])
        yield recorder
    finally:
        process.stop({"status": "finished", "exception": ""})


def read(folder):
    return read_run(folder / RUN_ID)


def values(run, name):
    """The values of a series as a list; [] when it was not recorded."""
    found = run.get(name)
    return [] if found is None else found.values.tolist()


def mlp(width=8):
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))


def batches(n=4, size=5, seed=0):
    """n batches of (inputs, class labels)."""
    make = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 6, generator=make), torch.randint(0, 3, (size,), generator=make)) for _ in range(n)
    ]


def loader(n=20, size=5, seed=0, **options):
    make = torch.Generator().manual_seed(seed)
    data = TensorDataset(torch.randn(n, 6, generator=make), torch.randint(0, 3, (n,), generator=make))
    return DataLoader(data, batch_size=size, **options)


def fingerprint(*things):
    """SHA-256 over tensors, numbers and state dicts, and over every random number generator."""
    generators = (torch.get_rng_state(), np.random.get_state()[1], random.getstate())
    return hashlib.sha256(repr(_plain((*things, *generators))).encode()).hexdigest()


def _plain(thing):
    if isinstance(thing, torch.Tensor):
        return hashlib.sha256(_bytes(thing)).hexdigest()
    if isinstance(thing, np.ndarray):
        return hashlib.sha256(thing.tobytes()).hexdigest()
    if isinstance(thing, dict):
        return {key: _plain(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_plain(value) for value in thing]
    return thing


def _bytes(tensor):
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
