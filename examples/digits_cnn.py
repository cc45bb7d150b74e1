"""Train a small convolutional network on scikit-learn's bundled handwritten digits. Nothing is downloaded."""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_model(width, side):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (side // 4) ** 2, 4 * width),
        nn.ReLU(),
        nn.Linear(4 * width, 10),
    )


def load_images(path):
    """Images in 0..1, shape (n, 1, side, side), and labels (n,): bundled digits, or an .npz file's."""
    if path:
        arrays = np.load(path)
        x_train, x_test = (arrays[key].astype(np.float32) / 255 for key in ("x_train", "x_test"))
        y_train, y_test = (arrays[key].astype(np.int64) for key in ("y_train", "y_test"))
    else:
        digits = load_digits()
        images = digits.images.astype(np.float32) / 16
        x_train, x_test, y_train, y_test = train_test_split(
            images, digits.target.astype(np.int64), test_size=0.2, random_state=0, stratify=digits.target
        )
    to_images = lambda x: torch.from_numpy(x).unsqueeze(1)  # noqa: E731
    return to_images(x_train), torch.from_numpy(y_train), to_images(x_test), torch.from_numpy(y_test)


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
    parser.add_argument(
        "--data", type=Path, default=None, help="an .npz file of square grey images instead of the digits"
    )
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--subset", type=int, default=0, help="use only the first N training images (0: all)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=16, help="channels of the first convolution")
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    x_train, y_train, x_test, y_test = load_images(args.data)
    if args.subset:
        x_train, y_train = x_train[: args.subset], y_train[: args.subset]
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(TensorDataset(x_test, y_test), batch_size=360)

    model = build_model(args.width, x_train.shape[-1])
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    for epoch in range(args.epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        scheduler.step()
        test_loss, accuracy = evaluate(model, test_loader, criterion)
        print(
            f"epoch {epoch:2d}  last batch loss {loss.item():.6f}  "
            f"test loss {test_loss:.6f}  accuracy {accuracy:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
