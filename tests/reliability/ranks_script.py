"""Small trainings spread over the ranks of torchrun, each first without and then with a recording.

`torchrun --nproc-per-node N ranks_script.py OUT MODE ...`: every rank writes OUT/rank<r>.json: per mode the
losses, a digest of the weights and the number of collectives, without and with us.
`trained(mode, 0, 1)` is one process alone.
"""

import json
import os
import sys
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

import traindoctor

torch.set_num_threads(1)
STEPS, PER_STEP = 6, 24
MAX_NORM = 0.5


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))


def batch(step, micro, n_micro, rank, world):
    make = torch.Generator().manual_seed(1000 + step)
    x = torch.randn(PER_STEP, 5, generator=make)
    y = x[:, :3].argmax(1)
    share = slice(micro * PER_STEP // n_micro, (micro + 1) * PER_STEP // n_micro)
    return x[share][rank::world], y[share][rank::world]


def spread(mode, net, world):
    """The model as the ranks share it."""
    if world == 1:
        return net
    if mode in ("ddp", "no_sync"):
        return nn.parallel.DistributedDataParallel(net)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if mode == "hsdp":
        mesh = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("copies", "parts"))
    else:
        mesh = init_device_mesh("cpu", (world,))
    fully_shard(net[0], mesh=mesh)
    if mode != "partly":
        fully_shard(net[2], mesh=mesh)
        fully_shard(net, mesh=mesh)
    return net


def average_by_hand(net, world):
    for p in net[2].parameters():
        dist.all_reduce(p.grad)
        p.grad /= world


def trained(mode, rank, world, look=lambda *a: None):
    """Losses of a training; `look(net, norm before clipping)` after each step."""
    net = spread(mode, model(), world)
    # one that cannot mix whole tensors with parts takes them one by one
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, foreach=mode != "partly")
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    n_micro, losses = (2 if mode == "no_sync" else 1), []
    for step in range(STEPS):
        optimizer.zero_grad()
        for micro in range(n_micro):
            x, y = batch(step, micro, n_micro, rank, world)
            waits = mode == "no_sync" and world > 1 and micro == 0
            with net.no_sync() if waits else nullcontext():
                loss = nn.functional.cross_entropy(net(x), y) / n_micro
                loss.backward()
            losses.append(loss.item())
        norm = None
        if mode == "partly":
            if world > 1:
                average_by_hand(net, world)
        else:
            norm = nn.utils.clip_grad_norm_(net.parameters(), MAX_NORM)
        optimizer.step()
        look(net, norm)
        scheduler.step()
    return net, losses


def digest(net):
    parts = [getattr(p, "_local_tensor", p).detach() for p in net.parameters()]
    return sha256(b"".join(p.numpy().tobytes() for p in parts)).hexdigest()


def n_collectives():
    """What the backends counted, over all groups."""
    groups = list(dist.distributed_c10d._world.pg_map)
    return sum(group._get_sequence_number_for_group() for group in groups)


def measured(mode, rank, world):
    before = n_collectives()
    net, losses = trained(mode, rank, world)
    return {"losses": losses, "weights": digest(net), "collectives": n_collectives() - before}


def main(out, *modes):
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    found = {mode: {"off": measured(mode, rank, world)} for mode in modes}
    for mode in modes:
        dist.barrier()
        with traindoctor.watch(out=Path(out, mode), every=1):
            found[mode]["on"] = measured(mode, rank, world)
    if rank == 0:  # a recording on some ranks only: nothing may wait for the others
        with traindoctor.watch(out=Path(out, "lone"), every=1):
            found["lone"] = {"on": measured(modes[-1], rank, world)}
    else:
        found["lone"] = {"on": measured(modes[-1], rank, world)}
    Path(out, f"rank{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
