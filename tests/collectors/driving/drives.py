"""Small trainings in this process, plain or driven."""

from contextlib import contextmanager

import torch
from torch import nn

from tests.recordings import fingerprint
from traindoctor.collectors.driving.driver import Driver

torch.set_num_threads(1)


@contextmanager
def driving(orders, folder):
    """Drive what happens inside; SystemExit passes through."""
    driver = Driver(orders, folder)
    driver.install()
    try:
        yield driver
    finally:
        driver.uninstall()
        driver.finish()


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def train(model, optimizer, scheduler=None, n=12, *, scaler=None, inf_at=(), seed=1):
    """LRs that the script sees before each step, and a fingerprint of everything at the end."""
    make = torch.Generator().manual_seed(seed)
    seen, losses = [], []
    for step in range(n):
        x, y = torch.randn(5, 6, generator=make), torch.randint(0, 3, (5,), generator=make)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        if step in inf_at:
            loss = loss * float("inf")
        (loss if scaler is None else scaler.scale(loss)).backward()
        seen.append([float(group["lr"]) for group in optimizer.param_groups])
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        if scheduler is not None:
            scheduler.step()
        losses.append(loss.item())
    states = [optimizer.state_dict()] + ([scheduler.state_dict()] if scheduler is not None else [])
    return seen, fingerprint(model.state_dict(), states, losses)
