"""Sentences that come back from a file are told in the language of the page; those of others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

import traindoctor
from tests import runs
from traindoctor.prescription import Prescription
from traindoctor.prescription_file import read_prescription, write_prescription
from traindoctor.report_templates.language import speaking, tr
from traindoctor.report_templates.stored_sentences import told_again
from traindoctor.text import Text


def sentences(prescription: Prescription) -> list[str]:
    return [prescription.why, *prescription.assumptions, *prescription.falsify]


@pytest.mark.parametrize("name", ["overfitted_run", "healthy_run"])
def test_a_stored_prescription_is_told_as_a_fresh_one(tmp_path: Path, name: str) -> None:
    run = getattr(runs, name)()
    fresh = traindoctor.diagnose(run).prescription
    write_prescription(fresh, tmp_path / "prescription.json", run)
    stored = read_prescription(tmp_path / "prescription.json")
    assert not any(isinstance(one, Text) for one in sentences(stored))
    assert any(isinstance(one, Text) for one in sentences(fresh))
    with speaking("zh"):
        assert [told_again(one) for one in sentences(stored)] == [tr(one) for one in sentences(fresh)]


def test_numbers_and_phrases_keep_their_places() -> None:
    text = Text("suggested LR {lr:.3g}, range {low:.2g} to {high:.2g}", lr=0.0123, low=0.001, high=0.1)
    both = Text("Waiting for a run in {runs}: traindoctor run -- train.py", runs="a b")
    with speaking("zh"):
        assert told_again(str(text)) == tr(text) != str(text)
        assert told_again(str(both)) == tr(both)


@pytest.mark.parametrize("text", ["", "Our own notes. See the wiki.", "step 12", "{runs}", "(((", "values"])
def test_what_others_wrote_stays(text: str) -> None:
    with speaking("zh"):
        assert told_again(text) == text
    assert told_again(text) == text


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("rows without `epoch` were left out", "没有 `epoch` 的行已略去"),
        (
            "rows without `_step` were left out (3 times, first at line 5)",
            "没有 `_step` 的行已略去（共 3 次，首次在第 5 行）",
        ),
        ("rows without a step were left out (12 times)", "没有步数的行已略去（共 12 次）"),
        ("the last line is cut and was left out (at byte 90)", "最后一行不完整，已略去（第 90 字节）"),
        ("rank1.tdlog: bytes 10..20 are damaged", "rank1.tdlog：第 10..20 字节损坏"),
        ("evaluated on the test set; divided by 100", "在测试集上评估；已除以 100"),
        (
            "inferred: mean of cross_entropy with gradients off, on labels that training does not use",
            "推断：cross_entropy 的均值，关闭梯度，所用标签未用于训练",
        ),
        ("captured from cross_entropy", "采集自 cross_entropy"),
        ("sum of box_loss, cls_loss", "box_loss, cls_loss 之和"),
        ("the total train loss is the sum of its logged parts", "训练总损失为其已记录各部分之和"),
        ("study `a b`: 5 trials (3 complete, 2 pruned)", "研究 `a b`：5 次试验（3 次完成，2 次被剪枝）"),
        (
            "recording of the validation loss stopped (RuntimeError: boom. It broke (again): no way)",
            "验证损失的记录已停止（RuntimeError：boom. It broke (again): no way）",
        ),
        (
            "the fact `seconds` was left out: expected a number, found text",
            "运行信息 `seconds` 已略去：应为 数字，实际为 文本",
        ),
        (
            "two of us/a b.csv is empty (0 bytes): nothing was logged to it",
            "two of us/a b.csv 为空（0 字节）：没有记录任何内容",
        ),
        (
            "the weights of ranks 1, 2, 3 and others differ from rank 0's from step 10 on (a.weight, b.weight"
            " and 4 more): training in step keeps them the same to the bit",
            "进程 1, 2, 3 等 的权重自第 10 步起与进程 0 的不同（a.weight, b.weight 以及另外 4 个）："
            "同步训练应使它们逐比特相同",
        ),
    ],
)
def test_a_note_is_told_with_its_values_and_its_place(note: str, told: str) -> None:
    with speaking("zh"):
        assert told_again(note) == told
    assert told_again(note) == note


@pytest.mark.parametrize(
    "note",
    [
        "values were left out by my own logger",
        "expected something nice, found something odd",
        "my sentence. Another: of mine (3 times, first at line 5)",
        "Adopt it: my way of doing it over 3 pairs at equal seeds and steps.",
        "3 gpus (2 times)",
    ],
)
def test_a_note_of_others_is_not_told_by_half(note: str) -> None:
    with speaking("zh"):
        assert told_again(note) == note


@pytest.mark.parametrize(
    "text", ["a ; over the others ", "x.y: ", "Nothing recorded differs. ", "it (2 times) "]
)
def test_a_text_made_of_our_words_is_soon_given_up(text: str) -> None:
    """Backtracking, or a reading for each of its pieces, would take hours."""
    with speaking("zh"):
        assert told_again((text * 200)[:1999] + "!").endswith("!")
        assert told_again(text * 2000) == text * 2000
