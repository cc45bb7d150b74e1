"""What the network computes, as the graph of the first training loss shows it."""

import gc
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from benchmarks.diagnosis.reference_recorder import describe_network
from tests.recordings import batches, fingerprint, loader, mlp, read, recording, values
from traindoctor.collectors.recorders import network
from traindoctor.collectors.recorders.model import ModelRecorder
from traindoctor.collectors.recorders.network import MOST_NODES, describe_graph, dropout_rates, root_nodes
from traindoctor.run import NetworkInfo


def recorded(folder, net, loss_function=F.cross_entropy, data=None, **options):
    """The network of a run of three steps."""
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with recording(folder, **options):
        for x, y in data or batches(3):
            optimizer.zero_grad()
            loss_function(net(x), y).backward()
            optimizer.step()
    run = read(folder)
    assert not run.info.diagnostics
    return run.info.network


class Convnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = F.pad(x.view(-1, 1, 2, 3), (1, 1, 1, 1))
        return self.fc(F.relu(self.norm(self.conv(x))).flatten(1)[:, :16].repeat(1, 3)[:, :16])


class Sequences(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.embedding = nn.Embedding(3, 8)
        self.body = body
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        found = self.body(self.embedding(x.abs().long() % 3))
        return self.head((found[0] if isinstance(found, tuple) else found)[:, -1])


def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.25, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


NETS = {
    "mlp": mlp,
    "convnet": Convnet,
    "gru": lambda: Sequences(nn.GRU(8, 8, 2, dropout=0.5, batch_first=True)),
    "transformer": lambda: Sequences(transformer()),
}
LOSSES = {
    "cross_entropy": (F.cross_entropy, ("NllLoss", "LogSoftmax")),
    "after softmax": (lambda s, y: F.cross_entropy(s.softmax(1), y), ("NllLoss", "LogSoftmax", "Softmax")),
    "label smoothing": (
        lambda s, y: F.cross_entropy(s.softmax(1), y, label_smoothing=0.1),
        ("Add", "Mul", "NllLoss", "LogSoftmax", "Softmax"),
    ),
    "label smoothing, a class each token": (
        lambda s, y: F.cross_entropy(s.softmax(1)[..., None], y[:, None], label_smoothing=0.1),
        ("Add", "Mul", "NllLoss2D", "View", "LogSoftmax", "Unsqueeze", "Softmax"),
    ),
    "label smoothing of shares": (
        lambda s, y: F.cross_entropy(s.softmax(1), F.one_hot(y, 3).float(), label_smoothing=0.1),
        ("Div", "Neg", "Sum", "Mul", "LogSoftmax", "Softmax"),
    ),
    "after sigmoid": (
        lambda s, y: F.binary_cross_entropy_with_logits(s.sigmoid(), F.one_hot(y, 3).float()),
        ("BinaryCrossEntropyWithLogits", "Sigmoid"),
    ),
    "mse": (lambda s, y: F.mse_loss(s, F.one_hot(y, 3).float()), ("MseLoss",)),
    "mse of relu": (lambda s, y: F.mse_loss(F.relu(s), F.one_hot(y, 3).float()), ("MseLoss", "Relu")),
    "divided": (lambda s, y: F.cross_entropy(s.softmax(1), y) / 4, ("NllLoss", "LogSoftmax", "Softmax")),
    "with a penalty": (lambda s, y: 0.1 * s.pow(2).mean() + F.cross_entropy(s, y), ("NllLoss", "LogSoftmax")),
    "two, the last of which counts": (
        lambda s, y: F.mse_loss(s, F.one_hot(y, 3).float()) + F.cross_entropy(s, y),
        ("NllLoss", "LogSoftmax"),
    ),
    "by hand": (lambda s, y: -s.log_softmax(1).gather(1, y[:, None]).mean(), ()),
}


@pytest.mark.parametrize("name", NETS)
def test_it_is_what_the_reference_sees(name, tmp_path):
    net = NETS[name]()
    x, y = batches(1)[0]
    loss = F.cross_entropy(net(x), y)
    expected = describe_network(net, loss, loss)
    assert recorded(tmp_path, net) == expected
    assert sum(expected.operations.values()) > 5
    assert expected.output == ("NllLoss", "LogSoftmax")


def test_of_a_small_network_every_operation_is_known(tmp_path):
    net = mlp()
    net.insert(2, nn.Dropout(0.2))
    found = recorded(tmp_path, net, lambda s, y: F.cross_entropy(s, y, label_smoothing=0.05))
    kinds = ("Addmm", "T", "Relu", "LogSoftmax", "NllLoss")
    assert {kind: found.operations[kind] for kind in kinds} == dict(zip(kinds, (2, 2, 1, 1, 1), strict=True))
    assert (found.dropouts, found.label_smoothing, found.is_whole) == ((0.2,), 0.05, True)


@pytest.mark.parametrize("name", LOSSES)
def test_what_stands_between_the_last_layer_and_the_loss(name, tmp_path):
    function, expected = LOSSES[name]
    assert recorded(tmp_path, mlp(), function).output == expected


def test_a_product_has_two_factors_that_depend_on_parameters():
    x, w = torch.ones(2), torch.ones(2, requires_grad=True)
    found = describe_graph(root_nodes((w * w * x * 2).sum()), None)
    assert found == NetworkInfo({"Sum": 1, "Mul": 2, "Product": 1})


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.name = "an attribute that hides the method of the node"
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def as_in_ddp(x):
    ddp = SimpleNamespace(_ddp_sink_clone=True)
    return torch.nn.parallel.distributed._DDPSink.apply(lambda: ddp, x)[0]


@pytest.mark.parametrize(
    ("forward", "operation", "is_whole"),
    [
        (lambda net, x: checkpoint(net, x.requires_grad_(), use_reentrant=True), "CheckpointFunction", False),
        (lambda net, x: checkpoint(net, x, use_reentrant=False), "Addmm", True),
        (lambda net, x: Doubled.apply(net(x)), "Doubled", False),
        (lambda net, x: as_in_ddp(net(x)), "_DDPSink", True),
    ],
    ids=["checkpoint", "checkpoint without reentering", "custom function", "torch's own function"],
)
def test_hidden_parts_are_told(forward, operation, is_whole):
    net, (x, y) = mlp(), batches(1)[0]
    found = describe_graph(root_nodes(F.cross_entropy(forward(net, x), y)), None)
    assert found.is_whole == is_whole
    assert found.operations[operation] >= 1


def test_compiled_parts_are_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)  # its thread would outlast the test
    torch._dynamo.reset()
    net = mlp()
    compiled = torch.compile(net, backend="aot_eager")
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with recording(tmp_path):
        for x, y in batches(3):
            optimizer.zero_grad()
            F.cross_entropy(compiled(x), y).backward()
            optimizer.step()
    found = read(tmp_path).info.network
    assert found.operations == {"NllLoss": 1, "LogSoftmax": 1, "CompiledFunction": 1}
    assert not found.is_whole


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_scripted_parts_are_hidden():
    @torch.jit.script
    def gate(x):
        return torch.tanh(x) * torch.sigmoid(x)

    x = torch.ones(3, requires_grad=True)
    for _ in range(4):  # the graph is fused after some calls
        found = describe_graph(root_nodes(gate(x).sum()), None)
    assert not found.is_whole
    assert "Tanh" not in found.operations


def test_an_operation_in_place_on_a_view_is_seen_or_told_to_be_hidden():
    flat = nn.Linear(6, 3)(torch.randn(5, 6)).view(-1)
    F.relu_(flat)
    found = describe_graph(root_nodes(flat.sum()), None)
    assert ("Relu" in found.operations) == found.is_whole


def test_a_large_graph_is_not_walked_to_its_end():
    x = torch.ones(1, requires_grad=True)
    for _ in range(MOST_NODES + 10):
        x = x + 1
    found = describe_graph(root_nodes(x), None)
    assert not found.is_whole
    assert found.operations["Add"] == MOST_NODES


def test_roots_of_any_kind(tmp_path):
    w = torch.ones(3, requires_grad=True)
    assert len(root_nodes([w * 2, None, w, torch.ones(1), w * 3])) == 2
    assert root_nodes(w) == root_nodes(None) == root_nodes(iter([w])) == []
    optimizer = torch.optim.SGD([w], 0.1)
    with recording(tmp_path):
        for _ in range(3):
            optimizer.zero_grad()
            (w * 2).tanh().backward(torch.ones(3))
            optimizer.step()
    assert read(tmp_path).info.network == NetworkInfo({"Tanh": 1, "Mul": 1})


def test_it_is_walked_once(tmp_path, monkeypatch):
    walks = []
    walk = describe_graph
    monkeypatch.setattr(network, "describe_graph", lambda *given: walks.append(1) or walk(*given))
    recorded(tmp_path, mlp(), data=batches(9))
    assert len(walks) == 1
    recorded(tmp_path / "by hand", mlp(), lambda s, y: s.pow(2).mean(), batches(9))
    assert len(walks) == 2


def test_a_loss_function_seen_later_counts(tmp_path):
    nets = [mlp(), mlp()]
    optimizers = [torch.optim.SGD(net.parameters(), 0.1) for net in nets]
    with recording(tmp_path):
        for x, y in batches(3):
            for net, optimizer, loss_function in zip(
                nets, optimizers, (lambda s, y: s.pow(2).mean(), F.cross_entropy), strict=True
            ):
                optimizer.zero_grad()
                loss_function(net(x), y).backward()
                optimizer.step()
    assert read(tmp_path).info.network.output == ("NllLoss", "LogSoftmax")


def test_dropout_of_modules_that_train():
    net = nn.Sequential(
        nn.Dropout(0.1),
        nn.LSTM(2, 2, 2, dropout=0.2),
        nn.MultiheadAttention(2, 1, dropout=0.3),
        nn.AlphaDropout(0.4),
        nn.Dropout(0.0),
        nn.Dropout(0.5).eval(),
        nn.ReLU(),
    )
    assert list(dropout_rates(net)) == [0.1, 0.2, 0.3, 0.4]
    assert list(dropout_rates(net.eval())) == []


class Careful(nn.Module):
    """Has an attribute that must not be asked for."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)

    @property
    def dropout(self):
        raise AssertionError("code of the user was run")

    def forward(self, x):
        return self.fc(x)


def test_no_code_of_the_user_is_run(tmp_path):
    assert recorded(tmp_path, Careful()).dropouts == ()


def test_two_models_one_after_the_other(tmp_path):
    nets = [nn.Sequential(nn.Linear(6, 3), nn.Dropout(p)) for p in (0.1, 0.2)]
    optimizers = [torch.optim.SGD(net.parameters(), 0.1) for net in nets]
    with recording(tmp_path):
        for net, optimizer in zip(nets, optimizers, strict=True):
            for x, y in loader():
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
    assert read(tmp_path).info.network.dropouts == (0.1, 0.2)


def test_it_is_kept_when_no_step_follows(tmp_path):
    with recording(tmp_path):
        for x, y in batches(2):
            F.cross_entropy(mlp()(x), y).backward()
    assert read(tmp_path).info.network.output == ("NllLoss", "LogSoftmax")


def test_no_node_is_kept():
    net, (x, y) = mlp(), batches(1)[0]

    def nodes():
        return sum("Backward" in type(o).__name__ for o in gc.get_objects())

    before = nodes()
    found = describe_graph(root_nodes(F.cross_entropy(net(x), y)), None)
    assert found.operations["Addmm"] == 2
    assert nodes() == before


def training(net):
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    losses = []
    for x, y in batches(6):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, fingerprint(net.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("name", NETS)
def test_the_training_is_the_same_to_the_bit(name, tmp_path):
    results = []
    for is_recorded in (False, True):
        torch.manual_seed(3)
        net = NETS[name]()
        if is_recorded:
            with recording(tmp_path):
                results.append(training(net))
        else:
            results.append(training(net))
    assert results[0] == results[1]
    assert read(tmp_path).info.network is not None


@pytest.mark.parametrize("broken", ["describe_graph", "dropout_rates", "root_nodes"])
def test_a_failure_turns_only_itself_off(broken, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    plain = training(mlp())

    def raising(*given):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(network, broken, raising)
    torch.manual_seed(0)
    with recording(tmp_path):
        assert training(mlp()) == plain
    run = read(tmp_path)
    assert len(values(run, "loss/train")) == 6
    assert len(values(run, "grad_norm/global")) == 6
    assert [p.name for p in run.info.parameters] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    (note,) = run.info.diagnostics
    assert note == "recording of the network description stopped (RuntimeError: broken on purpose)"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_a_described_model_the_operations_are_still_there(tmp_path, monkeypatch):
    monkeypatch.setattr(ModelRecorder, "_describe_roots", lambda *given: None)
    net = nn.Sequential(nn.Dropout(0.5), mlp())
    found = recorded(tmp_path, net)
    assert found.operations["Addmm"] == 2
    assert found.dropouts == ()
