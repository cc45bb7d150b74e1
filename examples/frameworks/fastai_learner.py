"""fastai: a Learner under the one-cycle policy; its optimizers are its own, not torch's."""

import json

import torch
from fastai.callback.schedule import fit_one_cycle  # noqa: F401 - gives Learner its method
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.torch_core import set_seed
from torch import nn
from torch.utils.data import TensorDataset

if __name__ == "__main__":
    set_seed(0)
    x = torch.randn(400, 8)
    data = TensorDataset(x, x[:, :3].argmax(1))
    train, held_out = torch.utils.data.random_split(data, [320, 80])
    loaders = DataLoaders(DataLoader(train, bs=32, shuffle=True), DataLoader(held_out, bs=40))
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    learner = Learner(loaders, model, loss_func=nn.functional.cross_entropy)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(3, 0.01)
    recorder = learner.recorder
    log = {"loss": [float(v) for v in recorder.losses], "lr": recorder.lrs}
    log["val_loss"] = [row[1] for row in recorder.values]
    with open("log.json", "w") as file:
        json.dump(log, file)
    torch.save(model.state_dict(), "weights.pt")
