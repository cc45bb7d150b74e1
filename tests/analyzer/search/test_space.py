import pytest

from traindoctor.analyzer.search.space import read_space
from traindoctor.errors import UsageError
from traindoctor.search import Parameter


def only(*argv: str, hooks: tuple[str, ...] = ()) -> Parameter:
    (parameter,) = read_space(argv, hooks).parameters
    return parameter


def test_the_four_kinds_and_where_they_may_stand():
    space = read_space(
        ["train.py", "--lr={lr:log:1e-5:1}", "--drop", "{drop:uniform:0:.5}", "-b", "{bs:int:16:100:16}",
         "opt={opt:choice:adam,sgd}", "--again", "{lr}"]
    )  # fmt: skip
    assert space.parameters == (
        Parameter("lr", "log", 1e-5, 1.0),
        Parameter("drop", "uniform", 0.0, 0.5),
        Parameter("bs", "int", 16, 96, 16),
        Parameter("opt", "choice", choices=("adam", "sgd")),
    )
    words = space.command({"lr": 0.0123456789, "drop": 0.25, "bs": 32, "opt": "sgd"})
    assert words == [
        "train.py", "--lr=0.0123457", "--drop", "0.25", "-b", "32", "opt=sgd", "--again", "0.0123457",
    ]  # fmt: skip


def test_other_braces_are_the_scripts_own():
    given = ["train.py", '{"a": {"b": 1}}', "{name}", "{{x:log:1:2}}", "--lr", "{lr:log:1:2}"]
    words = read_space(given).command({"lr": 1.5})
    assert words == ["train.py", '{"a": {"b": 1}}', "{name}", "{x:log:1:2}", "--lr", "1.5"]


def test_hooks_are_values_of_their_own():
    space = read_space(
        ["train.py"], ["lr:log:1e-3:1", "schedule:choice:linear,constant", "momentum:choice:0,.9"]
    )
    values = {"lr": 0.1, "schedule": "linear", "momentum": 0.9}
    assert [parameter.is_hook for parameter in space.parameters] == [True, True, True]
    assert space.hooked(values) == values
    assert space.command(values) == ["train.py"]


@pytest.mark.parametrize(
    ("argv", "understood"),
    [
        # what bash makes of --wd {wd:choice:0,0.01,0.1} --epochs 3
        (["t.py", "--wd", "wd:choice:0", "0.01", "0.1", "--epochs", "3"], "{wd:choice:0,0.01,0.1}"),
        (["t.py", "--wd=wd:choice:0", "--wd=0.01", "--wd=0.1"], "--wd={wd:choice:0,0.01,0.1}"),
        (["t.py", "--shift", "s:choice:-1", "-2", "-v"], "{s:choice:-1,-2}"),
    ],
)
def test_braces_that_the_shell_took_apart_are_put_together(argv, understood):
    space = read_space(argv)
    assert understood in space.argv
    assert "the shell" in space.notes[0]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (
            "--x={lr:lgo:1:2}",
            r"\{lr:lgo:1:2\} in argument 2, column 5: expected log, uniform, int, choice.*'lgo'",
        ),
        ("{lr:log:1:2", r"'\{lr:log:1:2' in argument 2, column 1: expected a closing brace"),
        ("{lr:log:0:1}", "lower bound above 0 for a logarithmic range, found 0"),
        ("{lr:log:1:1}", "the lower bound below the upper one, found 1 and 1"),
        ("{lr:uniform:2:1}", "the lower bound below the upper one, found 2 and 1"),
        ("{lr:log:1}", "expected log:LOW:HIGH, found 1 parts"),
        ("{lr:log:a:1}", "expected a number such as 0.01 or 1e-5, found 'a'"),
        ("{lr:log:nan:1}", "found 'nan'"),
        ("{n:int:1:2.5}", "expected whole numbers, found '2.5'"),
        ("{n:int:1:9:0}", "expected a step from 1 to 8, found 0"),
        ("{o:choice:adam}", "at least two different choices.*needs no search"),
        ("{o:choice:a,}", "at least two different choices"),
        ("{o:choice:a,b,a}", "found one twice"),
        ("{o:choice:a,a}", "at least two different"),
        ("o:choice:a", "put quotes around"),
        ("plain", "expected something to search"),
    ],
)
def test_mistakes_are_named_with_their_place(argument, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_space(["train.py", argument])


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ("beta:log:1:2", "one of lr, momentum, weight_decay, schedule.*found 'beta'"),
        ("schedule:choice:linear,step", "linear, cosine, constant, found 'step'"),
        ("schedule:log:1:2", "schedule:choice:linear,cosine,constant"),
        ("lr:choice:1,fast", "expected a number"),
    ],
)
def test_hooks_know_what_they_can_set(hook, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_space(["train.py"], [hook])


def test_a_name_means_one_thing():
    with pytest.raises(UsageError, match="second, different one"):
        read_space(["train.py", "{lr:log:1:2}", "{lr:log:1:3}"])
    assert only("train.py", "{lr:log:1:2}", "{lr:log:1:2}").high == 2
