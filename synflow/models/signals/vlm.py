"""`SignalsVlm`: a describer without weights; what it cannot measure it does not say."""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np

from synflow.asks import Answer, Ask, Picture, Refusal
from synflow.ids import rng_of
from synflow.media.findings import Seen, findings_of
from synflow.models.schema import fault
from synflow.models.signals import elsewhere
from synflow.models.signals.captions import Writer
from synflow.models.signals.composed import image_query, video_query
from synflow.models.signals.stills import frame_captions


class SignalsVlm:
    """Turns measured colour, layout, light, movement, camera and cuts into modest true English.

    It reads pictures, ``ask.slots`` (the caption that came with the clip) and ``ask.facts`` (what the stages
    measured); the text of the prompt is for models that read. The same ask always gets the same answer, and another
    ``seed`` another wording.
    """

    model = "signals/3"

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        """Return one answer or refusal for each ask, in order.

        Refusals: ``no-pictures``, ``picture-unreadable``, ``nothing-to-tell``, ``prompt-unsupported``,
        ``answer-schema``.
        """
        seen: dict[str, Seen | None] = {}
        return [self._answer(ask, seen) for ask in asks]

    def _answer(self, ask: Ask, seen: dict[str, Seen | None]) -> Answer | Refusal:
        request = ask.digest(self.model)
        if ask.prompt not in ("video-captions", "frame-captions", "composed-image", "composed-video"):
            return Refusal(request, "prompt-unsupported", ask.prompt)
        if not ask.pictures:
            return Refusal(request, "no-pictures")
        for picture in ask.pictures:
            if picture.digest not in seen:
                seen[picture.digest] = _seen(picture)
        pictures = [one for picture in ask.pictures if (one := seen[picture.digest]) is not None]
        if len(pictures) < len(ask.pictures):
            return Refusal(request, "picture-unreadable", f"{len(ask.pictures) - len(pictures)} of {len(ask.pictures)}")
        value = self._value(ask, pictures, rng_of(ask.seed, ask.prompt, list(ask.bound)))
        if value is None:
            return Refusal(request, "nothing-to-tell")
        if found := fault(value, ask.schema):
            return Refusal(request, "answer-schema", found)
        return Answer(request=request, value=value, model=self.model, revision="1", bound=ask.sent())

    def _value(self, ask: Ask, pictures: Sequence[Seen], rng: random.Random) -> dict[str, str] | None:
        times = [picture.time for picture in ask.pictures]
        caption = str(ask.slots.get("caption") or "")
        if ask.prompt == "video-captions":
            found = findings_of(pictures, times)
            return Writer(found, ask.facts, caption, str(ask.slots.get("emphasis", "")), rng).captions()
        if ask.prompt == "frame-captions":
            return frame_captions(findings_of(pictures[:1]), ask.facts, caption, rng)
        split = int(ask.facts.get("reference", 1))
        if not 1 <= split < len(pictures):
            return None
        reference = findings_of(pictures[:split], times[:split])
        target = findings_of(pictures[split:], times[split:])
        if ask.facts.get("kinship") in ("scene", "subject", "attribute"):
            if ask.prompt == "composed-image":
                return elsewhere.image_query(reference, target, ask.facts, str(ask.slots.get("strategy", "")), rng)
            return elsewhere.video_query(reference, target, ask.facts, str(ask.slots.get("relation", "")), rng)
        if ask.prompt == "composed-image":
            return image_query(reference, target, ask.facts, str(ask.slots.get("strategy", "")), rng)
        return video_query(reference, target, ask.facts, str(ask.slots.get("relation", "")), rng)


def _seen(picture: Picture) -> Seen | None:
    """Decode a JPEG and look at it; None where it cannot be read."""
    if not picture.jpeg:
        return None
    bgr = cv2.imdecode(np.frombuffer(picture.jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else Seen.of(np.ascontiguousarray(bgr[..., ::-1]))
