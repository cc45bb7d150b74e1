"""Train a small convolutional network on CIFAR-10 and count its accuracy by hand."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision import transforms

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.fc1(x.flatten(1)))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def load_npz(path):
    """Datasets from an .npz file with uint8 images (n, 32, 32, 3) and labels (n,)."""
    arrays = np.load(path)

    def dataset(images, labels):
        x = torch.from_numpy(arrays[images]).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5)
        return TensorDataset(x, torch.from_numpy(arrays[labels].astype(np.int64)))

    return dataset("x_train", "y_train"), dataset("x_test", "y_test")


def load_torchvision(folder):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
    return tuple(
        torchvision.datasets.CIFAR10(folder, train=train, download=True, transform=transform)
        for train in (True, False)
    )


def train(net, loader, criterion, optimizer, epoch, log_every):
    net.train()
    running_loss = 0.0
    for i, (images, labels) in enumerate(loader, start=1):
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        if i % log_every == 0:
            print(f"[{epoch + 1}, {i:5d}] loss: {running_loss / log_every:.6f}", flush=True)
            running_loss = 0.0


def test(net, loader):
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = net(images)
            _, predicted = torch.max(outputs, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    print(f"accuracy on {total} test images: {100 * correct / total:.2f} %", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data", help="folder for torchvision's download, or an .npz file")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--subset", type=int, default=0, help="use only the first N training images (0: all)")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--log-every", type=int, default=500, help="batches between two printed losses")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    load = load_npz if Path(args.data).suffix == ".npz" else load_torchvision
    train_set, test_set = load(args.data)
    if args.subset:
        train_set = Subset(train_set, range(min(args.subset, len(train_set))))
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=64)

    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.1)
    for epoch in range(args.epochs):
        train(net, train_loader, criterion, optimizer, epoch, args.log_every)
        test(net, test_loader)
        scheduler.step()


if __name__ == "__main__":
    main()
