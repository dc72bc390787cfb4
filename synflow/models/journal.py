"""Answers are written down before they are used, so that no answer is ever paid for twice.

One file per shard, one JSON line per answer, keyed by the digest of the request. A replayed shard asks nothing again,
which also makes a resumed run give the same bytes although a served model is not deterministic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synflow.asks import Answer, Ask, Refusal, Vlm
from synflow.ids import canonical
from synflow.models.resilience import Outage

Append = Callable[[Path, Sequence[bytes]], None]
"""Appends lines (without their ends) to a file in one write and makes them durable: `synflow.durable.append_lines`."""

PASSING = frozenset(
    {"rate-limit", "server-error", "reset", "timeout", "bad-reply", "request-refused", "answer-unbound"}
)
"""Reasons of refusals that may be otherwise the next time; these are not written down, all others are.

``request-refused`` (a 4xx) is among them: it goes away when the server is started with other limits.
"""


@dataclass
class Usage:
    """What a journal saw.

    Attributes:
        calls: requests that went to the model; ``hits`` were known, of these ``reused`` from an earlier run.
        prompt_tokens, cached_tokens, answer_tokens: of all answers, also of those that could not be used;
            ``cached_tokens`` are those of the prompt that the server had computed before.
        later: calls that came after the first one on their clip; ``again``: those of them that showed pictures which
            an earlier call on the clip had shown as well; ``again_cached``: of which the server still held pictures.
    """

    calls: int = 0
    hits: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0
    later: int = 0
    again: int = 0
    again_cached: int = 0

    def count(self, reply: Answer | Refusal) -> None:
        """Add what an answer took."""
        self.prompt_tokens += reply.prompt_tokens
        self.cached_tokens += reply.cached_tokens
        self.answer_tokens += reply.answer_tokens


BYTES_PER_TOKEN = 3
"""Fewest bytes of English text in a token (Qwen2.5 has about 4.4): how many tokens a system text has at most."""
TURN_TOKENS = 16
"""Most tokens that a chat template puts before the first picture beside the system text."""


class Sharing:
    """Which calls on a clip could find its pictures computed, and which did.

    A system text that all prompts share is found in the cache too, so only what is cached beyond it counts.
    """

    def __init__(self) -> None:
        self._clips: set[str] = set()
        self._shown: set[tuple[str, str, tuple[str, ...]]] = set()

    def count(self, ask: Ask, reply: Answer | Refusal, usage: Usage) -> None:
        """Add a call to ``usage``; in the order in which they were asked."""
        if not ask.pictures:
            return
        shown = (ask.affinity, ask.system, ask.bound)
        usage.later += ask.affinity in self._clips
        if shown in self._shown:
            usage.again += 1
            text = len(ask.system.encode("utf-8", "surrogatepass"))
            usage.again_cached += reply.cached_tokens > text // BYTES_PER_TOKEN + TURN_TOKENS
        self._clips.add(ask.affinity)
        self._shown.add(shown)


class Journalled:
    """A model whose answers are kept in a file and given again for the same request.

    The first answer to a request wins, also where two workers wrote one each. A line that a crash tore is not
    believed. A batch is made durable with one flush before any of its answers is returned.

    Args:
        backend: who is asked what is not known yet.
        path: the journal of one shard; made with the first answer, its folder must exist.
        append: the durable append.
        passing: reasons of refusals that are asked again.
        earlier: journals of an earlier run; an answer that is needed is copied from them before it is used.
    """

    def __init__(
        self,
        backend: Vlm,
        path: Path,
        append: Append,
        passing: frozenset[str] = PASSING,
        earlier: Sequence[Path] = (),
    ) -> None:
        self.backend = backend
        self._earlier = earlier
        self._held: dict[str, bytes] | None = None
        self.path = path
        self.usage = Usage()
        self._append = append
        self._passing = passing
        self._known: dict[str, Answer | Refusal] | None = None
        self._sharing = Sharing()

    @property
    def model(self) -> str:
        """Id of the model behind it."""
        return self.backend.model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        """Return known answers, and ask for the others; a request that occurs twice is asked once.

        Raises:
            ServiceDown: the backend gave up; what it did answer is kept.
        """
        known = self._read()
        digests = [ask.digest(self.model) for ask in asks]
        known = self._with_earlier(known, digests)
        new: dict[str, Ask] = {}
        for digest, ask in zip(digests, asks, strict=True):
            if digest not in known:
                new.setdefault(digest, ask)
        fresh: dict[str, Answer | Refusal] = {}
        if new:
            try:
                replies = self.backend.answer(list(new.values()))
                fresh = {asked: _own(asked, reply) for asked, reply in zip(new, replies, strict=True)}
            except Outage as outage:
                digests_asked = list(new)
                fresh = {digests_asked[i]: _own(digests_asked[i], reply) for i, reply in outage.answered.items()}
                self._keep(fresh, new)
                raise
            self._keep(fresh, new)
            known = self._read()
        self.usage.calls += len(new)
        self.usage.hits += len(asks) - len(new)
        return [known[d] if d in known else fresh[d] for d in digests]

    def _keep(self, fresh: Mapping[str, Answer | Refusal], asked: Mapping[str, Ask]) -> None:
        """Write new answers down, then count and remember them."""
        lasting = {d: a for d, a in fresh.items() if isinstance(a, Answer) or a.reason not in self._passing}
        passed = [canonical({"passed": d}) for d in fresh if d not in lasting]
        if fresh:
            self._append(self.path, [*(_line(d, a, asked[d]) for d, a in lasting.items()), *passed])
            # Read again: where another worker answered first, its answer is the one that counts.
            self._known = None
        for digest, reply in fresh.items():
            self.usage.count(reply)
            self._sharing.count(asked[digest], reply, self.usage)

    def _with_earlier(self, known: dict[str, Answer | Refusal], digests: Sequence[str]) -> dict[str, Answer | Refusal]:
        """Copy what an earlier run was answered on requests that are not known here; return what is known then."""
        wanted = dict.fromkeys(digest for digest in digests if digest not in known)
        if not wanted or not self._earlier:
            return known
        if self._held is None:
            self._held = {}
            for path in self._earlier:
                for line in lines_of(path):
                    if (entry := _entry(line)) is not None:
                        self._held.setdefault(entry[0], line)
        lines = [self._held[digest] for digest in wanted if digest in self._held]
        if lines:
            self._append(self.path, lines)
            self._known = None
            self.usage.reused += len(lines)
        return self._read()

    def _read(self) -> dict[str, Answer | Refusal]:
        """Return what the file holds; the first line for a request counts."""
        if self._known is None:
            self._known = {}
            for line in lines_of(self.path):
                entry = _entry(line)
                if entry is not None:
                    self._known.setdefault(entry[0], entry[1])
        return self._known


def lines_of(path: Path) -> list[bytes]:
    """Return the lines of a journal; none where there is no file."""
    return path.read_bytes().split(b"\n") if path.is_file() else []


def is_settled(path: Path, model: str = "") -> bool:
    """Tell whether a journal has no request that was refused for a passing reason and never answered.

    Args:
        path: the journal; one that is not there has none.
        model: if given, all answers have to be its own.
    """
    passed: set[str] = set()
    answered: set[str] = set()
    for line in lines_of(path):
        if (entry := _entry(line)) is not None:
            if model and isinstance(entry[1], Answer) and entry[1].model != model:
                return False
            answered.add(entry[0])
        elif line.startswith(b'{"passed":'):
            passed.add(line.decode(errors="replace")[11:-2])
    return passed <= answered


def _own(request: str, reply: Answer | Refusal) -> Answer | Refusal:
    """Return a reply, or a refusal where it answers another request than the one that it came for."""
    return reply if reply.request == request else Refusal(request, "answer-unbound", "answers another request")


def _line(digest: str, answer: Answer | Refusal, ask: Ask) -> bytes:
    """Return one line of the journal; ``sent`` is for people, who want to see what was asked."""
    kind = "answer" if isinstance(answer, Answer) else "refusal"
    return canonical({"request": digest, kind: asdict(answer), "sent": {"system": ask.system, "text": ask.text}})


def _entry(line: bytes) -> tuple[str, Answer | Refusal] | None:
    """Return what a line says; None for one that a crash tore, or that is empty."""
    try:
        found: Any = json.loads(line)
        request = str(found["request"])
        if "refusal" in found:
            return request, Refusal(**found["refusal"])
        return request, Answer(**{**found["answer"], "bound": tuple(found["answer"]["bound"])})
    except (ValueError, KeyError, TypeError):
        return None
