"""Lightning Fabric: a loop of one's own around a wrapped model, optimizer and loaders."""

import json

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    L.seed_everything(0, verbose=False)
    fabric = L.Fabric(accelerator="cpu", devices=1)
    x = torch.randn(400, 8)
    data = TensorDataset(x, x[:, :3].argmax(1))
    train, held_out = torch.utils.data.random_split(data, [320, 80])
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    model, optimizer = fabric.setup(network, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    batches, tests = fabric.setup_dataloaders(DataLoader(train, 32, shuffle=True), DataLoader(held_out, 40))
    log = {"loss": [], "lr": [], "val_loss": []}
    for _ in range(3):
        model.train()
        for inputs, labels in batches:
            loss = nn.functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            fabric.backward(loss)
            log["loss"].append(loss.item())
            log["lr"].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            losses = [nn.functional.cross_entropy(model(inputs), labels) for inputs, labels in tests]
        log["val_loss"].append(torch.stack(losses).mean().item())
    with open("log.json", "w") as file:
        json.dump(log, file)
    torch.save(network.state_dict(), "weights.pt")
