"""Scripts: what may happen in a clip, and that the same numbers tell the same story."""

from __future__ import annotations

import json

import pytest

from synflow.world.defects import KINDS, defect_of, palette, take
from synflow.world.plot import WEIGHTS, write_script
from synflow.world.script import CODECS, COLORS, RADII, SHAPES, STYLES, Script

COUNT = 300


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [write_script(7, i) for i in range(COUNT)]


def test_times_add_up(scripts):
    for script in scripts:
        assert 4.0 - 0.03 <= script.duration <= 8.0
        assert 1 <= len(script.shots) <= 3
        assert 1 <= len(script.events) <= 4
        assert script.shots[0].first == 0
        for shot, following in zip(script.shots, script.shots[1:], strict=False):
            assert shot.last == following.first
        assert all(shot.end - shot.start >= 2.2 for shot in script.shots)
        assert [e.order for e in script.events] == list(range(len(script.events)))
        for event in script.events:
            shot = script.shots[event.shot]
            assert shot.start <= event.start < event.end <= shot.end
        starts = [e.start for e in script.events]
        assert starts == sorted(starts)


def test_every_shot_has_an_event_and_every_event_a_part(scripts):
    for script in scripts:
        assert {e.shot for e in script.events} == set(range(len(script.shots)))
        for event in script.events:
            there = {part.mover for part in script.shots[event.shot].parts}
            assert {event.mover} | ({event.other} if event.other is not None else set()) <= there


def test_nobody_acts_after_leaving(scripts):
    for script in scripts:
        for number in range(len(script.shots)):
            gone: set[int] = set()
            for event in (e for e in script.events if e.shot == number):
                assert event.mover not in gone, script.id
                if event.kind in {"leave", "cross"}:
                    gone.add(event.mover)


def test_movers_of_a_clip_differ_in_colour_and_from_the_background(scripts):
    for script in scripts:
        shown = [m.color for m in script.movers] + [e.color for e in script.events if e.color]
        assert 1 <= len(script.movers) <= 4
        assert len(set(shown)) == len(shown)
        for shot in script.shots:
            assert not {shot.background.color, shot.background.second} & set(shown)


def test_movers_head_where_a_moving_camera_turns(scripts):
    side = {"left": "left", "right": "right", "up": "top", "down": "bottom"}
    for script in scripts:
        for event in script.events:
            camera = script.shots[event.shot].camera
            if camera.motion in {"pan", "tilt"} and event.toward:
                assert event.toward == side[camera.direction]


def test_a_world_holds_everything_there_is(scripts):
    assert {e.kind for s in scripts for e in s.events} == set(WEIGHTS)
    assert {m.color for s in scripts for m in s.movers} == set(COLORS)
    assert {m.shape for s in scripts for m in s.movers} == set(SHAPES)
    assert {m.size for s in scripts for m in s.movers} == set(RADII)
    assert {s.style for s in scripts} == set(STYLES)
    assert {s.codec for s in scripts} == set(CODECS)
    assert {s.fps for s in scripts} == {24, 25, 30}
    assert {len(s.shots) for s in scripts} == {1, 2, 3}
    assert {shot.camera.motion for s in scripts for shot in s.shots} == {"still", "pan", "tilt", "zoom"}


def test_the_same_numbers_tell_the_same_story(scripts):
    assert write_script(7, 11) == scripts[11]
    assert write_script(8, 11) != scripts[11]
    assert json.loads(json.dumps(scripts[11].record()))["cuts"] == [s.start for s in scripts[11].shots[1:]]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.2, 0.33, 0.5])
def test_defects_are_as_many_as_asked_for_and_take_turns(fraction):
    found = [kind for i in range(180) if (kind := defect_of(i, fraction))]
    assert len(found) == int(180 * fraction)
    assert found == [KINDS[i % len(KINDS)] for i in range(len(found))]


def test_a_near_duplicate_is_of_an_earlier_good_clip():
    for index in range(120):
        if defect_of(index, 0.5) == "near-duplicate":
            shown = take(3, index, 0.5)
            assert shown.duplicate_of is not None
            origin = int(shown.duplicate_of.rsplit("-", 1)[1])
            assert origin < index
            assert defect_of(origin, 0.5) is None
            assert shown.script.codec != write_script(3, origin).codec
            assert shown.caption != take(3, origin, 0.5).caption


def test_a_wrong_caption_contradicts_the_picture():
    for index in range(160):
        if defect_of(index, 0.5) == "wrong-caption":
            shown = take(3, index, 0.5)
            named = {color for color in COLORS if color in shown.caption.split()}
            assert named
            assert not named & {m.color for m in shown.script.movers}
            assert shown.caption != shown.truths["summary"]
            assert palette(shown.script)


def test_a_wrong_order_tells_the_events_backwards():
    for index in range(200):
        if defect_of(index, 0.5) != "wrong-order":
            continue
        shown = take(3, index, 0.5)
        who = [shown.script.movers[e.mover] for e in shown.script.events]
        places = [shown.caption.find(f"{m.color} {m.shape}") for m in who]
        told = [place for place in places if place >= 0]
        assert len(told) >= 2
        assert told == sorted(told, reverse=True)
