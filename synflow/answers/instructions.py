"""Captions that speak to the model instead of of the video: found, and kept from it.

A caption from the web is handed to a model as material. One that looks like an order, or like the marks with which a
conversation is written down, is not handed at all; of every other one the marks are taken, so that it cannot end the
place where it stands. What is missed here can still do no more than spoil the captions of its own clip: no request
holds texts of two clips.
"""

from __future__ import annotations

import re

MOST = 1200
"""Characters of a caption that are handed on; what is longer is cut between words."""

_ORDERS = re.compile(
    r"""
    \b(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|bypass\w*|skip)\b[^.!?\n]{0,40}?
        \b(?:instructions?|prompts?|rules|guidelines|directions?\ above|commands?|messages?|everything\ (?:above|before)
           |(?:the|all)\ above|the\ (?:system|schema|format|pictures?|images?|frames?|video)|what\ you)\b
    | \b(?:system|developer|assistant|user|human)\s*(?:prompt|message|override|instructions?|note)?\s*:
    | \b(?:system|developer|hidden|secret)\s+(?:prompt|message|instructions?|override)\b
    | \byou\ (?:are|must|should|will|shall|have\ to|need\ to)\ (?:now|only|always|instead|never|answer|respond|reply
        |output|say|write|return|act|obey|comply|ignore|pretend|describe|caption|state|report|an?\ ai\b)
    | \b(?:act|behave|respond|answer|reply)\ (?:now\ )?(?:as|like)\ (?:if|an?|the)\b
    | \b(?:answer|respond|reply)\ with\b
    | \b(?:answer|respond|reply|output|return|print|write|say|repeat|emit|type)\b\s+(?:back\ )?
        (?:only|just|exactly|always|nothing|the\ (?:word|following|text|system|phrase|string)|json|yes\b|no\b
           |true\b|false\b|supported\b|['"\u2018\u201c\[{])
    | \b(?:as\ an?\ (?:ai|language\ model)|language\ model|large\ language|chatgpt|gpt-?\d|jailbr\w+|dan\ mode
        |do\ anything\ now|prompt\ injection|developer\ mode)\b
    | \b(?:new|updated|real|actual|important|urgent|following)\ (?:instructions?|task|orders?|rules?|directive)\s*[:!-]
    | \b(?:instead\ of\ (?:captioning|describing|writing|a\ caption|the\ captions?)|stop\ (?:captioning|describing)
        |do\ not\ (?:describe|caption|write|judge|answer|look)|don['\u2019]t\ (?:describe|caption|write|judge|answer))
    | \b(?:set|give|mark|rate|score|judge|grade|label)\b[^.!?\n]{0,40}?
        \b(?:supported|contradicted|as\ (?:true|false|correct)|verdicts?|fits|highest|maximum|10/10|100\s?%)
    | \b(?:dear|attention|note\ to(?:\ the)?|hey|hello)\ (?:ai|assistant|model|llm|vlm|captioner|chatbot|annotator)\b
    | \bthe\ (?:ai|assistant|model|captioner)\ (?:must|should|has\ to|shall|will|is\ to)\b
    | \b(?:drop|delete|remove|reveal|leak|exfiltrate|print|show)\b[^.!?\n]{0,30}?
        \b(?:all\ (?:other\ )?(?:captions|clips|rows|files)|api\ ?keys?|secrets?|passwords?
           |your\ (?:prompt|instructions?|rules|system))
    | \b(?:ignorez?|ignoriere?|ignorieren\ sie|ignora|ignore[zm]?|olvida|vergiss|negeer)\b[^.!?\n]{0,30}?
        \b(?:instruc\w+|anweisung\w*|istruzion\w+|consignes?|instruc[\u00f5\u00f4o]\w+|instructies)\b
    | \u5ffd\u7565[^\u3002]{0,12}\u6307[\u793a\u4ee4] | \u6307\u793a\u3092\u7121\u8996
    | \u0438\u0433\u043d\u043e\u0440\u0438\u0440\w*[^.!?\n]{0,30}\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = re.compile(
    r"<\|?/?\s*(?:im_start|im_end|endoftext|system|user|assistant|s|vision_start|vision_end|image_pad|video_pad|tool\w*"
    r"|script|instructions?)\b[^>]{0,40}>"
    r"|\[/?(?:INST|SYS|SYSTEM)\]|<</?SYS>>|(?:^|\s)#{2,}\s*(?:instruction|system|response|input|user|assistant)"
    r"|```|\{\s*[\"']\w+[\"']\s*:|\{\{|\}\}",
    re.IGNORECASE | re.MULTILINE,
)
_UNSEEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_SPLIT = re.compile(r"\b(?:\w[ .\-_*]){5,}\w\b")


def instructs(text: str) -> bool:
    """Tell whether a text gives orders to a model, or holds the marks of a conversation with one."""
    seen = _UNSEEN.sub("", text)
    if _MARKS.search(seen) or _ORDERS.search(" ".join(seen.split())):
        return True
    # Letters that are drawn apart, "i g n o r e", are read together as well.
    joined = _SPLIT.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]) + " ", seen)
    return joined != seen and bool(_ORDERS.search(joined) or re.search(r"ignore|disregard", joined, re.IGNORECASE))


def handed(text: str) -> str:
    """Return a text as it may stand in a prompt: one line, without marks; empty for one that gives orders."""
    if instructs(text):
        return ""
    seen = _UNSEEN.sub("", text).replace("<", "\u2039").replace(">", "\u203a")
    line = " ".join("".join(letter for letter in seen if letter.isprintable() or letter.isspace()).split())
    return line if len(line) <= MOST else line[: MOST + 1].rpartition(" ")[0] or line[:MOST]
