"""One comment on a pull request that is updated instead of repeated, through GitHub's REST API."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import PostFailedError, UsageError

_TIMEOUT_S = 30
_PER_PAGE = 100
_MOST_PAGES = 50
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def marker(key: str) -> str:
    """The hidden first line by which our comment is found again; `key` tells several comments apart.

    >>> marker("")
    '<!-- traindoctor -->'
    """
    cleaned = re.sub(r"[^\w.-]+", "-", key).strip("-.")
    return f"<!-- traindoctor {cleaned} -->" if cleaned else "<!-- traindoctor -->"


@dataclass(frozen=True)
class PullRequest:
    """Where to comment.

    Attributes:
        api: address of the REST API, without a slash at its end.
        repository: `owner/name`.
        number: number of the pull request; 0 while it is to be found by its head.
        token: what authorises the call.
        head: `owner:branch` and commit of the pull request's head, for runs that know no number.
    """

    api: str
    repository: str
    number: int
    token: str
    head: tuple[str, str] = ("", "")


def pull_request_of(environment: Mapping[str, str], number: int | None = None) -> PullRequest:
    """The pull request that a CI job belongs to.

    Args:
        environment: GITHUB_TOKEN, GITHUB_REPOSITORY, and GITHUB_REF or GITHUB_EVENT_PATH for the number;
            GITHUB_API_URL where it is not github.com.
        number: the number, where the caller knows it.

    Raises:
        UsageError: one of them is missing or not what it should be.
    """
    token, repository = environment.get("GITHUB_TOKEN", ""), environment.get("GITHUB_REPOSITORY", "")
    api = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    if not token:
        raise UsageError(
            "expected a token in GITHUB_TOKEN, found none; in a workflow: env: GITHUB_TOKEN: "
            "${{ github.token }}, with permissions: pull-requests: write"
        )
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        raise UsageError(f"expected owner/name in GITHUB_REPOSITORY, found {repository!r}")
    address = urllib.parse.urlsplit(api)
    if address.scheme != "https" and address.hostname not in _LOOPBACK:
        raise UsageError(f"expected an https address in GITHUB_API_URL, found {api!r}: a token goes there")
    event = _event(environment)
    if number is None:
        number = _number(environment, event)
    run = event.get("workflow_run")
    if not number and isinstance(run, dict):
        owner = ((run.get("head_repository") or {}).get("owner") or {}).get("login", "")
        head = (f"{owner}:{run.get('head_branch', '')}", str(run.get("head_sha", "")))
        return PullRequest(api, repository, 0, token, head)
    if not number:
        raise UsageError(
            "expected a pull request in GITHUB_REF (refs/pull/N/merge) or in the file GITHUB_EVENT_PATH, "
            f"found {environment.get('GITHUB_REF', 'neither')!r}; give it with --pr N"
        )
    return PullRequest(api, repository, number, token)


def post(place: PullRequest, text: str, mark: str) -> str:
    """Update our comment, or make it where there is none; returns its address.

    Only a comment that begins with the mark and was written by this token's user (by a bot, where GitHub does
    not tell whose token it is) is ours: quoting the mark must not let anybody have a comment overwritten.

    Raises:
        PostFailedError: GitHub refused, could not be reached, or has no such pull request.
    """
    number = place.number or _found_by_head(place)
    comments = f"{place.api}/repos/{place.repository}/issues/{number}/comments"
    ours = _ours(place, comments, mark)
    if ours is None:
        answer = _call(place, "POST", comments, {"body": text})
    else:
        address = f"{place.api}/repos/{place.repository}/issues/comments/{ours}"
        answer = _call(place, "PATCH", address, {"body": text})
    return str(answer.get("html_url", "")) if isinstance(answer, dict) else ""


def _event(environment: Mapping[str, str]) -> dict[str, Any]:
    path = environment.get("GITHUB_EVENT_PATH", "")
    try:
        found = json.loads(Path(path).read_bytes()) if path and os.path.exists(path) else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"expected the event as JSON in GITHUB_EVENT_PATH, {path}: {error}") from error
    return found if isinstance(found, dict) else {}


def _number(environment: Mapping[str, str], event: Mapping[str, Any]) -> int:
    """The number that GitHub tells, 0 where it tells none (a push, or a workflow_run of a fork)."""
    if found := re.fullmatch(r"refs/pull/(\d+)/\w+", environment.get("GITHUB_REF", "")):
        return int(found[1])
    run = event.get("workflow_run")
    pulls = run.get("pull_requests") if isinstance(run, dict) else None
    places = [event.get("pull_request"), event.get("issue"), *(pulls or [])[:1]]
    numbers = [one.get("number") for one in places if isinstance(one, dict)]
    return next((number for number in numbers if isinstance(number, int)), 0)


def _found_by_head(place: PullRequest) -> int:
    """The open pull request of a fork's branch at the very commit that was tested."""
    head, commit = place.head
    query = urllib.parse.urlencode({"state": "open", "head": head, "per_page": _PER_PAGE})
    pulls = _call(place, "GET", f"{place.api}/repos/{place.repository}/pulls?{query}")
    for pull in pulls if isinstance(pulls, list) else []:
        if (pull.get("head") or {}).get("sha") == commit and isinstance(pull.get("number"), int):
            return int(pull["number"])
    raise PostFailedError(
        f"expected an open pull request of {head} at {commit[:10]} in {place.repository}, found none; "
        "it was closed, or has newer commits whose own run will comment"
    )


def _ours(place: PullRequest, comments: str, mark: str) -> int | None:
    login = _login(place)
    for comment in _pages(place, comments):
        user = comment.get("user") or {}
        is_mine = user.get("login") == login if login else user.get("type") == "Bot"
        if is_mine and str(comment.get("body", "")).startswith(mark) and isinstance(comment.get("id"), int):
            return int(comment["id"])
    return None


def _login(place: PullRequest) -> str:
    """Whose token it is; "" for a workflow's own, which may not ask."""
    try:
        answer = _call(place, "GET", f"{place.api}/user")
    except PostFailedError:
        return ""
    return str(answer.get("login", "")) if isinstance(answer, dict) else ""


def _pages(place: PullRequest, address: str) -> Iterator[dict[str, Any]]:
    for page in range(1, _MOST_PAGES + 1):
        found = _call(place, "GET", f"{address}?per_page={_PER_PAGE}&page={page}")
        if not isinstance(found, list):
            return
        yield from (one for one in found if isinstance(one, dict))
        if len(found) < _PER_PAGE:
            return


def _call(place: PullRequest, method: str, address: str, body: Mapping[str, str] | None = None) -> Any:
    content = None if body is None else json.dumps(body).encode("utf-8")
    request = urllib.request.Request(address, data=content, method=method)
    for name, value in (
        ("Accept", "application/vnd.github+json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "traindoctor"),
        ("X-GitHub-Api-Version", "2022-11-28"),
    ):
        request.add_header(name, value)
    # Not passed on when GitHub redirects: the token is for this host alone.
    request.add_unredirected_header("Authorization", f"Bearer {place.token}")
    what = f"{method} {urllib.parse.urlsplit(address).path}"
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            raise PostFailedError(f"GitHub answered {error.code} to {what}{_why(error)}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise PostFailedError(f"{what} at {place.api} failed: {reason}") from error


def _why(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read()).get("message", "")
    except (OSError, ValueError, AttributeError):
        told = ""
    advice = {
        401: "the token in GITHUB_TOKEN is not valid",
        403: "the job needs permissions: pull-requests: write; the token of a fork's pull request is "
        "read-only, so comment from a workflow_run job (docs/ci.md)",
        404: "no such repository or pull request, or the token may not see it",
    }.get(error.code, "")
    return "".join(f": {part}" for part in (str(told)[:200], advice) if part)
