"""Train a 784-128-10 perceptron on MNIST with plain SGD."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision import transforms

MEAN, STD = 0.1307, 0.3081


def load_npz(path):
    """Datasets from an .npz file with uint8 images (n, 28, 28) and labels (n,)."""
    arrays = np.load(path)

    def dataset(images, labels):
        x = torch.from_numpy(arrays[images]).unsqueeze(1).float().div(255).sub(MEAN).div(STD)
        return TensorDataset(x, torch.from_numpy(arrays[labels].astype(np.int64)))

    return dataset("x_train", "y_train"), dataset("x_test", "y_test")


def load_torchvision(folder):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    return tuple(
        torchvision.datasets.MNIST(folder, train=train, download=True, transform=transform)
        for train in (True, False)
    )


def evaluate(model, loader, criterion):
    model.eval()
    loss = correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            scores = model(images)
            loss += criterion(scores, labels).item() * len(labels)
            correct += (scores.argmax(dim=1) == labels).sum().item()
            total += len(labels)
    return loss / total, correct / total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data", help="folder for torchvision's download, or an .npz file")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--subset", type=int, default=0, help="use only the first N training images (0: all)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--log-every", type=int, default=100, help="batches between two printed losses")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    load = load_npz if Path(args.data).suffix == ".npz" else load_torchvision
    train_set, test_set = load(args.data)
    if args.subset:
        train_set = Subset(train_set, range(min(args.subset, len(train_set))))
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=500)

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        model.train()
        for i, (images, labels) in enumerate(train_loader):
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            if i % args.log_every == 0:
                print(f"epoch {epoch} batch {i} loss {loss.item():.6f}", flush=True)
        test_loss, accuracy = evaluate(model, test_loader, criterion)
        print(f"epoch {epoch} test loss {test_loss:.6f} accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
