"""Scripts for the tests of `traindoctor tune`: one that trains with torch, one that only writes a log."""

from __future__ import annotations

from pathlib import Path

TRAINS = """
import argparse, torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
arguments = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)
x, weight, held_out = torch.randn(128, 4), torch.randn(4, 1), torch.randn(64, 4)
model, loss = nn.Linear(4, 1), nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr)
for epoch in range(4):
    model.train()
    for i in range(0, 128, 16):
        optimizer.zero_grad()
        loss(model(x[i : i + 16]), x[i : i + 16] @ weight).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        loss(model(held_out), held_out @ weight)
"""

WRITES = '''
"""Writes the run log of a training whose validation loss is best at --lr 0.01; no torch, so it is quick."""
import argparse, math, os, sys, time
import numpy as np
from pathlib import Path
from traindoctor.runlog import Kind, LogWriter, encode_rows
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--wd", default="0")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--sleep", type=float, default=0.0)
parser.add_argument("--fail", default="")
parser.add_argument("--ignore", action="store_true")
parser.add_argument("--series", default="loss/validation")
arguments = parser.parse_args()
if arguments.fail:
    sys.exit(f"ValueError: {arguments.fail}")
header = dict(run_id="r", pid=os.getpid(), host="h", boot="b", process_start=1, started=time.time(), rank=0,
              attempt=0, world_size=1)
log = LogWriter(Path(os.environ["TRAINDOCTOR_RUN_DIR"]) / "rank00000.attempt00.h.1.tdlog", header)
distance = 0.0 if arguments.ignore else math.log10(arguments.lr / 0.01) ** 2 + 0.1 * float(arguments.wd)
for epoch in range(1, arguments.epochs + 1):
    steps = np.arange(10 * epoch - 10, 10 * epoch)
    losses = np.full(10, math.nan if arguments.lr > 1 and epoch > 1 else 2.0 / epoch)
    log.append(Kind.ROWS, encode_rows(steps, {"loss/train": losses}, {}))
    value = math.nan if arguments.lr > 1 else 0.5 / epoch + 0.1 * distance
    log.append(Kind.ROWS, encode_rows(np.array([10 * epoch - 1]), {arguments.series: np.array([value])}, {}))
    log.flush()
    time.sleep(arguments.sleep)
log.close({"status": "finished", "exception": ""})
'''


def script(folder: Path, text: str = WRITES) -> str:
    """Write a script and give its path."""
    path = folder / "train.py"
    path.write_text(text)
    return str(path)
