"""Small trainings in every combination people use, each the same to the bit when it is run again."""

import random
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.recordings import batches, fingerprint, loader

STEPS = 6
BROKEN = 3  # the micro-batch whose loss overflows under a GradScaler


class Derived(torch.optim.SGD):
    """A subclass that does work of its own around super().step()."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.add_(p, alpha=1e-3)
        return super().step(closure)


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimisation: two backward calls and two looks at the gradients per step."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.inner = torch.optim.SGD(self.param_groups, lr)
        self.param_groups = self.inner.param_groups

    @torch.no_grad()
    def step(self, closure=None):
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        old = [p.clone() for p in held]
        for p in held:
            p.add_(p.grad, alpha=0.05)
        self.zero_grad()
        with torch.enable_grad():
            closure()
        for p, before in zip(held, old, strict=True):
            p.copy_(before)
        self.inner.step()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "sgd-nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "sgd-fused": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, fused=True),
    "adam-loop": lambda p: torch.optim.Adam(p, 1e-2, foreach=False, amsgrad=True),
    "adam-fused": lambda p: torch.optim.Adam(p, 1e-2, fused=True),
    "adamw-foreach": lambda p: torch.optim.AdamW(p, 1e-2, foreach=True),
    "adamw-tensor-lr": lambda p: torch.optim.AdamW(p, torch.tensor(1e-2)),
    "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3, centered=True),
    "radam": lambda p: torch.optim.RAdam(p, 1e-2, decoupled_weight_decay=True),
    "rprop": lambda p: torch.optim.Rprop(p, 1e-2),
    "adafactor": lambda p: torch.optim.Adafactor(p, 1e-2),
    "maximize": lambda p: torch.optim.NAdam(p, 1e-3, maximize=True),
    "derived": lambda p: Derived(p, 0.1),
}


@dataclass(frozen=True)
class Combo:
    """One combination.

    Attributes:
        precision: `float32`, `float64`, `bfloat16` (weights), `autocast` (bf16) or `scaler`.
        clip: `""`, `norm`, `inf-norm` or `value`.
        extra: one more habit of training scripts.
    """

    optimizer: str
    precision: str = "float32"
    accumulation: int = 1
    clip: str = ""
    extra: str = ""

    def __str__(self):
        times = f"x{self.accumulation}" * (self.accumulation > 1)
        return " ".join(filter(None, (self.optimizer, self.precision, times, self.clip, self.extra)))


COMBOS = [
    Combo("sgd"),
    Combo("sgd", clip="norm", extra="scheduler and validation"),
    Combo("sgd-nesterov", accumulation=3),
    Combo("sgd-nesterov", "scaler", accumulation=2, clip="norm"),
    Combo("sgd-fused"),
    Combo("sgd-fused", "scaler"),
    Combo("adam-loop", "float64"),
    Combo("adam-loop", clip="value"),
    Combo("adam-fused", "scaler", clip="value"),
    Combo("adam-fused", "scaler", accumulation=2),
    Combo("adam-fused", clip="norm", extra="tied"),
    Combo("adamw-foreach", "autocast", accumulation=2, clip="norm"),
    Combo("adamw-foreach", "bfloat16"),
    Combo("adamw-foreach", extra="checkpointing"),
    Combo("adamw-tensor-lr", extra="scheduler and validation"),
    Combo("adamw-tensor-lr", "autocast"),
    Combo("adagrad", clip="inf-norm"),
    Combo("rmsprop", "scaler", extra="frozen"),
    Combo("radam", accumulation=2, clip="value"),
    Combo("rprop", "float64", extra="groups"),
    Combo("adafactor", "autocast", clip="norm"),
    Combo("maximize", clip="norm"),
    Combo("derived", accumulation=2),
    Combo("derived", "scaler", extra="groups"),
    Combo("sgd", extra="added group"),
    Combo("sgd-nesterov", extra="averaged weights"),
    Combo("adam-loop", extra="gradients kept"),
    Combo("adamw-foreach", extra="compiled"),
]


def model(extra=""):
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    if extra == "tied":
        net.append(nn.Linear(3, 8, bias=False)).append(nn.Linear(8, 3))
        net[6].weight = net[4].weight
    if extra == "frozen":
        net[0].requires_grad_(False)
    return net


def groups(net, extra):
    if extra == "groups":
        return [{"params": net[0].parameters(), "lr": 1e-3}, {"params": [*net[1:].parameters()]}]
    if extra == "added group":
        return [*net[0].parameters()]
    return [p for p in net.parameters() if p.requires_grad]


class Loop:
    """The training loop of one combination."""

    def __init__(self, combo):
        self.combo = combo
        self.net = model(combo.extra)
        if combo.precision in ("float64", "bfloat16"):
            self.net.to(getattr(torch, combo.precision))
        self.optimizer = OPTIMIZERS[combo.optimizer](groups(self.net, combo.extra))
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=combo.precision == "scaler")
        self.forward = self.net
        if combo.extra == "compiled":
            torch._dynamo.reset()
            self.forward = torch.compile(self.net, backend="eager")
        if combo.extra == "checkpointing":
            self.forward = lambda x: checkpoint(self.net, x, use_reentrant=False)
        self.average = torch.optim.swa_utils.AveragedModel(self.net)
        self.losses = []

    def loss(self, x, y, number):
        x = x.to(next(self.net.parameters()).dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.combo.precision == "autocast"):
            loss = F.cross_entropy(self.forward(x).float(), y)
        if self.scaler.is_enabled() and number == BROKEN:
            loss = loss * torch.inf
        self.losses.append(loss.item())
        return loss / self.combo.accumulation

    def clip(self):
        if not self.combo.clip:
            return
        self.scaler.unscale_(self.optimizer)
        if self.combo.clip == "value":
            nn.utils.clip_grad_value_(self.net.parameters(), 1e-3)
        else:
            kind = torch.inf if self.combo.clip == "inf-norm" else 2.0
            self.losses.append(nn.utils.clip_grad_norm_(self.net.parameters(), 0.05, kind).item())

    def step(self):
        self.clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.combo.extra != "gradients kept":
            self.optimizer.zero_grad(set_to_none=self.combo.accumulation == 1)
        self.average.update_parameters(self.net)

    def validate(self):
        self.net.eval()
        with torch.no_grad():
            for x, y in loader(n=10, seed=1):
                scores = self.net(x)
                self.losses += [F.cross_entropy(scores, y).item(), (scores.argmax(1) == y).sum().item()]
        self.net.train()

    def run(self):
        scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 2, 0.5)
        data = loader(n=5 * STEPS * self.combo.accumulation, shuffle=True)
        for number, (x, y) in enumerate(data):
            self.scaler.scale(self.loss(x, y, number)).backward()
            if (number + 1) % self.combo.accumulation == 0:
                self.step()
                if self.combo.extra == "scheduler and validation":
                    scheduler.step()
                    self.validate()
            if self.combo.extra == "added group" and number == 2:
                self.optimizer.add_param_group({"params": [*self.net[1:].parameters()], "lr": 0.01})
        return (
            self.net.state_dict(),
            self.average.state_dict(),
            self.optimizer.state_dict(),
            self.scaler.state_dict(),
            self.losses,
            [p.grad for p in self.net.parameters()],
        )


def seeded():
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)


def trained(train):
    """SHA-256 of parameters, buffers, optimizer state, gradients, losses and every generator afterwards."""
    seeded()
    return fingerprint(*train())


def closure(make):
    def train():
        net, losses = model(), []
        optimizer = make(net.parameters())
        for x, y in batches(STEPS):

            def again(x=x, y=y):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                losses.append(loss.item())
                return loss

            losses.append(optimizer.step(again).item())
        return net.state_dict(), optimizer.state_dict(), losses

    return train


def sam():
    net, losses = model(), []
    optimizer = Sam(net.parameters(), 0.1)
    for x, y in batches(STEPS):
        F.cross_entropy(net(x), y).backward()
        optimizer.step(lambda x=x, y=y: losses.append(F.cross_entropy(net(x), y).backward()))
        optimizer.zero_grad()
    return net.state_dict(), optimizer.state_dict(), losses


def adversarial():
    generator, critic, losses = nn.Linear(4, 6), model(), []
    make_g = torch.optim.Adam(generator.parameters(), 1e-2)
    make_c = torch.optim.RMSprop(critic.parameters(), 1e-3)
    for x, _ in batches(STEPS):
        noise = torch.randn(5, 4)
        critic.zero_grad()
        (critic(x).mean() - critic(generator(noise).detach()).mean()).backward()
        make_c.step()
        generator.zero_grad()
        loss = critic(generator(noise)).mean()
        loss.backward()
        make_g.step()
        losses.append(loss.item())
    return generator.state_dict(), critic.state_dict(), make_g.state_dict(), make_c.state_dict(), losses


def inside_backward():
    net, losses = model(), []
    optimizers = {p: torch.optim.Adam([p], 1e-2) for p in net.parameters()}

    def step_now(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in net.parameters():
        p.register_post_accumulate_grad_hook(step_now)
    for x, y in batches(STEPS):
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        losses.append(loss.item())
    return net.state_dict(), [o.state_dict() for o in optimizers.values()], losses


def sparse():
    table, head = nn.Embedding(9, 6, sparse=True), nn.Linear(6, 3)
    optimizers = [torch.optim.SparseAdam(table.parameters(), 1e-2), torch.optim.SGD(head.parameters(), 0.1)]
    losses = []
    for _ in range(STEPS):
        words = torch.randint(0, 9, (5, 4))
        loss = F.cross_entropy(head(table(words).sum(1)), words[:, 0] % 3)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return table.state_dict(), head.state_dict(), [o.state_dict() for o in optimizers], losses


def penalised():
    """Gradients of gradients, and torch.autograd.grad beside backward."""
    net, losses = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)), []
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for x, _ in batches(STEPS):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        loss = net(x).square().mean() + slope.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return net.state_dict(), optimizer.state_dict(), losses


def gradients_asked_for():
    """No backward at all: gradients from torch.autograd.grad are put into `.grad`."""
    net, losses = model(), []
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for x, y in batches(STEPS):
        loss = F.cross_entropy(net(x), y)
        held = [*net.parameters()]
        for p, gradient in zip(held, torch.autograd.grad(loss, held), strict=True):
            p.grad = gradient
        optimizer.step()
        losses.append(loss.item())
    return net.state_dict(), optimizer.state_dict(), losses


SPECIAL = {
    "lbfgs": closure(lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3, line_search_fn="strong_wolfe")),
    "sgd closure": closure(lambda p: torch.optim.SGD(p, 0.1)),
    "sam": sam,
    "gan": adversarial,
    "optimizer in backward": inside_backward,
    "sparse": sparse,
    "gradient penalty": penalised,
    "autograd.grad": gradients_asked_for,
}

TRAININGS = {**{str(combo): (lambda combo=combo: Loop(combo).run()) for combo in COMBOS}, **SPECIAL}
