"""Optimizer steps: every way to step is recorded once, with the loss, rates and norms it really used."""

import threading
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, loader, mlp, read, recording, values


def own_norm(parameters):
    return torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item()


def test_losses_rates_and_norms_are_those_of_the_script(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(
        [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.01}], lr=0.1, momentum=0.9
    )
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses, rates, norms, clipped = [], [], [], []
    with recording(tmp_path):
        for x, y in batches(15):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            loss.detach().mul_(0)  # what happens to the loss afterwards is not our loss
            norms.append(nn.utils.clip_grad_norm_(net.parameters(), 0.3).item())
            clipped.append(own_norm(net.parameters()))
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert values(run, "lr/0") == [r[0] for r in rates]
    assert values(run, "lr/1") == [r[1] for r in rates]
    assert values(run, "grad_norm/preclip") == norms
    assert values(run, "grad_norm/global") == pytest.approx(clipped, rel=1e-6)
    assert values(run, "micro_batches") == [1.0] * 15
    assert run.series["loss/train"].steps.tolist() == list(range(15))
    assert run.info.optimizers[0].scheduler == "ExponentialLR"
    assert len(values(run, "time/step")) == 14
    assert min(values(run, "time/step")) > 0


def test_accumulation_records_the_mean_of_the_micro_losses(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected, micro = [], []
    with recording(tmp_path):
        for number, (x, y) in enumerate(batches(9)):
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            micro.append(loss.item())
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
                expected.append(sum(micro) / 3)
                micro = []
    run = read(tmp_path)
    assert values(run, "loss/train") == pytest.approx(expected, rel=1e-15)
    assert values(run, "micro_batches") == [3.0, 3.0, 3.0]
    assert values(run, "batch_size") == [15.0, 15.0, 15.0]


@pytest.mark.parametrize(
    "make", [lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.LBFGS(p, 0.1, max_iter=4)]
)
def test_closures_give_the_first_loss_and_the_last_gradients(make, tmp_path):
    net = mlp()
    optimizer = make(net.parameters())
    first, norms = [], []
    with recording(tmp_path):
        for x, y in batches(5):
            calls = []

            def closure(x=x, y=y, calls=calls):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                calls.append(loss.item())
                return loss

            optimizer.step(closure)
            first.append(calls[0])
            norms.append(own_norm(net.parameters()))
    run = read(tmp_path)
    assert values(run, "loss/train") == first
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)


class Derived(torch.optim.SGD):
    def step(self, closure=None):
        return super().step(closure)


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimisation around another optimizer, as in the usual implementations."""

    def __init__(self, params, inner, radius=0.05):
        super().__init__(params, {"radius": radius})
        self.inner = inner(self.param_groups)
        self.param_groups = self.inner.param_groups

    @torch.no_grad()
    def step(self, closure):
        old = [p.clone() for group in self.param_groups for p in group["params"]]
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=0.05)
        self.zero_grad()
        with torch.enable_grad():
            closure()
        for p, before in zip([p for g in self.param_groups for p in g["params"]], old, strict=True):
            p.copy_(before)
        self.inner.step()
        self.zero_grad()


def test_super_step_counts_once(tmp_path):
    net = mlp()
    optimizer = Derived(net.parameters(), 0.1)
    with recording(tmp_path):
        for x, y in batches(4):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    assert read(tmp_path).n_steps == 4
    assert not [name for name in read(tmp_path).series if name.startswith("optimizer1")]


def test_an_optimizer_around_another_counts_once(tmp_path):
    net = mlp()
    optimizer = Sam(net.parameters(), lambda groups: torch.optim.SGD(groups, 0.1))
    losses = []
    with recording(tmp_path):
        for x, y in batches(12):
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            optimizer.step(lambda x=x, y=y: F.cross_entropy(net(x), y).backward())
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert not [name for name in run.series if name.startswith("optimizer1")]


def test_a_step_that_raised_does_not_swallow_the_next_ones(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for number, (x, y) in enumerate(batches(4)):

            def closure(x=x, y=y, number=number):
                if number == 1:
                    raise RuntimeError("out of memory, say")
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                return loss

            try:
                optimizer.step(closure)
            except RuntimeError:
                continue
    assert read(tmp_path).n_steps == 3


def test_a_backward_that_raised_leaves_no_loss_behind(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x, y = batches(1)[0]
    with recording(tmp_path):
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
        optimizer.step()
    assert values(read(tmp_path), "loss/train") == [loss.item()]


class ChangesGradients(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.001)
        return super().step(closure)


def test_gradients_are_read_before_an_optimizer_that_changes_them(tmp_path):
    net = mlp()
    optimizer = ChangesGradients(net.parameters(), 0.1)
    norms = []
    with recording(tmp_path):
        for x, y in batches(6):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            norms.append(own_norm(net.parameters()))
            optimizer.step()
    run = read(tmp_path)
    found = run.series["grad_norm/global"]
    assert found.steps.tolist() == [1, 2, 3, 4, 5]
    assert found.values.tolist() == pytest.approx(norms[1:], rel=1e-6)


@pytest.mark.parametrize("generator_first", [True, False])
def test_each_optimizer_gets_its_own_losses(generator_first, tmp_path):
    generator, critic = nn.Linear(4, 6), mlp()
    make_g, make_c = torch.optim.SGD(generator.parameters(), 0.1), torch.optim.SGD(critic.parameters(), 0.2)
    expected = {"g": [], "c": []}

    def train_generator(noise):
        make_g.zero_grad()
        loss = critic(generator(noise)).pow(2).mean()
        loss.backward()
        make_g.step()
        expected["g"].append(loss.item())

    def train_critic(noise, x):
        critic.zero_grad()
        real = critic(x).mean()
        real.backward()
        fake = critic(generator(noise).detach()).mean().neg()
        fake.backward()
        make_c.step()
        expected["c"].append((real.item() + fake.item()) / 2)

    torch.manual_seed(0)
    with recording(tmp_path):
        for x, _ in batches(5):
            noise = torch.randn(5, 4)
            if generator_first:
                train_generator(noise)
            train_critic(noise, x)
            if not generator_first:
                train_generator(noise)
    run = read(tmp_path)
    order = ("g", "c") if generator_first else ("c", "g")
    assert values(run, "loss/train") == pytest.approx(expected[order[0]], rel=1e-15)
    assert values(run, "optimizer1/loss/train") == pytest.approx(expected[order[1]], rel=1e-15)
    assert set(values(run, "stale_gradients") + values(run, "optimizer1/stale_gradients")) == {0.0}


def clear_by_optimizer(net, optimizer):
    optimizer.zero_grad()


def clear_to_zero(net, optimizer):
    optimizer.zero_grad(set_to_none=False)


def clear_by_model(net, optimizer):
    net.zero_grad()


def clear_by_model_to_zero(net, optimizer):
    net.zero_grad(set_to_none=False)


def clear_by_hand(net, optimizer):
    for p in net.parameters():
        p.grad = None


def clear_first_only(net, optimizer):
    next(net.parameters()).grad = None


def clear_nothing(net, optimizer):
    pass


@pytest.mark.parametrize("where", ["before backward", "after step"])
@pytest.mark.parametrize(
    ("clear", "stale"),
    [
        (clear_by_optimizer, 0.0),
        (clear_to_zero, 0.0),
        (clear_by_model, 0.0),
        (clear_by_model_to_zero, 0.0),
        (clear_by_hand, 0.0),
        (clear_first_only, 1.0),
        (clear_nothing, 1.0),
    ],
)
def test_stale_gradients(clear, stale, where, tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for x, y in batches(5):
            if where == "before backward":
                clear(net, optimizer)
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if where == "after step":
                clear(net, optimizer)
    assert values(read(tmp_path), "stale_gradients") == [stale] * 4


def test_gradients_that_were_zero_are_not_stale(tmp_path):
    p = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([p], 0.1)
    with recording(tmp_path):
        for _ in range(4):
            (p * 0).sum().backward()
            optimizer.step()
    assert values(read(tmp_path), "stale_gradients") == [0.0] * 3


def test_optimizers_inside_backward_are_one_step(tmp_path):
    net = mlp()
    optimizers = {p: torch.optim.SGD([p], 0.1) for p in net.parameters()}
    norms, seen = [], []

    def step_now(p):
        seen.append(p.grad.norm())
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in net.parameters():
        p.register_post_accumulate_grad_hook(step_now)
    losses = []
    with recording(tmp_path):
        for x, y in batches(3):
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            norms.append(torch.stack(seen).norm().item())
            seen.clear()
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)


def test_sparse_gradients_are_coalesced(tmp_path):
    table = nn.Embedding(10, 3, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), 0.1)
    norms = []
    with recording(tmp_path):
        for _ in range(3):
            optimizer.zero_grad()
            table(torch.tensor([1, 1, 1, 4])).pow(2).sum().backward()
            norms.append(table.weight.grad.to_dense().norm().item())
            optimizer.step()
    assert values(read(tmp_path), "grad_norm/global") == pytest.approx(norms, rel=1e-6)


def test_parameters_without_gradient_are_no_obstacle(tmp_path):
    net = mlp()
    net[0].weight.requires_grad_(False)
    unused = nn.Parameter(torch.ones(2))
    half, empty = nn.Parameter(torch.ones(3, dtype=torch.bfloat16)), nn.Parameter(torch.empty(0))
    imaginary = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    optimizer = torch.optim.SGD([*net.parameters(), unused, half, empty, imaginary], 0.1)
    with recording(tmp_path):
        for x, y in batches(12):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y) + half.sum().float() + empty.sum() + imaginary.abs().sum()
            loss.backward()
            optimizer.step()
    run = read(tmp_path)
    assert run.n_steps == 12
    assert run.parameter("grad_norm").keys() == {"0.bias", "2.weight", "2.bias", "parameter5", "parameter6"}
    assert set(run.parameter("update_norm")["0.weight"].values) == {0.0}
    assert not run.info.diagnostics


def test_functions_of_torch_imported_by_name_are_seen(tmp_path):
    from torch.nn.utils import clip_grads_with_norm_, get_total_norm

    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    totals = []
    with recording(tmp_path):
        from torch.nn.utils import get_total_norm as late  # the style of code that is imported after us

        for x, y in batches(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            totals.append(late([p.grad for p in net.parameters()]))
            clip_grads_with_norm_(net.parameters(), 0.1, totals[-1])
            optimizer.step()
    assert values(read(tmp_path), "grad_norm/preclip") == [t.item() for t in totals]
    assert get_total_norm is not late


def test_clipping_by_value_shows_the_norm_before(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    norms = []
    with recording(tmp_path):
        for x, y in batches(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            norms.append(own_norm(net.parameters()))
            nn.utils.clip_grad_value_(net.parameters(), 1e-3)
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "grad_norm/preclip") == pytest.approx(norms, rel=1e-6)
    assert max(values(run, "grad_norm/global")) < min(norms)


def test_scheduler_made_after_attaching_works(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for x, y in batches(2):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            scheduler.step()
    assert values(read(tmp_path), "lr/0") == [0.1, pytest.approx(0.01)]


def test_updates_by_hand_are_no_steps_but_backward_is_counted(tmp_path):
    net = mlp()
    with recording(tmp_path) as recorder:
        for x, y in batches(3):
            F.cross_entropy(net(x), y).backward()
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
    assert (recorder.steps, recorder.backward_calls) == (0, 3)


def test_threads_train_side_by_side(tmp_path):
    def train(seed):
        torch.manual_seed(seed)
        net = mlp(32)
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for x, y in batches(60, seed=seed):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses[seed].append(loss.item())

    losses = {seed: [] for seed in range(4)}
    with recording(tmp_path, flush_seconds=0.001):
        threads = [threading.Thread(target=train, args=(seed,)) for seed in losses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run = read(tmp_path)
    found = [
        values(run, f"{prefix}loss/train") for prefix in ("", "optimizer1/", "optimizer2/", "optimizer3/")
    ]
    assert sorted(found) == sorted(losses.values())


def test_nothing_is_put_on_the_model_and_nothing_keeps_it_alive(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    state = [set(vars(m)) for m in net.modules()], set(vars(optimizer))
    with recording(tmp_path):
        for x, y in loader():
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        assert ([set(vars(m)) for m in net.modules()], set(vars(optimizer))) == state
        assert not any(p._backward_hooks or p._post_accumulate_grad_hooks for p in net.parameters())
        assert not any(m._forward_hooks or m._backward_hooks for m in net.modules())
        assert not torch.nn.modules.module._global_forward_hooks
        gone = weakref.ref(net[0]), weakref.ref(optimizer)
        del net, optimizer, x, y
        assert [ref() for ref in gone] == [None, None]


def test_after_the_recording_torch_is_as_before(tmp_path):
    from torch.optim import optimizer as module
    from torch.utils.data import DataLoader
    from torch.utils.data.dataloader import _BaseDataLoaderIter

    places = [
        (torch.autograd, "backward"),
        (torch.optim.Optimizer, "__init__"),
        (torch.optim.Optimizer, "zero_grad"),
        (torch.amp.GradScaler, "scale"),
        (torch.amp.GradScaler, "step"),
        (DataLoader, "__iter__"),
        (_BaseDataLoaderIter, "__next__"),
        (nn.utils, "get_total_norm"),
        (nn.utils, "clip_grad_value_"),
        (torch._C._nn, "cross_entropy_loss"),
        (torch, "kl_div"),
        (torch, "max"),
        (torch.Tensor, "argmax"),
    ]
    before = [getattr(owner, name) for owner, name in places]
    hooks = len(module._global_optimizer_pre_hooks), len(module._global_optimizer_post_hooks)
    with recording(tmp_path) as recorder, torch.no_grad():
        recorder.install()
        next(iter(loader()))
        assert sum(getattr(o, n) is not b for (o, n), b in zip(places, before, strict=True)) == len(places)
    assert all(getattr(o, n) is b for (o, n), b in zip(places, before, strict=True))
    assert (len(module._global_optimizer_pre_hooks), len(module._global_optimizer_post_hooks)) == hooks
    assert "argmax" not in vars(torch.Tensor)


def test_many_optimizers_one_after_the_other(tmp_path):
    counts = []
    with recording(tmp_path, flush_seconds=1e9) as recorder:
        for _ in range(30):
            net = mlp()
            optimizer = torch.optim.SGD(net.parameters(), 0.1)
            for x, y in batches(2):
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
            del net, optimizer
            tracks = [track for state in recorder.states() for track in state.tracks.values()]
            counts.append(sum(len(track.layouts) for track in tracks))
    run = read(tmp_path)
    assert max(counts) == 0
    assert [len(values(run, f"optimizer{n}/loss/train")) for n in range(1, 30)] == [2] * 29


def test_losses_that_lead_to_no_step_do_not_pile_up(tmp_path):
    p = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], 0.1)
    with recording(tmp_path) as recorder:
        for _ in range(10_000):
            p.sum().backward()
        (track,) = recorder.state().tracks.values()
        assert len(track.pending) <= 4096
        optimizer.step()
    assert read(tmp_path).n_steps == 1
