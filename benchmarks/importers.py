"""How fast one long TensorBoard event file is read, side by side with the readers people use.

Run with `python benchmarks/importers.py [EVENTS [REPEATS]]` where tensorboard and tbparse are installed.
Each reading is a process of its own, the readers take turns, and the best of the repeats counts; prints
seconds from the start of the reading to the last value, peak memory, and both relative to ours.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

TAGS = ("train/loss", "train/lr", "train/grad_norm", "eval/loss", "throughput")

_OURS = """
from traindoctor.collectors.importers.discovery import load_run
run = load_run(folder)
curves = {info.source_name: run.series[name].values for name, info in run.info.series.items()}
"""
_ACCUMULATOR = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
reader = EventAccumulator(folder, size_guidance={"scalars": 0})
reader.Reload()
curves = {tag: [event.value for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
"""
_TBPARSE = """
from tbparse import SummaryReader
table = SummaryReader(folder).scalars
curves = {tag: rows["value"].to_numpy() for tag, rows in table.groupby("tag")}
"""
READERS = {"traindoctor": _OURS, "EventAccumulator": _ACCUMULATOR, "tbparse": _TBPARSE}

_FRAME = """
import json, math, resource, sys, time
folder = sys.argv[1]
began, worked = time.perf_counter(), time.process_time()
{body}
seconds, cpu = time.perf_counter() - began, time.process_time() - worked
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
sums = {{tag: [len(curve), math.fsum(curve)] for tag, curve in curves.items()}}
print(json.dumps([seconds, cpu, peak, sums]))
"""


@dataclass(frozen=True)
class Reading:
    """One process's reading.

    Attributes:
        seconds: wall clock.
        cpu: seconds of processor time.
        peak: largest resident memory, MiB.
        sums: tag -> number of values and their sum.
    """

    seconds: float
    cpu: float
    peak: float
    sums: dict[str, tuple[int, float]]


def masked(data: bytes) -> bytes:
    """CRC32C as TFRecord stores it."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(number: int) -> bytes:
    """A whole number as protobuf writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def write_events(path: Path, n_events: int) -> None:
    """An event file as torch.utils.tensorboard writes it, with five scalars per step."""
    values = np.random.default_rng(0).random(n_events, np.float32)
    with path.open("wb") as file:

        def frame(payload: bytes) -> None:
            length = struct.pack("<Q", len(payload))
            file.write(length + masked(length) + payload + masked(payload))

        frame(b"\x09" + struct.pack("<d", 1.7e9) + field(3, b"brain.Event:2"))
        for i in range(n_events):
            step, tag = divmod(i, len(TAGS))
            scalar = field(1, TAGS[tag].encode()) + b"\x15" + values[i].tobytes()
            head = b"\x09" + struct.pack("<d", 1.7e9 + i * 0.01) + (b"\x10" + varint(step) if step else b"")
            frame(head + field(5, field(1, scalar)))


def read(reader: str, folder: Path) -> Reading:
    """One reading in a process of its own."""
    program = _FRAME.format(body=READERS[reader])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, cpu, peak, sums = json.loads(done.stdout.splitlines()[-1])
    return Reading(seconds, cpu, peak, {tag: (n, total) for tag, (n, total) in sums.items()})


def main(n_events: int = 1_000_000, repeats: int = 3) -> None:
    """Measure all readers and print the table."""
    with tempfile.TemporaryDirectory(prefix="traindoctor-events-") as name:
        folder = Path(name)
        write_events(folder / "events.out.tfevents.1700000000.host.1.0", n_events)
        found: dict[str, list[Reading]] = {reader: [] for reader in READERS}
        for _ in range(repeats):
            for reader, readings in found.items():
                readings.append(read(reader, folder))
    expected = found["traindoctor"][0].sums
    print(f"{n_events} events, best of {repeats}, one process each\n")
    print(
        f"{'reader':18}{'seconds':>9}{'cpu s':>9}{'peak MiB':>10}{'times ours':>12}{'memory':>9}  same values"
    )
    ours = {key: min(getattr(r, key) for r in found["traindoctor"]) for key in ("seconds", "peak")}
    for reader, readings in found.items():
        seconds, cpu, peak = (min(getattr(r, key) for r in readings) for key in ("seconds", "cpu", "peak"))
        same = "yes" if all(r.sums == expected for r in readings) else "NO"
        ratios = f"{seconds / ours['seconds']:>12.1f}{peak / ours['peak']:>9.1f}"
        print(f"{reader:18}{seconds:>9.2f}{cpu:>9.2f}{peak:>10.0f}{ratios}  {same}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
