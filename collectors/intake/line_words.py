"""The words and signs by which lines of unknown text logs are taken apart."""

from __future__ import annotations

import re

NUMBER = re.compile(
    r"(?<![\w.@])([-+]?(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+\.?\d*(?:[eE][-+]?\d+)?"
    r"|\.\d+(?:[eE][-+]?\d+)?|(?:nan|NaN|NAN|[iI]nf(?:inity)?|INF)(?!\w)))"
)
CLOCK = re.compile(
    r"(?<![\w.@:])(?:\d{4}[-/]\d\d[-/]\d\d|\d\d[-/]\d\d(?:[-/]\d{2,4})?(?=[ T]\d\d:\d\d))?"
    r"[ T_]?\d{1,3}:\d\d(?![\d.])(?::\d\d(?:[.,]\d+)?)?(?![\d.])(?:Z|[+-]\d\d:?\d\d(?!\d))?"
)
CLOCK_SIGN = re.compile(r"\d:\d\d")
STAMP = re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?\]?")
LEVEL = re.compile(r"^[\s|\[\](),:;-]*(?:DEBUG|INFO|WARNING|WARN|I|W)\b(?:[\s|\]:-]+root:)?[\s|\]:-]*")
COCO = re.compile(
    r"Average (?:Precision|Recall) +\((A[PR])\) *@\[ *IoU=([\d.:]+) *"
    r"\| *area= *(\w+) *\| *maxDets= *(\d+) *\]"
)

STEP = (
    r"(?:global|train|training|optimizer|total|current|num|n)?[_ ]?"
    r"(?:steps?|iter|iters|iterations?|itr|updates?|timesteps?)"
)
MARKER = re.compile(
    r"(?:^|[^A-Za-z0-9_/])(?:(?P<epoch>epochs?|ep|round|episode)|(?P<batch>batch(?:es)?|minibatch|batch_idx|it|i)"
    rf"|(?P<step>{STEP}))\s*(?:number|no\.?|idx|index|num)?\s*['\")]*\s*(?P<sep>[:=]*)\s*[\[(#<'\"]*\s*$",
    re.IGNORECASE,
)
POSTFIX = re.compile(
    r"\s*(?:-?th )?(?:(?P<epoch>epochs?)|(?P<step>steps?|iterations?|iters?|updates?|batches))\b"
    r"\s*(?P<rest>.*)",
    re.I | re.S,
)
COUNT_WORD = re.compile(rf"\s*(?:epochs?|batch(?:es)?|{STEP})\s*", re.IGNORECASE)
PLAN_WORDS = re.compile(
    r"(?:^|[^a-z])(?:best|max|min|warm.?up|last|per|every|patience|start|stop\w*|early|load\w*|resum\w*|restor\w*|"
    r"checkpoint\w*|sav(?:e|ed|ing)|improv\w*|estimated|remaining|from|initial|until|after)(?:[^a-z]|$)",
    re.IGNORECASE,
)
BEST = re.compile(r"(?:^|[^a-z])(?:best|saving|saved|early.?stopping)(?:[^a-z]|$)", re.I)
OPENERS = re.compile(r"(?:tensor\(|(?:np\.|numpy\.)?float\d*\(|[\[(<{'\"\s])*$")
SEPARATOR = re.compile(r"['\"\]]?\s*(?:[:=]+>?|->|→|：)\s*$")
DELIMITER = re.compile(r"[|,;\t{}\[\]\"'<>•:=：]|(?:^|\s)[-–—*/]+(?=\s|$)|(?<=\S)\s{2,}|\.\s")
AVERAGE = re.compile(r"\s*[(\[]\s*(?:avg|average|mean|ave|global avg)?\s*[:=]?\s*", re.IGNORECASE)
MEASURE = re.compile(
    r"(?:\s?(?:[mun]?s|secs?|seconds?|mins?|minutes?|hours?|hrs?|[KMGT]i?[Bb]|[MGT]|px|FPS|fps)(?![\w/])"
    r"|\s?[A-Za-z]+/[A-Za-z]+)"
)
GLUED = re.compile(r"[A-Za-z_\\]")
SECTION = re.compile(
    r"(?:^|[^A-Za-z0-9./])(train(?:ing)?|val(?:id)?(?:ation)?|validat(?:e|ing)|dev|eval(?:uation)?|evaluat(?:e|ing)"
    r"|test(?:ing)?)(?![A-Za-z0-9_]|\.\w)",
    re.IGNORECASE,
)
NO_METRICS = """
run fold seed rank gpu cuda device pid version v_num node worker job id line port eta param params parameters
trial rate
"""
NOT_METRICS = frozenset(NO_METRICS.split())
