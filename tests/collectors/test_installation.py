"""`traindoctor env`: what works is ok, what is broken is named with what to do about it."""

import errno
import os
import shutil
from collections import namedtuple

import pytest

from traindoctor.collectors import installation, surroundings
from traindoctor.collectors.installation import (
    check_gpu,
    check_installation,
    check_python,
    check_recording,
    check_sitecustomize,
    check_torch,
    check_torchvision,
    graphics_cards,
)
from traindoctor.collectors.probing import Answer, Check, ask
from traindoctor.collectors.surroundings import check_folder, check_fonts, check_pdf, check_space


def facts(**changes):
    return Answer(
        {"version": "2.9.1+cpu", "cuda": None, "hip": None, "available": False, "count": 0} | changes, ""
    )


def test_a_process_is_asked_and_may_crash():
    assert ask("import json; print('noise'); print(json.dumps({'a': 1}))") == Answer({"a": 1}, "")
    assert ask("raise ValueError('broken')").failure == "ValueError: broken"
    assert ask("import os; os._exit(7)").failure == "ended by code 7"
    assert ask("import os; os.abort()").failure


def test_this_python():
    assert check_python().state == "ok"


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(installation.sys, "version_info", (3, 10, 4, "final", 0))
    assert check_python().state == "problem"


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (facts(), "ok", ""),
        (facts(version="2.4.1"), "problem", "upgrade torch"),
        (Answer({}, "ModuleNotFoundError: No module named 'torch'"), "note", "pip install"),
        (
            Answer({}, "ImportError: libcudart.so.12: cannot open shared object file"),
            "problem",
            "reinstall torch",
        ),
    ],
)
def test_torch(answer, state, words):
    found = check_torch(answer)
    assert (found.state, words in found.advice) == (state, True)
    assert bool(found.advice) == (state != "ok")


@pytest.mark.parametrize(
    ("answer", "cards", "state", "words"),
    [
        (facts(), "", "ok", "on the CPU"),
        (facts(cuda="13.2", available=True, count=2), "A card, driver 1 x2", "ok", "2 device(s)"),
        (facts(), "A card", "note", "built for the CPU"),
        (facts(cuda="13.2"), "A card", "note", "cannot use it"),
        (Answer({}, "broken"), "A card", "note", "not asked"),
    ],
)
def test_gpu(answer, cards, state, words):
    found = check_gpu(answer, cards)
    assert (found.state, words in found.found) == (state, True)


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        ("ModuleNotFoundError: No module named 'torchvision'", "ok"),
        ("RuntimeError: operator torchvision::nms does not exist", "problem"),
        ("ImportError: _C.so: undefined symbol: _ZN3c10", "problem"),
    ],
)
def test_a_torchvision_that_does_not_fit(failure, state, monkeypatch):
    monkeypatch.setattr(installation, "ask", lambda code: Answer({}, failure))
    found = check_torchvision()
    assert found.state == state
    assert ("one command" in found.advice) == (state == "problem")


def test_the_cards_as_the_driver_names_them(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A card, 580.65'\necho 'A card, 580.65'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert graphics_cards() == "A card, driver 580.65 x2"
    program.write_text("#!/bin/sh\necho 'no devices were found'\nexit 6\n")
    assert graphics_cards() == ""


def test_recording_works_here():
    pytest.importorskip("torch")
    assert check_recording() == Check("recording", "ok", "a training of two steps was recorded and read back")


def test_recording_that_fails_is_a_problem(monkeypatch):
    monkeypatch.setattr(installation, "TRAINING", "raise SystemExit('no step')")
    found = check_recording()
    assert (found.state, found.found) == ("problem", "no step")


def test_the_environments_own_sitecustomize(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "still runs" in check_sitecustomize().found
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(3)")
    assert check_sitecustomize().state == "problem"


def test_a_folder_that_can_be_written_is_not_made(tmp_path):
    assert check_folder(tmp_path / "a" / "b").state == "ok"
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(**options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(surroundings.tempfile, "TemporaryFile", refuse)
    found = check_folder(tmp_path)
    assert found.state == "problem"
    assert "Read-only file system" in found.found
    assert "--out" in found.advice


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10, 9, 1))
    assert check_space(tmp_path).state == "problem"
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(1 << 40, 0, 1 << 40))
    assert check_space(tmp_path).state == "ok"


@pytest.mark.parametrize(
    ("failure", "state", "words"),
    [
        ("OSError: cannot load library 'libpango-1.0-0'", "problem", "Pango"),
        ("ModuleNotFoundError: No module named 'weasyprint'", "note", "pip install"),
    ],
)
def test_pdf(failure, state, words, monkeypatch):
    monkeypatch.setattr(surroundings, "ask", lambda code: Answer({}, failure))
    found = check_pdf()
    assert (found.state, words in found.advice) == (state, True)


@pytest.mark.parametrize(
    ("languages", "state"), [("en zh ja ko", "ok"), ("en", "note"), ("", "problem"), (None, "note")]
)
def test_fonts(languages, state, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    if languages is not None:
        cases = "".join(f":lang={language}) echo A font;; " for language in languages.split())
        (tmp_path / "fc-list").write_text(f'#!/bin/sh\ncase "$1" in {cases}*) ;; esac\n')
        (tmp_path / "fc-list").chmod(0o755)
    assert check_fonts().state == state


def test_a_check_that_dies_is_a_problem_and_the_others_go_on(monkeypatch, tmp_path):
    def die(*args):
        raise RuntimeError("unexpected")

    quick = ("check_torchvision", "check_recording", "check_sitecustomize", "check_pdf")
    for name in quick:
        monkeypatch.setattr(installation, name, lambda: Check("x", "ok", ""))
    monkeypatch.setattr(installation, "ask", lambda code: facts())
    monkeypatch.setattr(installation, "check_fonts", die)
    found = list(check_installation(tmp_path))
    assert len(found) == 10
    assert [c.state for c in found if c.name == "fonts"] == ["problem"]
