"""The sticky comment, against a local server that answers as GitHub's REST API does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from traindoctor.errors import PostFailedError, UsageError
from traindoctor.pull_request_comment import PullRequest, marker, post, pull_request_of

MARK = marker("")


class GitHub(ThreadingHTTPServer):
    """Comments in memory; `login` is whose token it is, "" for a workflow's own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.pulls: list[dict[str, Any]] = []
        self.login = ""
        self.calls: list[str] = []
        self.refuses: dict[str, tuple[int, str]] = {}
        self.redirects_to = ""
        self.tokens: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, code: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handled(self) -> None:
        hub, method = self.server, self.command
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        hub.calls.append(f"{method} {path}")
        hub.tokens.append(self.headers.get("Authorization"))
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        if method in hub.refuses:
            code, message = hub.refuses[method]
            self._answer(code, {"message": message})
        elif hub.redirects_to and "comments" in path:
            self.send_response(302)
            self.send_header("Location", hub.redirects_to + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/user":
            self._answer(200 if hub.login else 403, {"login": hub.login} if hub.login else {"message": "no"})
        elif path == "/repos/o/r/pulls":
            self._answer(200, [p for p in hub.pulls if p["label"] == query["head"][0]])
        elif method == "POST":
            user = {"login": hub.login or "github-actions[bot]", "type": "User" if hub.login else "Bot"}
            hub.comments.append({"id": len(hub.comments) + 1, "body": body["body"], "user": user})
            self._answer(201, {"html_url": f"https://x/{len(hub.comments)}"})
        elif method == "PATCH":
            number = int(re.findall(r"\d+", path)[-1])
            hub.comments[number - 1]["body"] = body["body"]
            self._answer(200, {"html_url": f"https://x/{number}"})
        else:
            page, size = int(query["page"][0]), int(query["per_page"][0])
            self._answer(200, hub.comments[(page - 1) * size : page * size])

    do_GET = do_POST = do_PATCH = _handled


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def place(hub: GitHub) -> PullRequest:
    return PullRequest(hub.address, "o/r", 7, "secret")


def test_the_first_comment_is_made_the_second_updates_it(hub: GitHub) -> None:
    assert post(place(hub), f"{MARK}\none", MARK) == "https://x/1"
    assert post(place(hub), f"{MARK}\ntwo", MARK) == "https://x/1"
    assert [one["body"] for one in hub.comments] == [f"{MARK}\ntwo"]
    assert hub.calls[-1] == "PATCH /repos/o/r/issues/comments/1"
    assert set(hub.tokens) == {"Bearer secret"}


def test_it_is_found_on_a_later_page(hub: GitHub) -> None:
    other = {"body": "hello", "user": {"login": "a", "type": "User"}}
    hub.comments = [{"id": i + 1, **other} for i in range(230)]
    post(place(hub), f"{MARK}\none", MARK)
    post(place(hub), f"{MARK}\ntwo", MARK)
    assert len(hub.comments) == 231
    assert hub.comments[-1]["body"] == f"{MARK}\ntwo"


@pytest.mark.parametrize("login", ["", "robot"])
def test_nobody_elses_comment_is_overwritten(hub: GitHub, login: str) -> None:
    hub.login = login
    person = {"login": "person", "type": "User"}
    bot = {"login": login or "github-actions[bot]", "type": "Bot"}
    hub.comments = [
        {"id": 1, "body": f"{MARK}\nI quote this", "user": person},
        {"id": 2, "body": f"> {MARK}", "user": bot},
    ]
    post(place(hub), f"{MARK}\nours", MARK)
    assert [one["body"] for one in hub.comments] == [f"{MARK}\nI quote this", f"> {MARK}", f"{MARK}\nours"]


def test_two_keys_are_two_comments(hub: GitHub) -> None:
    for key in ("job a", "job-b", "job a"):
        post(place(hub), f"{marker(key)}\n{key}", marker(key))
    assert [one["body"] for one in hub.comments] == [
        "<!-- traindoctor job-a -->\njob a",
        "<!-- traindoctor job-b -->\njob-b",
    ]


def test_a_key_cannot_end_the_mark() -> None:
    assert marker("--> @everyone <!--") == "<!-- traindoctor everyone -->"


def test_a_fork_is_found_by_its_head(hub: GitHub, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    run = {"head_repository": {"owner": {"login": "fork"}}, "head_branch": "fix", "head_sha": "abc"}
    event.write_text(json.dumps({"workflow_run": {**run, "pull_requests": []}}))
    variables = {
        "GITHUB_TOKEN": "secret",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_API_URL": hub.address,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF": "refs/heads/main",
    }
    found = pull_request_of(variables)
    assert found.head == ("fork:fix", "abc")
    hub.pulls = [{"label": "fork:fix", "number": 12, "head": {"sha": "abc"}}]
    post(found, f"{MARK}\none", MARK)
    assert hub.calls[-1] == "POST /repos/o/r/issues/12/comments"
    hub.pulls = [{"label": "fork:fix", "number": 12, "head": {"sha": "newer"}}]
    with pytest.raises(PostFailedError, match="expected an open pull request of fork:fix"):
        post(found, f"{MARK}\ntwo", MARK)


def test_the_token_does_not_follow_a_redirect(hub: GitHub) -> None:
    other = GitHub()
    thread = threading.Thread(target=other.serve_forever, args=(0.02,))
    thread.start()
    try:
        hub.redirects_to = other.address
        with pytest.raises(PostFailedError):
            post(place(hub), MARK, MARK)
        assert set(other.tokens) <= {None}
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


@pytest.mark.parametrize(
    ("method", "code", "sentence"),
    [
        ("POST", 403, "pull-requests: write"),
        ("POST", 422, "Validation Failed"),
        ("GET", 404, "no such repository"),
        ("GET", 401, "not valid"),
    ],
)
def test_a_refusal_says_what_to_do(hub: GitHub, method: str, code: int, sentence: str) -> None:
    hub.refuses[method] = (code, "Validation Failed")
    with pytest.raises(PostFailedError, match=sentence) as caught:
        post(place(hub), MARK, MARK)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there(hub: GitHub) -> None:
    gone = PullRequest("http://127.0.0.1:9", "o/r", 7, "secret")
    with pytest.raises(PostFailedError, match="failed"):
        post(gone, MARK, MARK)


GOOD = {"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF": "refs/pull/5/merge"}


def test_the_place_from_the_environment() -> None:
    found = pull_request_of(GOOD)
    assert (found.api, found.repository, found.number) == ("https://api.github.com", "o/r", 5)
    assert pull_request_of({**GOOD, "GITHUB_REF": ""}, 9).number == 9


@pytest.mark.parametrize("event", [{"pull_request": {"number": 8}}, {"issue": {"number": 8}}])
def test_the_number_from_the_event(tmp_path: Path, event: dict[str, Any]) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    variables = {**GOOD, "GITHUB_REF": "refs/heads/x", "GITHUB_EVENT_PATH": str(path)}
    assert pull_request_of(variables).number == 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN"),
        ({"GITHUB_REPOSITORY": "../x"}, "owner/name"),
        ({"GITHUB_REF": "refs/heads/main"}, "--pr N"),
        ({"GITHUB_API_URL": "http://api.example.com"}, "https"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        pull_request_of({**GOOD, **change})
