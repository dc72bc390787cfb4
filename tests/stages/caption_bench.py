"""Clips of a moving square for tests of the stages that ask models, and models that say what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from synflow import prompts
from synflow.asks import Answer, Ask, Picture, Refusal
from synflow.contract import Stills
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames, rng_of
from synflow.models.openai_chat import OpenAiOptions, read_reply
from synflow.models.signals.embedder import SignalsEmbedder
from synflow.models.signals.vlm import SignalsVlm
from synflow.records import Caption, Clip, Facts, Sample, Source

GOOD = {
    "1": "a red square slides over a plain grey ground from left to right",
    "2": "A red square rests at the left edge of a plain grey ground, small and sharp, with even light on it. It moves "
    "after a moment and slides along a straight line, neither fast nor slow, past the middle of the picture. The "
    "ground behind it stays as it is, grey from edge to edge, a little lighter than the shade of asphalt. While the "
    "square passes, its corners keep their shape and its colour stays the same bright red. The view holds steady, so "
    "that all change comes from the square alone. Towards the end it nears the right edge, slows down, and comes to "
    "rest there with a narrow strip of grey beside it.",
    "3": "This is a plain study of motion, a single bright shape on a neutral ground, shown so that nothing distracts "
    "from its steady way across the picture, as a lesson on movement might do.",
    "4": "red square, grey ground, sliding shape, plain animation",
    "5": "one bright red shape with sharp corners stands on the left side of the picture",
}
"""A sound answer to the request for five captions of a clip: one is short, one long."""

OPTIONS = OpenAiOptions(base_url="http://127.0.0.1:9", model="says")


class Shown:
    """Stills of a moving red square, the same for every sample; a record named bad has none."""

    def __init__(self) -> None:
        rgb = np.full((16, 90, 160, 3), 130, np.uint8)
        for i in range(16):
            rgb[i, 30:55, 5 + 8 * i : 30 + 8 * i] = (210, 20, 20)
        pictures = []
        for i, one in enumerate(rgb):
            jpeg = cv2.imencode(".jpg", one[..., ::-1])[1].tobytes()
            pictures.append(Picture(jpeg, digest(jpeg), 0.25 + 0.5 * i))
        self.all = Stills(tuple(pictures), rgb, digest_of_frames(p.digest for p in pictures))

    def stills(self, sample: Sample) -> Stills:
        """Return the same for all but one."""
        if sample.record_id == "bad":
            raise ClipFailure("unreadable", "no such picture")
        return self.all


class Bench:
    """A context."""

    seed, frames = 7, 8

    def __init__(self, vlm: Any = None) -> None:
        self.media, self.vlm, self.embed = Shown(), vlm or SignalsVlm(), SignalsEmbedder()

    def prompt(self, name: str) -> Any:
        """Return the newest version."""
        return prompts.load(name)

    def rng(self, sample: Sample, *salt: object) -> Any:
        """Return a generator."""
        return rng_of(self.seed, sample.key, *salt)


class Says:
    """Answers each request with what a function makes of it: a value, a refusal, or a text as a server sends it."""

    model = "says"

    def __init__(self, say: Callable[[Ask], Any]) -> None:
        self.say, self.asks = say, []

    def answer(self, asks: Sequence[Ask]) -> list[Answer | Refusal]:
        """Return one reply for each."""
        self.asks.append(list(asks))
        return [self._one(ask, self.say(ask)) for ask in asks]

    def _one(self, ask: Ask, said: Any) -> Answer | Refusal:
        if isinstance(said, Answer | Refusal):
            return said
        if isinstance(said, str):
            return served(ask, said)
        return Answer(ask.digest(self.model), said, self.model, bound=ask.bound)


def served(ask: Ask, content: str | None, finish: str = "stop") -> Answer | Refusal:
    """Return what is made of a reply of a server."""
    reply = {"choices": [{"message": {"content": content}, "finish_reason": finish}]}
    found = read_reply(ask, ask.digest("says"), reply, OPTIONS)
    assert isinstance(found, Answer | Refusal)
    return found


def dumped(**changes: Any) -> str:
    """Return a sound answer with some of its texts changed, as a server sends it."""
    return json.dumps({**GOOD, **{key.strip("_"): value for key, value in changes.items()}})


def sample(name: str = "a", *captions: str | Caption) -> Sample:
    """Return a sample with captions that came with it."""
    facts = Facts(
        digest="d" * 64, bytes=1, container="mp4", codec="h264", pix_fmt="yuv420p", duration=8.0, fps=25.0,
        frames=200, width=160, height=90,
    )  # fmt: skip
    clip = Clip(id=f"clip-{name}", start=0.0, end=8.0, facts=facts)
    texts = tuple(one if isinstance(one, Caption) else Caption(text=one) for one in captions)
    return Sample(source=Source(record_id=name, uri=name), clip=clip, captions=texts)
