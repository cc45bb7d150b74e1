"""`traindoctor live`: the report of a growing log, served to this machine only."""

from __future__ import annotations

import html
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report_templates.browser import MISSING, open_browser
from traindoctor.errors import RunNotFoundError, UsageError
from traindoctor.live_page import SHARE, LivePage, Rendered, fingerprint
from traindoctor.live_server import LiveServer
from traindoctor.report_templates.live import live_files, waiting_for

CSV = "step,loss,lr\n" + "".join(f"{n},{2.0 / (n + 1) ** 0.5},{0.1}\n" for n in range(300))


def rendered(text: str = "<!doctype html><title>a report</title>", steps: int = 3) -> Rendered:
    return Rendered(text.encode(), "run-1", "running", steps)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[LiveServer, LivePage]]:
    page = LivePage(lambda: tmp_path, lambda place: rendered(), 1.0)
    server = LiveServer(page, {"": ("text/html", b"around"), "live.js": ("text/javascript", b"1")})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server, page
    server.shutdown()
    server.server_close()
    thread.join()


def get(
    server: LiveServer, path: str, host: str = "127.0.0.1", method: str = "GET"
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(
            method, path, headers={"Host": f"{host}:{server.server_port}", "Connection": "close"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


def test_a_report_is_made_when_the_log_grew_and_only_then(tmp_path: Path):
    made: list[Path] = []
    log = tmp_path / "train.csv"
    log.write_text("a")
    page = LivePage(lambda: log, lambda place: made.append(place) or rendered(steps=len(made)), 1.0)
    assert page.html is None
    assert page.state()["version"] == 0
    assert [page.look(), page.look()] == [True, False]
    log.write_text("a longer one")
    assert page.look()
    assert page.state() | {"age": 0} == {
        "version": 2, "age": 0, "run": "run-1", "status": "running", "steps": 2, "trouble": "",
    }  # fmt: skip
    assert len(made) == 2


def test_a_report_written_beside_the_log_is_no_news(tmp_path: Path):
    (tmp_path / "rank.tdlog").write_bytes(b"x")
    before = fingerprint(tmp_path)
    (tmp_path / "report.html").write_text("made by ourselves")
    assert fingerprint(tmp_path) == before


def test_trouble_is_told_beside_the_last_good_page(tmp_path: Path):
    answers: list[Path | Exception] = [tmp_path, RunNotFoundError("gone"), tmp_path]

    def find() -> Path:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    page = LivePage(find, lambda place: rendered(), 1.0)
    assert page.look()
    assert not page.look()
    assert page.state()["trouble"] == "gone"
    assert page.html == rendered().html
    (tmp_path / "more").write_text("x")
    assert page.look()
    assert page.state()["trouble"] == ""


def test_what_is_served(served: tuple[LiveServer, LivePage]):
    server, page = served
    top = f"/{server.token}/"
    assert get(server, top)[:2] == (200, b"around")
    assert get(server, top + "report")[0] == 404
    page.look()
    status, content, headers = get(server, top + "report?1")
    assert (status, content) == (200, rendered().html)
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(get(server, top + "state")[1])["version"] == 1
    status, content, headers = get(server, top + "report", method="HEAD")
    assert (status, content, headers["Content-Length"]) == (200, b"", str(len(rendered().html)))


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/", "127.0.0.1"),
        ("/wrong/report", "127.0.0.1"),
        ("/{token}", "127.0.0.1"),
        ("/{token}/report", "evil.example"),
        ("/{token}/../../etc/passwd", "127.0.0.1"),
        ("/{token}/live.py", "localhost"),
    ],
)
def test_nothing_else_is_served(served: tuple[LiveServer, LivePage], path: str, host: str):
    server, page = served
    page.look()
    assert get(server, path.replace("{token}", server.token), host)[0] == 404


def test_nothing_can_be_changed_and_nobody_else_can_connect(served: tuple[LiveServer, LivePage]):
    server, _ = served
    assert get(server, f"/{server.token}/report", method="POST")[0] == 501
    assert server.server_address[0] == "127.0.0.1"


def test_a_fault_of_ours_is_told_too_and_costs_its_share_of_the_time(tmp_path: Path):
    def make(place: Path) -> Rendered:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass
        raise ZeroDivisionError("by nothing")

    page, stop = LivePage(lambda: tmp_path, make, 1.0), threading.Event()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        stop.set()

    stop.wait = wait  # type: ignore[assignment, method-assign]
    page.keep_fresh(stop)
    assert page.state()["trouble"] == "ZeroDivisionError('by nothing')"
    assert waits[0] >= 0.3 / SHARE


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a living `traindoctor live`, and the log it follows."""
    log = tmp_path / "train.csv"
    log.write_text(CSV)
    words = [sys.executable, "-m", "traindoctor", "live", str(log), "--every", "1"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip(), log
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
def test_the_page_follows_a_growing_log_in_a_browser(command: tuple[str, Path]):
    url, log = command
    with open_browser() as browser:
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        page.get_by_text("300 steps").wait_for(timeout=120_000)
        report = page.frame_locator("#report")
        report.locator("h1").first.wait_for()
        report.locator("details summary").first.click()
        with log.open("a") as file:
            file.write("".join(f"{n},{2.0 / (n + 1) ** 0.5},{0.1}\n" for n in range(300, 400)))
        page.get_by_text("400 steps").wait_for(timeout=120_000)
        report.locator("h1").first.wait_for()
        report.locator("details[open]").first.wait_for(state="attached")
        page.close()
    assert not said


def test_a_wrong_name_is_told_at_once(tmp_path: Path):
    words = [sys.executable, "-m", "traindoctor", "live", "no-such-run"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "no-such-run" in done.stderr


def test_the_page_around_the_report_speaks_the_language():
    pages = {language: live_files(language)[""][1].decode() for language in ("en", "zh")}
    assert '<html lang="en">' in pages["en"]
    assert '<html lang="zh-Hans">' in pages["zh"]
    words = {
        language: json.loads(html.unescape(re.findall(r'data-words="([^"]+)"', page)[0]))
        for language, page in pages.items()
    }
    assert words["en"]["status"]["running"] == "still running"
    placeholders = {language: set(re.findall(r"{\w+}", one["told"])) for language, one in words.items()}
    assert placeholders["en"] == placeholders["zh"] == {"{run}", "{status}", "{steps}", "{age}"}
    chinese = [words["zh"]["told"], words["zh"]["ended"], *words["zh"]["status"].values()]
    assert all(re.search(r"[\u4e00-\u9fff]", sentence) for sentence in chinese)
    assert waiting_for("runs", "en") == "Waiting for a run in runs: traindoctor run -- train.py"
    assert "runs" in waiting_for("runs", "zh") != waiting_for("runs", "en")
    with pytest.raises(UsageError):
        live_files("xx")
