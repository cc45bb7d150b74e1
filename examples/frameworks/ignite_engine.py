"""Ignite: a supervised trainer with an evaluator after each epoch and a parameter scheduler."""

import json

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import LinearCyclicalScheduler
from ignite.metrics import Accuracy, Loss
from ignite.utils import manual_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    manual_seed(0)
    x = torch.randn(400, 8)
    data = TensorDataset(x, x[:, :3].argmax(1))
    train, held_out = torch.utils.data.random_split(data, [320, 80])
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    trainer = create_supervised_trainer(model, optimizer, criterion)
    evaluator = create_supervised_evaluator(model, {"loss": Loss(criterion), "accuracy": Accuracy()})
    schedule = LinearCyclicalScheduler(optimizer, "lr", 0.01, 0.2, cycle_size=20)
    trainer.add_event_handler(Events.ITERATION_STARTED, schedule)
    log = {"loss": [], "lr": [], "val_loss": [], "val_accuracy": []}

    @trainer.on(Events.ITERATION_COMPLETED)
    def note(engine):
        log["loss"].append(engine.state.output)
        log["lr"].append(optimizer.param_groups[0]["lr"])

    @trainer.on(Events.EPOCH_COMPLETED)
    def evaluate(engine):
        metrics = evaluator.run(DataLoader(held_out, 40)).metrics
        log["val_loss"].append(metrics["loss"])
        log["val_accuracy"].append(metrics["accuracy"])

    trainer.run(DataLoader(train, 32, shuffle=True), max_epochs=3)
    with open("log.json", "w") as file:
        json.dump(log, file)
    torch.save(model.state_dict(), "weights.pt")
