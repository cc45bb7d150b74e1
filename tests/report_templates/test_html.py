"""The HTML report: self-contained, strict policy, valid for a browser, safe with hostile names."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from traindoctor.report_templates.html import html_report, script_json, spark_svg
from traindoctor.report_templates.page_model import Spark
from traindoctor.report_templates.svg_images import without_need_of_images

from . import diagnoses


class Elements(HTMLParser):
    """Collects (tag, attributes) and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def realistic() -> str:
    return html_report(diagnoses.realistic(), {"TD401": "Slope after the best point."}).decode()


@pytest.fixture(scope="module")
def hostile() -> str:
    return html_report(diagnoses.hostile(), {}).decode()


def test_one_file_without_any_outside_address(realistic: str) -> None:
    elements = Elements(realistic).elements
    assert not any(tag in {"iframe", "object", "embed", "base", "form"} for tag, _ in elements)
    assert [attributes["rel"] for tag, attributes in elements if tag == "link"] == ["expect"]
    assert any(attributes.get("id") == "end" for _, attributes in elements)
    for _, attributes in elements:
        for key in ("src", "href", "xlink:href", "action", "srcset"):
            target = attributes.get(key)
            assert target is None or target.startswith(("#", "data:image/png;base64,")), target
    outside = set(re.findall(r"https?://[^\s\"'<>]+", realistic))
    assert outside <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in realistic
    assert not re.search(r"url\((?!#)", realistic)


def test_policy_hashes_match_the_style_and_the_script(realistic: str) -> None:
    policy = next(m["content"] for m in Elements(realistic).all("meta") if "http-equiv" in m)
    assert policy is not None
    for kind, pattern in (("style-src", r"<style>(.*?)</style>"), ("script-src", r"<script>(.*?)</script>")):
        (content,) = re.findall(pattern, realistic, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    for directive in ("default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"):
        assert directive in policy


def test_nothing_the_policy_would_block(realistic: str) -> None:
    for _, attributes in Elements(realistic).elements:
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]


def test_headings_figures_and_ids(realistic: str) -> None:
    page = Elements(realistic)
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"] for a in page.all("a")}
    assert all(link and link[1:] in ids for link in links)
    figures = [svg for svg in page.all("svg") if svg.get("class") == "figure"]
    assert len(figures) == 14
    for svg in figures:
        assert svg["role"] == "img"
        assert svg["aria-labelledby"] in ids


def test_hostile_names_stay_text(hostile: str) -> None:
    page = Elements(hostile)
    assert len(page.all("script")) == 2
    assert not any(attributes.get("src") == "x" for _, attributes in page.elements)
    text = "".join(page.text)
    assert "<script>alert(1)</script>" in text
    assert "layers[/0]" in text
    assert "$\\frac$" in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    for character in ("\x00", "\x1b", "\u2028", "\u202e"):
        assert character not in hostile
    assert "x" * 700 not in hostile


def test_readouts_cannot_leave_their_script(hostile: str) -> None:
    (data,) = re.findall(r'<script type="application/json" id="readouts">(.*?)</script>', hostile, re.DOTALL)
    assert not set("<>&") & set(data)
    found = json.loads(data)
    charts, lists = found["charts"], found["lists"]
    assert set(charts) == {"overview", "schedule", "curves"}
    for chart in charts.values():
        for panel in chart["panels"]:
            assert all(len(lists[curve["x"]]) == len(lists[curve["y"]]) for curve in panel["curves"])
    assert len({tuple(one) for one in lists}) == len(lists)


def test_script_json_escapes() -> None:
    text = script_json({"a": "</script><!--&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028\u2029"}


def test_spark_has_a_gap_where_nothing_was_recorded() -> None:
    assert spark_svg(Spark(np.asarray([0.0, 1.0, np.nan, 0.5]), "")).count("M") == 2


def test_a_healthy_run_says_so() -> None:
    page = Elements(html_report(diagnoses.healthy(), {}).decode())
    text = " ".join(page.text)
    assert "Healthy" in text
    assert "No check found a trouble." in text


def test_size(realistic: str) -> None:
    assert len(realistic.encode()) < 500_000


def test_the_same_bytes_every_time(hostile: str) -> None:
    assert html_report(diagnoses.hostile(), {}).decode() == hostile


def test_small_pictures_are_lines_and_large_ones_say_where_their_values_are() -> None:
    """A host that blocks pictures (Jenkins) shows the former all the same; every pixel keeps its colour."""
    rng = np.random.default_rng(0)
    for shape, is_drawn in (((4, 9), True), ((60, 240), False)):
        levels = rng.integers(0, 64, shape).astype(np.uint8)
        picture = Image.fromarray(levels).convert("RGB")
        stored = io.BytesIO()
        picture.save(stored, format="PNG")
        data = base64.b64encode(stored.getvalue()).decode()
        element = (
            f'<image width="{shape[1]}" height="{shape[0]}" transform="matrix(2 0 0 3 10.5 20)" '
            f'href="data:image/png;base64,{data}"/>'
        )
        redrawn = without_need_of_images(f"<svg>{element}</svg>")
        if not is_drawn:
            assert element in redrawn
            assert "see the table below" in redrawn
            continue
        assert "<image" not in redrawn
        assert 'transform="matrix(2 0 0 3 10.5 21.5)"' in redrawn
        seen = np.full(shape, -1)
        for colour, path in re.findall(r'<path stroke="#(\w{6})" d="([^"]*)"/>', redrawn):
            for x, y, n in re.findall(r"M(\d+) (\d+)h(\d+)", path):
                seen[int(y), int(x) : int(x) + int(n)] = int(colour[:2], 16)
        assert (seen == levels).all()
