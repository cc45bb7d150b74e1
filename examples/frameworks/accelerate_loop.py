"""Accelerate: prepared model, optimizer, loaders and scheduler; accumulation over two batches; clipping."""

import json

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    set_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    x = torch.randn(400, 8)
    data = TensorDataset(x, x[:, :3].argmax(1))
    train, held_out = torch.utils.data.random_split(data, [320, 80])
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=30)
    parts = (network, optimizer, DataLoader(train, 16, shuffle=True), DataLoader(held_out, 40), schedule)
    model, optimizer, batches, tests, schedule = accelerator.prepare(*parts)
    log = {"loss": [], "lr": [], "val_loss": []}
    for _ in range(3):
        for inputs, labels in batches:
            with accelerator.accumulate(model):
                loss = nn.functional.cross_entropy(model(inputs), labels)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    log["lr"].append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            log["loss"].append(loss.item())
        with torch.inference_mode():
            losses = [nn.functional.cross_entropy(model(inputs), labels).item() for inputs, labels in tests]
        log["val_loss"].append(sum(losses) / len(losses))
    with open("log.json", "w") as file:
        json.dump(log, file)
    torch.save(network.state_dict(), "weights.pt")
