"""A training over ranks that meets every misfortune.

`torchrun --max-restarts 9 ... restarted_script.py FOLDER KILLED_AT`: the last rank kills itself at that step.
The next attempt goes on from the checkpoint; there the last rank is late at every step, and at DRIFTS_AT it
changes one weight by 1e-7. Some time after step STEPS rank 0 asks torchrun to end, and all train on until
they are ended. Each rank appends "attempt step loss" to FOLDER/rank<r>.txt.

Attempts are told apart by a file that the killed rank leaves, as an attempt may also end before it has begun.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

torch.set_num_threads(1)
STEPS, DRIFTS_AT, EVERY = 30, 22, 4
LATE_SECONDS = 0.03
MORE = 12  # steps, longer than records wait in memory


def main(folder, killed_at):
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    folder, is_last = Path(folder), rank == world - 1
    resumes = (folder / "killed").exists()
    dist.init_process_group("gloo", timeout=timedelta(seconds=30))  # ranks that miss each other try again
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    spread = nn.parallel.DistributedDataParallel(net)
    saved, step = folder / "checkpoint.pt", 0
    if resumes:
        state = torch.load(saved)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    with (folder / f"rank{rank}.txt").open("a") as told:
        while True:
            if resumes and is_last:
                time.sleep(LATE_SECONDS)
            if not resumes and step == killed_at - 1:
                time.sleep(0.3)  # longer than records wait in memory
            make = torch.Generator().manual_seed(step * world + rank)
            x = torch.randn(8, 5, generator=make)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(spread(x), x[:, :3].argmax(1))
            loss.backward()
            optimizer.step()
            if step == DRIFTS_AT and is_last:
                with torch.no_grad():
                    net[2].weight[1, 3] *= 1 + 1e-7
            print(attempt, step, repr(loss.item()), file=told, flush=True)
            step += 1
            if not resumes and step % EVERY == 0:
                dist.barrier()  # no rank may die of another's death while this one saves
                if rank == 0:
                    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                    torch.save(state, folder / "new.pt")
                    os.replace(folder / "new.pt", saved)
                dist.barrier()
            if not resumes and step == killed_at and is_last:
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if step == STEPS + MORE and rank == 0:
                os.kill(os.getppid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
