"""What a caption claims that can be measured, and whether the pictures bear it out.

A caption is split into clauses; each clause is a claim. A rule knows one kind of claim by its wording and compares
it with what was measured. Between "clearly so" and "clearly not" lies a wide band where the verdict is ``unknown``:
a true caption must not fall for a doubtful measurement. What a clause only quotes, denies, intends or compares with
is not claimed (`synflow.claims.plain`).

``supported`` means that everything measurable in the claim was found; ``contradicted`` that something measurable in
it is clearly not so; ``unknown`` that nothing in it is measured, or not clearly enough.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from stages.rules.course_claims import judge_way
from stages.rules.evidence import Evidence, Measured, Verdict, Watched
from stages.rules.look_claims import LOOK_RULES
from stages.rules.order_claims import judge_order
from stages.rules.time_claims import TIME_RULES
from stages.rules.told import Subject, Told, told_events
from synflow.claims import plain

__all__ = ["Evidence", "Verdict", "Watched", "claims_of", "judge", "judged"]

_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[\"“(A-Z0-9])")
_CLAUSE = re.compile(r"(?<!half),\s+(?:and\s+|but\s+|while\s+)?(?=\S+\s+\S+\s+\S+)|;\s+|\s+(?:while|whereas)\s+")

_UNMOVED = re.compile(
    r"\b(camera|view|shot) (?:does not|doesn['\u2019]t|did not|never|is not) (?:mov(?:es?|ing)|pan|turn)\b(?: at all)?",
    re.IGNORECASE,
)


def claims_of(text: str) -> list[str]:
    """Return the claims of a caption, in order: its sentences, cut at the joints between clauses."""
    found = []
    for sentence in _SENTENCE.split(" ".join(text.split())):
        parts = [part.strip(" .;,") for part in _CLAUSE.split(sentence)]
        found += [part for part in parts if len(part) > 2]
    return list(dict.fromkeys(found))


def judge(claim: str, evidence: Measured, told: Sequence[Told] | None = None) -> Verdict:
    """Return the verdict on one claim; one contradicted part makes the whole contradicted.

    Args:
        claim: one of `claims_of`.
        evidence: what was measured.
        told: its events, where the sentences before it tell who does them.
    """
    asserted = plain(_steady(claim))
    text = asserted.lower().replace("gray", "grey")
    verdicts = [verdict for rule in LOOK_RULES for verdict in rule(text, asserted, evidence)]
    if not evidence.still:
        verdicts += _over_time(text, told_events(text)[0] if told is None else told, evidence)
    return _together(verdicts)


def _over_time(text: str, told: Sequence[Told], evidence: Measured) -> list[Verdict]:
    """Return the verdicts on what a claim, in small letters, says of time: camera, ways, changes."""
    verdicts = [verdict for rule in TIME_RULES for verdict in rule(text, evidence)]
    ways = [event for event in told if event.way]
    return verdicts + [verdict for event in ways if (verdict := judge_way(event, evidence)) != "unknown"]


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts and all(verdict == "supported" for verdict in verdicts) else "unknown"


def judged(text: str, evidence: Measured, *, timed: bool = False) -> dict[str, Verdict]:
    """Return the verdict on each claim of a caption, the order of what it tells included.

    Args:
        text: the caption.
        evidence: what was measured.
        timed: judge only what the claims say of time; looks are the same whichever way a clip is played.
    """
    found: dict[str, Verdict] = {}
    whole, events, subject = "", [], Subject()
    for claim in claims_of(text):
        bare = plain(_steady(claim)).lower().replace("gray", "grey")
        told, subject = told_events(bare, subject)
        found[claim] = _together(_over_time(bare, told, evidence)) if timed else judge(claim, evidence, told)
        events += [replace(event, begin=event.begin + len(whole), end=event.end + len(whole)) for event in told]
        whole += bare + ". "
    order = "unknown" if evidence.still else judge_order(whole, events, evidence)
    if order != "unknown":
        found[f"in this order: {' '.join(text.split())}"] = order
    return found


def _steady(claim: str) -> str:
    """Return a claim in which a camera that "does not move" is said to stay still: what is denied is not judged."""
    return _UNMOVED.sub(r"\1 stays still", claim)
