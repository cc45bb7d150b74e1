"""skorch: a scikit-learn estimator that holds out a fifth of the data and steps a schedule every batch."""

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x):
        return self.body(x)


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(400, 8)
    schedule = LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=30, step_every="batch")
    net = NeuralNetClassifier(
        Classifier, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=0.1, optimizer__momentum=0.9,
        max_epochs=3, batch_size=32, iterator_train__shuffle=True, callbacks=[schedule], verbose=0,
    )  # fmt: skip
    net.fit(x.numpy(), x[:, :3].argmax(1).numpy())
    net.history.to_file("log.json")
    torch.save(net.module_.state_dict(), "weights.pt")
