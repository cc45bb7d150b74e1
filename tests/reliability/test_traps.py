"""Traps of recording whose tests have no other home; test_trap_list.py has all thirty.

Nothing here is timed: trap 26 is about timings, so its test looks at how the benchmark measures.
"""

import gc
import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, loader, mlp, read, recording, values
from tests.reliability.sizes import size
from traindoctor import collectors
from traindoctor.collectors.recorders import statistics


def steps(net, optimizer, n=3, forward=None):
    for x, y in batches(n):
        optimizer.zero_grad()
        F.cross_entropy((forward or net)(x), y).backward()
        optimizer.step()


def test_subnormal_numbers_stay_and_no_library_is_shipped(tmp_path):
    tiny = torch.tensor([1e-40])
    with recording(tmp_path):
        steps(net := mlp(), torch.optim.SGD(net.parameters(), 0.1))
        assert (tiny * 1).item() > 0
    ours = Path(collectors.__file__).parent
    assert not [path for path in ours.rglob("*") if path.suffix in (".so", ".dll", ".dylib", ".pyd")]
    assert not [path for path in ours.rglob("*.py") if "ctypes" in path.read_text()]


@pytest.mark.filterwarnings("ignore:.*grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("what", ["model", "step", "training"])
def test_compiled_code_has_no_more_graphs_or_breaks_than_without_us(what, tmp_path):
    from torch._dynamo.utils import counters

    def graphs():
        torch._dynamo.reset()
        counters.clear()
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        forward = torch.compile(net, backend="eager") if what == "model" else net
        step = torch.compile(optimizer.step, backend="eager") if what == "step" else optimizer.step

        def train(x, y):
            optimizer.zero_grad()
            F.cross_entropy(forward(x), y).backward()
            step()

        function = torch.compile(train, backend="eager") if what == "training" else train
        for x, y in batches(4):
            function(x, y)
        return counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = graphs()
    with recording(tmp_path), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorded = graphs()
    assert recorded[0] == plain[0] >= 1
    assert recorded[1] <= plain[1]  # fewer: a hook of torch's own in step is no longer traced
    if what == "model":
        assert recorded == plain == (1, 0)
    assert not [str(w.message) for w in caught if "traindoctor" in str(w.message)]
    assert read(tmp_path).n_steps == 4


THREADS = """
import sys, threading
from pathlib import Path
import torch, torch.nn.functional as F
from traindoctor import watch
torch.set_num_threads(1)
def train(seed):
    make = torch.Generator().manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(120):
        x, y = torch.randn(16, 20, generator=make), torch.randint(0, 5, (16,), generator=make)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
with watch(out=Path(sys.argv[1])) as run:
    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print("all trained")
"""


@pytest.mark.parametrize("repetition", range(size(1, 20)))
def test_threads_on_one_line_of_code_do_not_crash(repetition, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", THREADS, tmp_path], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "all trained\n", "")


class Lazy:
    """Complains when it is asked for its class, as lazily imported modules of torch do."""

    @property
    def __class__(self):
        raise AssertionError("asked for __class__")


def test_lazy_objects_are_not_asked_what_they_are(tmp_path, capsys):
    lazy = [Lazy()]
    net = mlp()
    with recording(tmp_path):
        steps(net, torch.optim.SGD(net.parameters(), 0.1))
    assert gc.is_tracked(lazy)
    assert not capsys.readouterr().err


class Seen(torch.utils._python_dispatch.TorchDispatchMode):
    """The operators that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append((str(func), args[1:2]))
        return func(*args, **(kwargs or {}))


def test_no_slow_operator_runs_on_a_cpu():
    """The maximum norm and `std` are 20 to 60 times slower than an L2 norm there."""
    net = mlp()
    steps(net, torch.optim.SGD(net.parameters(), 0.1), 1)
    parameters = list(net.parameters())
    found = statistics.ParameterStatistics(parameters, 1 << 30)
    found.names, found.has_rows = tuple("abcd"), (True, False, True, False)
    with Seen() as seen:
        found.snapshot(parameters)
        found.measure(parameters, [p.grad.norm() for p in parameters])
    assert any("_foreach_norm" in name for name, _ in seen.names)
    slow = [name for name, args in seen.names if ".std" in name or (".norm" in name and torch.inf in args)]
    assert not [name for name in slow if "vector_norm" not in name]
    assert not [name for name, args in seen.names if "vector_norm" in name and args == (torch.inf,)]


def test_one_hot_column_is_measured_exactly(tmp_path):
    wide = nn.Parameter(torch.zeros(64, 512))
    optimizer = torch.optim.SGD([wide], 1.0)
    hot = torch.zeros(64, 512)
    hot[:, 7] = 3.0
    with recording(tmp_path):
        for _ in range(3):
            optimizer.zero_grad()
            (wide * hot).sum().backward()
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "grad_norm/global") == pytest.approx([24.0] * 3)
    assert run.parameter("weight_max")["parameter0"].values.tolist() == [3.0, 6.0, 9.0]


def read_ahead(data):
    """One batch ahead of the training, as Accelerate and the Trainer of transformers read."""
    batches = iter(data)
    current = next(batches)
    for following in batches:
        yield current
        current = following
    yield current


def test_a_loader_that_is_read_ahead(tmp_path):
    net, data, held_out = mlp(), loader(n=20), loader(n=10, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(3):
            for x, y in read_ahead(data):
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
            with torch.no_grad():
                for x, y in read_ahead(held_out):
                    F.cross_entropy(net(x), y)
    run = read(tmp_path)
    assert values(run, "epoch") == [0.0] * 4 + [1.0] * 4 + [2.0] * 4
    assert run.info.epochs == 3
    assert run.series["loss/validation"].steps.tolist() == [3, 7, 11]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_graphs(tmp_path):
    torch._dynamo.reset()
    net = mlp().cuda()
    model = torch.compile(net, mode="reduce-overhead")
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    losses = []
    with recording(tmp_path):
        for x, y in batches(8):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x.cuda()), y.cuda())
            loss.backward()
            losses.append(loss.detach().clone())
            optimizer.step()
    assert values(read(tmp_path), "loss/train") == pytest.approx([loss.item() for loss in losses])


ONE_RANK = """
import os, sys
from contextlib import nullcontext
from pathlib import Path
import torch, torch._dynamo, torch.distributed as dist, torch.multiprocessing as mp, torch.nn.functional as F
torch.set_num_threads(1)
def work(rank, folder):
    from traindoctor import watch
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(6, 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    torch.manual_seed(rank)
    with watch(out=Path(folder) / "runs", every=1) if rank == 0 else nullcontext():
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(4, 6)), torch.randint(0, 3, (4,))).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
    dist.destroy_process_group()
if __name__ == "__main__":
    mp.start_processes(work, (sys.argv[1],), 2, start_method="fork")
    print("both ended")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_a_recorder_on_one_rank_only_hangs_nobody(tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(ONE_RANK)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, script, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environ)
    assert (done.returncode, done.stdout) == (0, "both ended\n"), done.stderr
    from traindoctor.collectors.importers.native import read_run

    (run,) = [read_run(folder) for folder in (tmp_path / "runs").iterdir()]
    assert run.n_steps == 5


def test_the_first_rate_of_a_warm_up_is_zero(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 4, 1.0))
    with recording(tmp_path):
        for x, y in batches(6):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            scheduler.step()
    assert values(read(tmp_path), "lr/0") == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1, 0.1])


def test_clipping_inside_a_closure(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    norms = []
    with recording(tmp_path):
        for x, y in batches(6):

            def closure(x=x, y=y):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                norms.append(nn.utils.clip_grad_norm_(net.parameters(), 0.1).item())
                return loss

            optimizer.step(closure)
    assert values(read(tmp_path), "grad_norm/preclip") == norms


def test_the_benchmark_measures_inside_a_real_training(tmp_path, monkeypatch):
    """The recorder is switched on and off while one model trains, plain blocks before and after it."""
    from benchmarks import overhead
    from benchmarks.overhead_models import Training
    from benchmarks.overhead_tools import Tool, Traindoctor
    from traindoctor.collectors.importers.native import read_run

    net, data = mlp(), itertools.cycle(batches(4))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    seen = []

    def step(look):
        x, y = next(data)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        seen.append(net[0].weight.sum().item())

    training = Training("small", net, optimizer, step, 5)
    tool = Traindoctor(training, tmp_path)
    blocks = []
    block = overhead.block
    monkeypatch.setattr(overhead, "WARM_UP_NS", 0)
    monkeypatch.setattr(overhead, "HEAD_START_NS", 0)
    monkeypatch.setattr(
        overhead, "block", lambda t, tool, s: (blocks.append(type(tool)), block(t, tool, s))[1]
    )
    ratios, _ = overhead.measure(training, [tool], 3, overhead.Samples(tool))
    tool.close()
    assert blocks == [Tool, Traindoctor, Tool] * 3
    assert len(seen) == len(set(seen)) >= 9 * 6
    assert read_run(tmp_path / "run").n_steps == len(seen) - 6 * 6
    assert [len(kept) for kept in ratios["traindoctor"]] == [3, 3]
