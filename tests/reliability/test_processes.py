"""R17, R21: pools, loaders, threads and strange locales: no duplicate, no deadlock, and UTF-8 everywhere."""

import json
import os
import subprocess
import sys

import pytest

from tests.logs import write_small_log
from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX

SCRIPT = """
import json, multiprocessing as mp, threading
import torch, torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)

def square(number):
    return number * number

def train(losses, method):
    torch.manual_seed(0)
    net = torch.nn.Linear(6, 3)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    data = TensorDataset(torch.randn(20, 6), torch.randint(0, 3, (20,)))
    workers = int(method is not None)
    loader = DataLoader(data, batch_size=5, num_workers=workers, persistent_workers=bool(workers),
        multiprocessing_context=method)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

def main():
    losses = {"thread": []}
    thread = threading.Thread(target=train, args=(losses["thread"], None))
    thread.start()
    thread.join()
    for method in ("fork", "spawn", "forkserver"):
        train(losses.setdefault(method, []), method)
        with mp.get_context(method).Pool(1) as pool:
            assert pool.map(square, range(4)) == [0, 1, 4, 9]
    print(json.dumps(losses))

if __name__ == "__main__":
    main()
"""


def test_r17_workers_pools_and_threads_leave_one_log(tmp_path):
    """Loaders with persistent workers and pools by fork, spawn and forkserver, after a training thread."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "traindoctor", "run", "--out", tmp_path / "runs", "--", script]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (tmp_path / "runs").iterdir()
    (log,) = folder.glob(f"*{SUFFIX}")
    run = read_run(log)
    recorded = [f"{prefix}loss/train" for prefix in ("", "optimizer1/", "optimizer2/", "optimizer3/")]
    assert [run.series[name].values.tolist() for name in recorded] == list(json.loads(done.stdout).values())
    assert run.info.status == "finished"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_r21_reports_are_utf8_whatever_the_locale(encoding, tmp_path):
    name = "Lauf — 学習 ∑ é"
    folder = tmp_path / "20260102-030405-abcd"
    folder.mkdir()
    write_small_log(folder / f"a{SUFFIX}", 60, facts={"name": name}, end={"status": "finished"})
    environ = {
        **os.environ, "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": encoding,
    }  # fmt: skip
    kinds = ("html", "md", "json")
    command = [sys.executable, "-m", "traindoctor", "report", folder, "--format", ",".join(kinds)]
    done = subprocess.run(command, capture_output=True, check=False, env=environ, timeout=600)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    for kind in kinds:
        text = (folder / f"report.{kind}").read_bytes().decode("utf-8")
        assert name in text or json.dumps(name)[1:-1] in text
    shown = subprocess.run(
        [sys.executable, "-m", "traindoctor", "show", folder], capture_output=True, check=False, env=environ
    )
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"Lauf" in shown.stdout
