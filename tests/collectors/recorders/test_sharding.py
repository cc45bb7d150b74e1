"""Tensors in parts, as one process of several sees them; checksums of whole ones. Nothing is sent here."""

import pytest
import torch
import torch.distributed as dist

from traindoctor.collectors.recorders.checksums import checksum
from traindoctor.collectors.recorders.sharding import copies, copies_of, is_summand
from traindoctor.collectors.recorders.tensors import readable

testing = pytest.importorskip("torch.testing._internal.distributed.fake_pg")


@pytest.fixture(scope="module")
def mesh():
    """Two copies of three parts, on a backend of torch's own that pretends."""
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("fake", store=testing.FakeStore(), rank=0, world_size=6)
    yield init_device_mesh("cpu", (2, 3), mesh_dim_names=("copies", "parts"))
    dist.destroy_process_group()


def made(mesh, *placements):
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(torch.arange(4.0), mesh, placements, run_check=False)


def test_copies_follow_from_mesh_and_placements(mesh):
    from torch.distributed.tensor import Replicate, Shard

    assert copies_of(made(mesh, Replicate(), Shard(0))) == 2
    assert copies_of(made(mesh, Shard(0), Replicate())) == 3
    assert copies_of(made(mesh, Shard(0), Shard(0))) == 1
    assert copies_of(made(mesh, Replicate(), Replicate())) == 0
    assert copies_of(torch.ones(3)) == 0


def test_whole_tensors_only_are_no_parts(mesh):
    from torch.distributed.tensor import Replicate, Shard

    whole, part = made(mesh, Replicate(), Replicate()), made(mesh, Replicate(), Shard(0))
    assert copies([whole, torch.ones(2)]) == ()
    assert copies([whole, part]) == (0, 2)


def test_a_sum_that_is_not_added_up_is_not_read(mesh):
    from torch.distributed.tensor import Partial, Replicate, Shard

    summand = made(mesh, Partial(), Replicate())
    assert is_summand(summand)
    assert readable(summand) is None
    assert not is_summand(made(mesh, Replicate(), Shard(0)))
    assert readable(made(mesh, Replicate(), Shard(0))).tolist() == [0, 1, 2, 3]


def test_parts_have_no_checksum(mesh):
    from torch.distributed.tensor import Replicate, Shard

    assert checksum(made(mesh, Replicate(), Shard(0))) is None
    assert checksum(made(mesh, Replicate(), Replicate())).item() == checksum(torch.arange(4.0)).item()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", [1, 2, 3, 4096])
def test_one_bit_changes_the_checksum(dtype, n):
    tensor = torch.linspace(-1, 1, n).to(dtype)
    before = checksum(tensor).item()
    assert 0 <= before < 2**24
    assert checksum(tensor.clone()).item() == before
    bits = tensor.view({8: torch.int64, 4: torch.int32, 2: torch.int16}[tensor.element_size()])
    bits[n // 2] += 1
    assert checksum(tensor).item() != before


def test_the_checksum_does_not_depend_on_order_of_addition():
    tensor = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    twin = tensor.view(torch.int32).tolist()
    total = sum(twin) & 0xFFFFFFFF
    assert checksum(tensor).item() == (total & 0xFFFFFF) ^ (total >> 24)
    assert checksum(tensor.reshape(10, 100).t()).item() == checksum(tensor).item()


@pytest.mark.parametrize("tensor", [torch.empty(3, device="meta"), torch.ones(3).to_sparse()])
def test_what_cannot_be_read_has_no_checksum(tensor):
    assert checksum(tensor) is None
