"""torch.compile, torch.jit, export, vmap and modes: the recorder neither breaks nor changes them."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounter

from tests.recordings import batches, fingerprint, loader, mlp, read, recording, values

LOSSES = {
    "cross_entropy": lambda x, y: F.cross_entropy(x, y),
    "nll_loss": lambda x, y: F.nll_loss(F.log_softmax(x, 1), y),
    "mse_loss": lambda x, y: F.mse_loss(x[:, 0], y.float()),
    "bce_with_logits": lambda x, y: F.binary_cross_entropy_with_logits(x[:, 0], (y > 0).float()),
    "kl_div": lambda x, y: F.kl_div(F.log_softmax(x, 1), F.one_hot(y, 3).float(), reduction="batchmean"),
}


def graphs(function, *args):
    """Result and number of graphs of a compiled function; eager backend, no break allowed."""
    torch._dynamo.reset()
    counter = CompileCounter()
    return torch.compile(function, backend=counter, fullgraph=True)(*args), counter.frame_count


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_compile_to_one_graph_with_the_same_result(loss, tmp_path):

    x, y = batches(1)[0]
    net = mlp()

    def step(x, y):
        return LOSSES[loss](net(x), y)

    plain, n_graphs = graphs(step, x, y)
    with recording(tmp_path):
        recorded, n_recorded = graphs(step, x, y)
    assert (recorded.item(), n_recorded) == (plain.item(), n_graphs) == (plain.item(), 1)


def test_picks_compile_during_an_evaluation(tmp_path):
    net = mlp()

    def pick(x):
        scores = net(x)
        return torch.max(scores, 1)[1] + scores.argmax(1) + scores.topk(1, 1)[1][:, 0]

    with torch.no_grad():
        x, _ = batches(1)[0]
        plain, _ = graphs(pick, x)
        with recording(tmp_path):
            for _ in loader():
                found, n_graphs = graphs(pick, x)
                break
    assert torch.equal(plain, found)
    assert n_graphs == 1


def compiled_training(compile_step, compile_all):
    torch._dynamo.reset()
    torch.manual_seed(0)
    net = mlp()
    model = torch.compile(net, backend="eager")
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    step = torch.compile(optimizer.step, backend="eager") if compile_step else optimizer.step

    def train(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        step()
        return loss.detach()

    function = torch.compile(train, backend="eager") if compile_all else train
    losses = [function(x, y).item() for x, y in batches(5)]
    return losses, fingerprint(net.state_dict())


@pytest.mark.filterwarnings("ignore:.*grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize(
    ("compile_step", "compile_all"),
    [(False, False), (True, False), (False, True)],
    ids=["model", "step", "training"],
)
def test_compiled_training_is_recorded_and_unchanged(compile_step, compile_all, tmp_path):
    plain = compiled_training(compile_step, compile_all)
    with recording(tmp_path), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compiled_training(compile_step, compile_all) == plain
    run = read(tmp_path)
    assert values(run, "loss/train") == plain[0]
    assert values(run, "lr/0") == [0.1] * 5
    assert len(values(run, "grad_norm/global")) == 5
    assert [p.name for p in run.info.parameters] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [str(w.message) for w in caught if "traindoctor" in str(w.message)] == []


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = self.fc(x)
        picked = torch.max(scores, 1)[1] + scores.argmax(1) + torch.topk(scores, 1, 1)[1][:, 0]
        return F.cross_entropy(scores, y) + F.mse_loss(scores, scores) + picked.sum()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_torch_jit_works_during_an_evaluation(how, tmp_path):
    net, (x, y) = Scripted(), batches(1)[0]
    with recording(tmp_path), torch.no_grad():
        for _ in loader():
            made = torch.jit.script(net) if how == "script" else torch.jit.trace(net, (x, y))
            assert made(x, y).item() == net(x, y).item()
    after = torch.jit.script(net)
    assert torch.equal(after(x, y), net(x, y))


def test_export(tmp_path):
    net, (x, y) = mlp(), batches(1)[0]

    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, y):
            return F.cross_entropy(self.net(x), y)

    with recording(tmp_path):
        program = torch.export.export(WithLoss(), (x, y))
    assert program.module()(x, y).item() == F.cross_entropy(net(x), y).item()


def test_vmap_and_functional_gradients(tmp_path):
    net, (x, y) = mlp(), batches(1)[0]
    parameters = dict(net.named_parameters())

    def loss(parameters, x, y):
        return F.cross_entropy(torch.func.functional_call(net, parameters, (x[None],)), y[None])

    with recording(tmp_path), torch.no_grad():
        each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(parameters, x, y)
    assert each["0.weight"].shape == (5, 8, 6)


def test_default_device_and_dispatch_modes_do_not_disturb(tmp_path):
    from torch.utils.flop_counter import FlopCounterMode

    def counted():
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        with FlopCounterMode(display=False) as counter, torch.device("cpu"):
            for x, y in batches(3):
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
        return counter.get_total_flops()

    plain = counted()
    with recording(tmp_path):
        assert counted() == plain
    assert len(values(read(tmp_path), "loss/train")) == 3


def test_models_on_the_meta_device(tmp_path, capsys):
    with recording(tmp_path), torch.device("meta"):
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(12):
            optimizer.zero_grad()
            net(torch.ones(2, 6)).sum().backward()
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "lr/0") == [0.1] * 12
    assert not run.parameters
    assert not run.info.diagnostics
    assert not capsys.readouterr().err


def test_activation_checkpointing(tmp_path):
    from torch.utils.checkpoint import checkpoint

    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    losses = []
    with recording(tmp_path):
        for number, (x, y) in enumerate(batches(4)):
            optimizer.zero_grad()
            scores = checkpoint(net, x.requires_grad_(), use_reentrant=bool(number % 2))
            loss = F.cross_entropy(scores, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert values(run, "micro_batches") == [1.0] * 4


def test_autograd_of_higher_order_keeps_its_graph(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)

    def train():
        torch.manual_seed(0)
        for x, y in batches(2):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward(create_graph=True)
            penalty = sum(p.grad.pow(2).sum() for p in net.parameters())
            penalty.backward()
            optimizer.step()
        found = fingerprint(net.state_dict())
        for p in net.parameters():
            p.grad = None
        return found

    start = {k: v.clone() for k, v in net.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the cycle that create_graph makes
        plain = train()
        net.load_state_dict(start)
        with recording(tmp_path):
            assert train() == plain
