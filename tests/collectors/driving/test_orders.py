"""Orders: what they refuse, and that their JSON form says the same."""

import itertools
import json

import pytest

from traindoctor.collectors.driving.orders import LrPlan, Orders, RangeTest, absolute, read_orders
from traindoctor.errors import UsageError

EXAMPLES = [
    Orders(),
    Orders(lr_plan=absolute([0.1, 0.05, 0.0]), max_steps=3, optimizers=(0, 2)),
    Orders(lr=0.1, momentum=0.9, weight_decay=0.0, seed=7, max_steps=5, wait_for_evaluation=True),
    Orders(range_test=RangeTest(1e-5, None, 40, "linear")),
]


@pytest.mark.parametrize("orders", EXAMPLES)
def test_the_file_says_the_same(orders, tmp_path):
    path = tmp_path / "orders.json"
    orders.write(path)
    assert read_orders(path) == orders


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: absolute([]), "at least one step"),
        (lambda: absolute([0.1, float("nan")]), "nan at step 1"),
        (lambda: absolute([-0.1]), "-0.1 at step 0"),
        (lambda: LrPlan("relative", (1.0,)), "absolute or factor"),
        (lambda: Orders(lr=0.1, lr_plan=absolute([0.1])), "found several"),
        (lambda: Orders(max_steps=0), "at least 1 step"),
        (lambda: Orders(seed=-1), "seed from 0"),
        (lambda: Orders(lr=float("inf")), "lr of 0 or more"),
        (lambda: RangeTest(steps=5), "at least 20 steps"),
        (lambda: RangeTest(minimum=0.0), "lowest LR above 0"),
        (lambda: RangeTest(minimum=1.0).factors(1e-4), "lowest LR below the highest"),
        (lambda: RangeTest(mode="log"), "exp or linear"),
        (lambda: Orders.from_json({"format": 2}), "of format 1"),
        (lambda: Orders.from_json({"format": 1, "lr_plan": {"kind": "absolute"}}), "not understood"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "orders.json"
    with pytest.raises(UsageError, match="cannot read"):
        read_orders(path)
    path.write_text(json.dumps({"format": 1})[:-1])
    with pytest.raises(UsageError, match="cannot read"):
        read_orders(path)


def test_the_last_value_of_a_plan_holds():
    plan = absolute([3.0, 2.0])
    assert [plan.at(step) for step in (0, 1, 2, 99)] == [3.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("mode", ["exp", "linear"])
def test_a_range_reaches_from_end_to_end(mode):
    factors = RangeTest(steps=50, mode=mode).factors(0.1)
    assert len(factors) == 50
    assert (factors[0], factors[-1]) == pytest.approx((1e-3, 1e3))
    steps = [b / a if mode == "exp" else b - a for a, b in itertools.pairwise(factors)]
    assert steps == pytest.approx([steps[0]] * 49)


def test_a_range_in_learning_rates_is_turned_into_factors():
    factors = RangeTest(1e-4, 1.0, 20).factors(0.01)
    assert (factors[0], factors[-1]) == pytest.approx((0.01, 100.0))
