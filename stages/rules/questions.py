"""Claims put to a model as questions, each asked twice, once whether it is true and once whether it is false.

A model that likes to say yes says it both times, and so contradicts itself: what it says on that claim does not count,
and where it does so often, nothing that it says on that caption does. The claims of one caption are asked together,
those of two never, so that a caption that gives orders can win over nothing but its own verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from stages.rules.evidence import Verdict
from synflow.answers import SHAPES, instructs
from synflow.answers.shapes import Claims
from synflow.contract import Answer, Ask, Picture, Prompt, Refusal

POLARITIES = ("true", "false")

TORN = 0.34
"""Share of the claims of a caption on which a model may contradict itself before none of its answers counts."""


@dataclass(frozen=True)
class Question:
    """The open claims of one caption, and the pictures that it speaks of."""

    prompt: Prompt
    claims: tuple[str, ...]
    pictures: tuple[Picture, ...]
    affinity: str
    max_tokens: int

    def asks(self) -> tuple[Ask, Ask]:
        """Return the two requests: same system text and pictures first, so that a server sees them once."""
        one, other = (self._ask(polarity) for polarity in POLARITIES)
        return one, other

    def _ask(self, polarity: str) -> Ask:
        # A claim that gives orders is not read out; its answer is not used either.
        read = ["(this statement cannot be read)" if instructs(claim) else _plain(claim) for claim in self.claims]
        listed = "\n".join(f"{number}. {claim}" for number, claim in enumerate(read, 1))
        return Ask(
            prompt=self.prompt.name,
            prompt_digest=self.prompt.digest,
            text=self.prompt.render(claims=listed, polarity=polarity),
            schema=self.prompt.schema,
            pictures=self.pictures,
            system=self.prompt.system,
            slots={"claims": list(self.claims), "polarity": polarity},
            affinity=self.affinity,
            max_tokens=self.max_tokens,
            temperature=0.0,
        )


@dataclass(frozen=True)
class Polar:
    """What two opposite answers say together.

    Attributes:
        torn: claims on which they contradict each other; distrusted: whether so many that none of them counts.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    torn: int = 0
    distrusted: bool = False


def answered(question: Question, replies: Sequence[Answer | Refusal]) -> Polar:
    """Return the verdicts that follow from both answers; none where one of them cannot be used."""
    given = [_read(question, reply) for reply in replies]
    if any(answers is None for answers in given):
        return Polar()
    verdicts: dict[str, Verdict] = {}
    torn = 0
    for claim, true, false in zip(question.claims, given[0] or (), given[1] or (), strict=True):
        if true == false and true != "unsure":
            torn += 1
        elif not instructs(claim):
            both = {(true, false)} & {("yes", "no")}, {(true, false)} & {("no", "yes")}
            verdicts[claim] = "supported" if both[0] else "contradicted" if both[1] else "unknown"
    if torn > TORN * len(question.claims):
        return Polar({}, torn, True)
    return Polar(verdicts, torn)


def _read(question: Question, reply: Answer | Refusal) -> list[str] | None:
    """Return the answers to all claims; None for a refusal, another shape, another number, or other pictures."""
    if isinstance(reply, Refusal) or tuple(reply.bound) != tuple(p.digest for p in question.pictures):
        return None
    try:
        found = SHAPES["audit"].model_validate(reply.value)
    except (ValidationError, RecursionError):
        return None
    answers: list[str] = list(found.answers) if isinstance(found, Claims) else []
    return answers if len(answers) == len(question.claims) else None


def _plain(claim: str) -> str:
    """Return a claim without the marks that could end the place where it stands."""
    return " ".join(claim.replace("<", "\u2039").replace(">", "\u203a").split())
