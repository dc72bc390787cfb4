"""The 16 tasks: from scripts to queries, corpus and what is relevant, each under the name that it has in UVRB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synflow.evaluate.miniature.studio import Studio
from synflow.evaluate.miniature.texts import facts_of, in_order, in_space, main_object, of_event, told_in_turn
from synflow.ids import rng_of
from synflow.world.captions import captions
from synflow.world.phrases import camera_clause, sentence
from synflow.world.plot import write_script
from synflow.world.script import COLORS, SHAPES, Camera, Script

LONG, EDITED = 100_000, 200_000
"""Numbers of the first long script and of the first that is edited; the common ones begin at 0."""

CANDIDATES = 10
"""Of each composed query, as MomentSeeker has."""

DIRECTED = frozenset({"enter", "leave", "cross", "grow", "shrink", "recolor"})
"""Events that are others when played backwards."""

Row = dict[str, Any]
Rows = tuple[list[Row], list[Row], list[Row]]


@dataclass(frozen=True)
class Cast:
    """The scripts of a miniature.

    Attributes:
        common: clips of one to three shots.
        long: clips of three shots, which stand for long videos.
        edited: clips of one shot, of which variants are made.
    """

    common: tuple[Script, ...]
    long: tuple[Script, ...]
    edited: tuple[Script, ...]

    @classmethod
    def of(cls, seed: int, clips: int) -> Cast:
        """Return the scripts of a seed."""
        few = max(8, clips // 3)
        return cls(
            tuple(write_script(seed, i) for i in range(clips)),
            tuple(write_script(seed, LONG + i, shots=3, events=4) for i in range(few)),
            tuple(_editable(seed, few)),
        )


def _editable(seed: int, count: int) -> list[Script]:
    """Return scripts of one shot in which nobody changes colour."""
    found: list[Script] = []
    number = EDITED
    while len(found) < count:
        script = write_script(seed, number, shots=1)
        number += 1
        if all(event.kind != "recolor" for event in script.events):
            found.append(script)
    return found


def _name(script: Script) -> str:
    return f"c{script.index}"


def _corpus(studio: Studio, scripts: Sequence[Script]) -> list[Row]:
    return [{"id": _name(one), "video": studio.video(_name(one), one)} for one in scripts]


def _one_each(scripts: Sequence[Script], queries: Sequence[Row], corpus: list[Row]) -> Rows:
    rows = [{"id": f"q{_name(one)}", **query} for one, query in zip(scripts, queries, strict=True)]
    return rows, corpus, [{"qid": row["id"], "pos": [_name(one)]} for row, one in zip(rows, scripts, strict=True)]


def _by_text(text: Callable[[Script], Any], long: bool = False) -> Callable[[Cast, Studio], Rows]:
    """Return a task whose queries say something of each clip."""

    def task(cast: Cast, studio: Studio) -> Rows:
        scripts = cast.long if long else cast.common
        return _one_each(scripts, [{"text": text(one)} for one in scripts], _corpus(studio, scripts))

    return task


def _in_time(cast: Cast, studio: Studio) -> Rows:
    """Events in order, in a corpus that has the clips played backwards as well, where that is something else."""
    rows = _one_each(cast.common, [{"text": in_order(one)} for one in cast.common], _corpus(studio, cast.common))
    for one in cast.common:
        if any(event.kind in DIRECTED for event in one.events):
            name = f"{_name(one)}-backwards"
            rows[1].append({"id": name, "video": studio.video(name, one, backwards=True)})
    return rows


def _by_camera(cast: Cast, studio: Studio) -> Rows:
    """Moves of the camera; all clips that have one are relevant."""
    scripts = (*cast.common, *cast.edited)
    moves: dict[tuple[str, str], list[str]] = {}
    for one in scripts:
        for move in {(shot.camera.motion, shot.camera.direction) for shot in one.shots}:
            moves.setdefault(move, []).append(_name(one))
    queries, instances = [], []
    for motion, direction in sorted(moves):
        said = {
            sentence(camera_clause(Camera(motion, direction), rng_of("move", motion, direction, i))) for i in range(9)
        }
        for number, text in enumerate(sorted(said)):
            own = f"q{motion}-{direction or 'none'}-{number}"
            queries.append({"id": own, "text": text})
            instances.append({"qid": own, "pos": moves[motion, direction]})
    return queries, _corpus(studio, scripts), instances


def _by_event(cast: Cast, studio: Studio) -> Rows:
    """One event of a clip; other clips in which the same happens are relevant too."""
    where: dict[tuple[str, ...], list[str]] = {}
    for one in cast.common:
        for event in one.events:
            names = where.setdefault(facts_of(one, event), [])
            if _name(one) not in names:
                names.append(_name(one))
    queries, instances = [], []
    for one in cast.common:
        for event in one.events:
            own = f"q{_name(one)}-{event.order}"
            queries.append({"id": own, "text": of_event(one, event)})
            instances.append({"qid": own, "pos": where[facts_of(one, event)]})
    return queries, _corpus(studio, cast.common), instances


Edit = Callable[[Script, int, str], Script]


def _recolored(script: Script, mover: int, color: str) -> Script:
    movers = [replace(one, color=color) if i == mover else one for i, one in enumerate(script.movers)]
    return replace(script, movers=tuple(movers), id=f"{script.id}-{color}")


def _reshaped(script: Script, mover: int, shape: str) -> Script:
    movers = [replace(one, shape=shape) if i == mover else one for i, one in enumerate(script.movers)]
    return replace(script, movers=tuple(movers), id=f"{script.id}-{shape}")


def _composed(cast: Cast, studio: Studio, edit: Edit, words: Sequence[str], video: bool) -> Rows:
    """What a picture or clip shows, but for one thing that a text changes; the candidates differ in just that."""
    queries: list[Row] = []
    instances: list[Row] = []
    corpus = _corpus(studio, cast.edited)
    for number, one in enumerate(cast.edited):
        mover = one.events[0].mover
        being = one.movers[mover]
        old = being.shape if edit is _reshaped else being.color
        taken = {other.color for other in one.movers} | {shot.background.color for shot in one.shots}
        free = [word for word in words if word != old and word not in taken]
        rng_of("edit", one.seed, one.index).shuffle(free)
        names = []
        for word in free[:3]:
            name = f"{_name(one)}-{word}"
            corpus.append({"id": name, "video": studio.video(name, edit(one, mover, word))})
            names.append(name)
        if edit is _reshaped:
            text = f"The same, but with {free[0]} instead of {being.shape}: the {being.color} one has that shape."
        else:
            text = f"The same, but the {being.shape} is {free[0]} instead of {old}."
        own = f"q{number}"
        shown = {"video": studio.part(own, one)} if video else {"image": studio.image(own, one)}
        queries.append({"id": own, "text": text, **shown})
        others = [_name(other) for other in (*cast.edited[number + 1 :], *cast.edited[:number])]
        held = [*names, _name(one), *others][:CANDIDATES]
        instances.append({"qid": own, "pos": names[:1], "candidates": held})
    return queries, corpus, instances


def _by_frame(cast: Cast, studio: Studio) -> Rows:
    queries = [{"image": studio.image(f"q{_name(one)}", one)} for one in cast.common]
    return _one_each(cast.common, queries, _corpus(studio, cast.common))


def _by_clip(cast: Cast, studio: Studio) -> Rows:
    queries = [{"video": studio.part(f"q{_name(one)}", one)} for one in cast.long]
    return _one_each(cast.long, queries, _corpus(studio, cast.long))


TASKS: dict[str, Callable[[Cast, Studio], Rows]] = {
    "MSRVTT": _by_text(lambda one: captions(one)["summary"]),
    "DiDeMo": _by_text(told_in_turn),
    "CRB-G": _by_text(lambda one: captions(one, "general")["summary"]),
    "CRB-S": _by_text(in_space),
    "VDC-O": _by_text(main_object),
    "CRB-T": _in_time,
    "CMRB": _by_camera,
    "DREAM-E": _by_event,
    "LoVR-TH": _by_text(lambda one: captions(one)["abstract"], long=True),
    "PEV-K": _by_text(lambda one: captions(one)["keywords"]),
    "LoVR-V": _by_text(lambda one: captions(one)["dense"], long=True),
    "VDC-D": _by_text(lambda one: captions(one, "detailed")["dense"]),
    "MS-TI": lambda cast, studio: _composed(cast, studio, _recolored, tuple(COLORS), video=False),
    "MS-TV": lambda cast, studio: _composed(cast, studio, _reshaped, SHAPES, video=True),
    "MSRVTT-I2V": _by_frame,
    "LoVR-C2V": _by_clip,
}
