"""A small training that knows nothing of traindoctor; `--mode` makes it awkward in one way."""

import argparse
from pathlib import Path

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--decay", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=120)
parser.add_argument("--mode", default="plain")
args = parser.parse_args()

torch.manual_seed(0 if args.mode == "ignores-seed" else args.seed)
if args.mode == "fails-later":
    starts = Path("starts.txt")
    count = len(starts.read_text()) if starts.exists() else 0
    starts.write_text("x" * (count + 1))
    if count >= 2:
        raise SystemExit("the disk is full")

data = torch.Generator().manual_seed(1)
x = torch.randn(400, 8, generator=data)
y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(400, generator=data) > 0).long()
model, criterion = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)), nn.CrossEntropyLoss()
judged = nn.Linear(8, 2) if args.mode == "judges-another-model" else model
optimizer = None
if args.mode != "no-optimizer":
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.decay)
for step in range(args.steps):
    pick = torch.randint(0, 300, (32,))
    loss = criterion(model(x[pick]), y[pick])
    if args.mode == "explodes" and step >= 5:
        loss = loss * float("nan")
    model.zero_grad()
    loss.backward()
    if optimizer is not None:
        optimizer.step()
    else:
        with torch.no_grad():
            for p in model.parameters():
                p -= args.lr * p.grad
    if args.mode != "no-validation" and (step + 1) % 12 == 0:
        with torch.no_grad():
            criterion(judged(x[300:]), y[300:])
