"""The driver: the step uses the prescribed numbers, the script and its scheduler see only their own."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, OneCycleLR, ReduceLROnPlateau

from tests.collectors.driving.drives import driving, net, train
from tests.recordings import loader, read, recording, values
from traindoctor.collectors.driving.driver import FAILURE_CODE, Driver
from traindoctor.collectors.driving.orders import LrPlan, Orders, absolute
from traindoctor.collectors.driving.reports import read_reports

OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "sgd-momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: Adam(p, lr=0.01),
    "adamw": lambda p: AdamW(p, lr=0.01),
    "adamw-fused": lambda p: AdamW(p, lr=0.01, fused=True),
    "adamw-tensor": lambda p: AdamW(p, lr=torch.tensor(0.01), foreach=False),
    "adamw-foreach": lambda p: AdamW(p, lr=0.01, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
}
SCHEDULERS = {
    "cosine": lambda o: CosineAnnealingLR(o, T_max=12),
    "exponential": lambda o: ExponentialLR(o, 0.8),
    "warm-up": lambda o: LambdaLR(o, lambda s: min((s + 1) / 4, (12 - s) / 8)),
    "one-cycle": lambda o: OneCycleLR(o, max_lr=0.05, total_steps=13, cycle_momentum=False),
}


def made(optimizer, scheduler):
    model = net()
    chosen = OPTIMIZERS[optimizer](model.parameters())
    return model, chosen, SCHEDULERS[scheduler](chosen)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_scripts_own_schedule_as_orders_changes_no_bit(optimizer, scheduler, tmp_path):
    seen, plain = train(*made(optimizer, scheduler))
    orders = Orders(lr_plan=absolute([rates[0] for rates in seen]))
    with driving(orders, tmp_path):
        seen_driven, driven = train(*made(optimizer, scheduler))
    assert driven == plain
    assert seen_driven == seen


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_plan_is_what_the_step_uses_and_the_scheduler_goes_on(optimizer, tmp_path):
    """A script that sets these LRs by hand ends at the same weights."""
    plan = [0.02 * (1 - step / 12) for step in range(12)]
    by_hand = net()
    own = OPTIMIZERS[optimizer](by_hand.parameters())
    train(by_hand, own, ByHand(own, plan))
    model, chosen, scheduler = made(optimizer, "exponential")
    undriven, _ = train(*made(optimizer, "exponential"))
    with driving(Orders(lr_plan=absolute(plan)), tmp_path):
        seen, _ = train(model, chosen, scheduler)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), by_hand.parameters(), strict=True))
    assert seen == undriven


class ByHand:
    """Sets the LR before each step."""

    def __init__(self, optimizer, plan):
        self.optimizer, self.plan, self.done = optimizer, plan, 0
        self._set(plan[0])

    def _set(self, rate):
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def step(self):
        self.done += 1
        self._set(self.plan[min(self.done, len(self.plan) - 1)])

    def state_dict(self):
        return {}


def test_groups_keep_their_ratio(tmp_path):
    model = net()
    optimizer = SGD([{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters()}], lr=0.4)
    used = []
    optimizer.register_step_post_hook(lambda o, *_: used.append([group["lr"] for group in o.param_groups]))
    with driving(Orders(lr_plan=absolute([0.2, 0.1])), tmp_path):
        train(model, optimizer, n=3)
    assert used == [[0.2, 0.8], [0.1, 0.4], [0.1, 0.4]]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.4]


def test_factors_multiply_the_base_whatever_a_warm_up_has_made_of_it(tmp_path):
    used = []
    with driving(Orders(lr_plan=LrPlan("factor", (0.5, 2.0))), tmp_path):
        model = net()
        optimizer = SGD(model.parameters(), lr=0.5)
        optimizer.param_groups[0]["lr"] = 1e-9
        optimizer.register_step_post_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
        train(model, optimizer, n=2)
    assert used == [0.25, 1.0]


@pytest.mark.parametrize("scheduler", ["exponential", "cosine", "one-cycle"])
def test_another_lr_is_as_if_the_script_had_been_given_it(scheduler, tmp_path):
    """`lr` with a script's schedule: every LR of the script is multiplied."""

    def run(rate, orders=None):
        model = net()
        optimizer = SGD(model.parameters(), lr=rate)
        schedule = (
            OneCycleLR(optimizer, max_lr=rate, total_steps=13)
            if scheduler == "one-cycle"
            else SCHEDULERS[scheduler](optimizer)
        )
        if orders is None:
            train(model, optimizer, schedule)
        else:
            with driving(orders, tmp_path):
                train(model, optimizer, schedule)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    # 0.25 / 0.5 is exact, so that nothing is rounded.
    assert torch.allclose(run(0.5, Orders(lr=0.25)), run(0.25), rtol=0, atol=1e-7)


def test_a_plateau_scheduler_sees_its_own_rates(tmp_path):
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    with driving(Orders(lr_plan=absolute([1e-3])), tmp_path):
        for _ in range(3):
            train(model, optimizer, n=2)
            scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.1 * 0.5**2


def test_momentum_and_decay_are_replaced_for_the_step_only(tmp_path):
    model = net()
    groups = [{"params": model[0].parameters(), "weight_decay": 0.1}, {"params": model[2].parameters()}]
    optimizer = AdamW(groups, lr=0.01, weight_decay=0.0)
    used = []
    optimizer.register_step_post_hook(
        lambda o, *_: used.append([(group["betas"], group["weight_decay"]) for group in o.param_groups])
    )
    with driving(Orders(momentum=0.5, weight_decay=0.3), tmp_path):
        train(model, optimizer, n=1)
    assert used == [[((0.5, 0.999), 0.3), ((0.5, 0.999), 0.0)]]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_steps_that_a_scaler_skips_do_not_count(tmp_path):
    for fused in (False, True):
        model = net()
        optimizer = AdamW(model.parameters(), lr=0.01, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        used = []
        with driving(Orders(lr_plan=absolute([1.0, 2.0, 3.0, 4.0])), tmp_path) as driver:
            optimizer.register_step_post_hook(lambda o, *_, u=used: u.append(o.param_groups[0]["lr"]))
            train(model, optimizer, n=4, scaler=scaler, inf_at=(1,))
        assert driver.report.steps == 3
        assert used == ([1.0, 2.0, 2.0, 3.0] if fused else [1.0, 2.0, 3.0])


def test_closures_and_nested_steps_count_once(tmp_path):
    class Twice(SGD):
        @torch.no_grad()
        def step(self, closure=None):
            return super().step(closure)

    model = net()
    optimizer = Twice(model.parameters(), lr=0.1)
    with driving(Orders(lr_plan=absolute([0.3, 0.2])), tmp_path) as driver:
        train(model, optimizer, n=3)
    assert driver.report.steps == 3
    assert optimizer.param_groups[0]["lr"] == 0.1

    model = net()
    lbfgs = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)
    x, y = torch.randn(5, 6), torch.randint(0, 3, (5,))

    def closure():
        lbfgs.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with driving(Orders(lr_plan=absolute([0.3, 0.2])), tmp_path) as driver:
        lbfgs.step(closure)
        lbfgs.step(closure)
    assert (driver.report.steps, lbfgs.param_groups[0]["lr"]) == (2, 0.1)


def test_a_step_that_raises_leaves_the_scripts_rate_behind(tmp_path):
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)

    def broken():
        raise ValueError("out of memory, say")

    with driving(Orders(lr_plan=absolute([0.3, 0.2])), tmp_path) as driver:
        with pytest.raises(ValueError, match="say"):
            optimizer.step(broken)
        train(model, optimizer, n=2)
    assert driver.report.steps == 2
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_two_optimizers_share_the_factor_and_the_first_ones_clock(tmp_path):
    one, two = net(0), net(1)
    first, second = SGD(one.parameters(), lr=0.1), Adam(two.parameters(), lr=0.01)
    used = {"first": [], "second": []}
    first.register_step_post_hook(lambda o, *_: used["first"].append(o.param_groups[0]["lr"]))
    second.register_step_post_hook(lambda o, *_: used["second"].append(o.param_groups[0]["lr"]))
    with driving(Orders(lr_plan=absolute([0.2, 0.4])), tmp_path):
        for _ in range(2):
            train(one, first, n=1)
            train(two, second, n=2)
    assert used == {"first": [0.2, 0.4], "second": pytest.approx([0.02, 0.02, 0.04, 0.04])}


def test_only_the_chosen_optimizer_is_driven(tmp_path):
    one, two = net(0), net(1)
    first, second = SGD(one.parameters(), lr=0.1), SGD(two.parameters(), lr=0.01)
    used = []
    first.register_step_post_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    second.register_step_post_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    with driving(Orders(lr_plan=absolute([0.2]), optimizers=(0,)), tmp_path):
        train(one, first, n=1)
        train(two, second, n=1)
    assert used == [0.2, 0.01]


def test_a_compiled_step_is_driven(tmp_path):
    model, by_hand = net(), net()
    optimizer = SGD(model.parameters(), lr=torch.tensor(0.1))
    own = SGD(by_hand.parameters(), lr=torch.tensor(0.02))
    step = torch.compile(lambda: optimizer.step(), backend="eager")
    own_step = torch.compile(lambda: own.step(), backend="eager")
    x, y = torch.randn(5, 6), torch.randint(0, 3, (5,))
    with driving(Orders(lr_plan=absolute([0.02])), tmp_path) as driver:
        for _ in range(2):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            step()
    for _ in range(2):
        own.zero_grad()
        nn.functional.cross_entropy(by_hand(x), y).backward()
        own_step()
    assert driver.report.steps == 2
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), by_hand.parameters(), strict=True))


def test_the_recording_holds_the_rate_that_was_used_and_the_scripts(tmp_path):
    with recording(tmp_path), driving(Orders(lr_plan=absolute([0.3, 0.2, 0.1])), tmp_path):
        train(*made("sgd", "exponential"), n=3)
    run = read(tmp_path)
    assert values(run, "lr/0") == [0.3, 0.2, 0.1]
    assert values(run, "script_lr/0") == pytest.approx([0.1, 0.08, 0.064])


def test_the_script_is_ended_after_its_steps(tmp_path):
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(SystemExit) as ended, driving(Orders(max_steps=3), tmp_path):
        train(model, optimizer, n=9)
    assert ended.value.code == 0
    (report,) = read_reports(tmp_path)
    assert (report.steps, report.is_stopped, report.failure) == (3, True, "")


@pytest.mark.parametrize(
    ("optimizer", "orders", "said"),
    [
        (lambda p: SGD(p, lr=0.0), Orders(lr_plan=absolute([0.1])), "no learning rate above 0"),
        (lambda p: torch.optim.Adagrad(p, lr=0.1), Orders(momentum=0.5), "neither momentum nor betas"),
        (lambda p: torch.optim.Rprop(p, lr=0.1), Orders(weight_decay=0.5), "no weight_decay"),
    ],
)
def test_orders_that_cannot_be_followed_end_the_run_with_a_reason(optimizer, orders, said, tmp_path, capsys):
    model = net()
    chosen = optimizer(model.parameters())
    with pytest.raises(SystemExit) as ended, driving(orders, tmp_path):
        train(model, chosen, n=2)
    assert ended.value.code == FAILURE_CODE
    (report,) = read_reports(tmp_path)
    assert said in report.failure
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "said"), [(3, "its last LR held"), (1, "of which the script did 1")])
def test_a_plan_of_another_length_is_noted(steps, said, tmp_path):
    model = net()
    with driving(Orders(lr_plan=absolute([0.1, 0.2])), tmp_path):
        train(model, SGD(model.parameters(), lr=0.1), n=steps)
    (report,) = read_reports(tmp_path)
    assert report.steps == steps
    assert said in report.notes[0]


def test_the_script_goes_on_until_its_next_evaluation_and_learns_nothing_more(tmp_path):
    model, batches = net(), loader(20, 5)
    held_out = loader(10, 5, seed=3)
    optimizer = AdamW(model.parameters(), lr=0.1)
    weights = []

    def script():
        for _ in range(9):
            for x, y in batches:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
                weights.append(model[0].weight.detach().clone())
            with torch.no_grad():
                for x, y in held_out:
                    nn.functional.cross_entropy(model(x), y)

    orders = Orders(max_steps=6, wait_for_evaluation=True)
    with recording(tmp_path), driving(orders, tmp_path) as driver, pytest.raises(SystemExit):
        script()
    assert driver.report.steps == 8  # the epoch's end, after which the evaluation came
    assert not torch.equal(weights[4], weights[5])
    assert torch.equal(weights[5], weights[7])
    assert values(read(tmp_path), "lr/0")[5:] == [0.1, 0.0, 0.0]


def test_a_run_whose_starter_is_gone_ends(tmp_path, monkeypatch):
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    driver = Driver(Orders(lr=0.2), tmp_path, ends_with_parent=True)
    driver.install()
    monkeypatch.setattr("os.getppid", lambda: 1)
    try:
        with pytest.raises(SystemExit) as ended:
            train(model, optimizer, n=40)
    finally:
        driver.uninstall()
    assert ended.value.code == 143
    assert read_reports(tmp_path)[0].steps == 0
