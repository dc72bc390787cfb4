"""The truth against the pixels of the encoded files."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from synflow.world.film import pictures
from synflow.world.plot import write_script
from synflow.world.script import COLORS, HEIGHT, WIDTH
from synflow.world.tracks import key_points


def near(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """Median colour of 5 x 5 pixels."""
    i, j = round(y), round(x)
    return np.median(picture[i - 2 : i + 3, j - 2 : j + 3].reshape(-1, 3).astype(float), axis=0)


def luma(shots: np.ndarray) -> np.ndarray:
    return shots.astype(float).mean(axis=3)


def test_every_codec_decodes_to_the_pictures_that_were_announced(world):
    codecs = set()
    for truth in world.truths:
        if truth["defect"] == "truncated":
            continue
        with av.open(str(world.folder / truth["path"])) as container:
            stream = container.streams.video[0]
            codecs.add(stream.codec_context.name)
            assert (stream.width, stream.height) == (WIDTH, HEIGHT)
            assert stream.average_rate == truth["fps"]
            assert sum(1 for _ in container.decode(video=0)) == truth["frames"]
    assert codecs >= {"h264", "mpeg4"}
    assert any(name.startswith(("vp9", "libvpx")) for name in codecs)


def test_movers_are_where_the_truth_says_and_of_that_colour(world):
    checked = 0
    for truth in world.of(None):
        shown = world.pictures(truth)
        light = 0.84 if truth["style"] == "dark" else 1.0
        for event in truth["events"]:
            name = truth["movers"][event["mover"]]["color"]
            recolored = [e["color"] for e in truth["events"][: event["order"]] if e["mover"] == event["mover"]]
            name = next((c for c in reversed(recolored) if c), name)
            for place, point in enumerate(event["track"]):
                inside = 6 < point["x"] < WIDTH - 6 and 6 < point["y"] < HEIGHT - 6
                if not inside or point["r"] < 9 or (event["kind"] == "recolor" and place == 2):
                    continue
                color = event["color"] if event["kind"] == "recolor" and place > 2 else name
                got = near(shown[round(point["time"] * truth["fps"])], point["x"], point["y"])
                distance = {c: float(np.abs(got - np.array(rgb) * light).sum()) for c, rgb in COLORS.items()}
                checked += 1
                covered = len(truth["movers"]) > 1 and min(distance, key=distance.__getitem__) in {
                    m["color"] for m in truth["movers"]
                }
                assert min(distance, key=distance.__getitem__) == color or covered, (truth["id"], event, point, got)
    assert checked > 20


def test_cuts_are_the_largest_jumps(world):
    seen_a_cut = False
    for truth in world.of(None):
        small = np.stack([cv2.resize(p, (16, 9), interpolation=cv2.INTER_AREA) for p in world.pictures(truth)])
        jumps = np.abs(np.diff(small.astype(float), axis=0)).mean(axis=(1, 2, 3))
        cuts = [shot["first"] - 1 for shot in truth["shots"][1:]]
        within = np.delete(jumps, cuts)
        for cut in cuts:
            seen_a_cut = True
            assert jumps[cut] > 1.5 * within.max(), truth["id"]
    assert seen_a_cut


def test_every_shot_of_a_good_clip_moves(world):
    for truth in world.of(None):
        bright = luma(world.pictures(truth))
        for shot in truth["shots"]:
            part = bright[shot["first"] : shot["last"] : 6]
            changed = (np.abs(np.diff(part, axis=0)) > 14).mean(axis=(1, 2))
            assert np.median(changed) > 0.003, (truth["id"], shot)


def test_static_and_frozen_stand_still(world):
    (static,) = world.of("static")
    still = luma(world.pictures(static))
    assert np.abs(still[0] - still[-1]).mean() < 4
    assert not np.array_equal(still[0], still[10]), "a static clip is alive, unlike a frozen one"
    (frozen,) = world.of("frozen")
    pictures_ = luma(world.pictures(frozen))
    third = len(pictures_) // 3
    assert np.abs(pictures_[third + 1 :] - pictures_[third]).mean() < 1.5
    assert np.abs(pictures_[0] - pictures_[third]).max() > 40


def test_black_is_black_and_blurred_is_blurred(world):
    (black,), (blurred,) = world.of("black"), world.of("blurred")
    assert luma(world.pictures(black)).max() < 16

    def sharpness(truth):
        grey = world.pictures(truth)[5].mean(axis=2)
        return cv2.Laplacian(grey, cv2.CV_64F).var()

    assert sharpness(blurred) * 3 < min(sharpness(t) for t in world.of(None))


def test_a_near_duplicate_looks_like_its_origin_though_its_bytes_differ(world):
    (copy,) = world.of("near-duplicate")
    origin = next(t for t in world.truths if t["id"] == copy["duplicate_of"])
    assert (world.folder / copy["path"]).read_bytes() != (world.folder / origin["path"]).read_bytes()
    a, b = luma(world.pictures(copy)), luma(world.pictures(origin))
    assert len(a) == len(b)
    for i in range(0, len(a), 20):
        assert np.corrcoef(cv2.resize(a[i], (32, 18)).ravel(), cv2.resize(b[i], (32, 18)).ravel())[0, 1] > 0.8


def test_a_truncated_file_does_not_open(world):
    (truth,) = world.of("truncated")
    with pytest.raises(av.FFmpegError):
        av.open(str(world.folder / truth["path"]))


def test_the_camera_turns_where_the_script_says():
    found = set()
    for index in range(200):
        script = write_script(9, index, shots=1)
        camera = script.shots[0].camera
        if camera.motion not in {"pan", "tilt"} or camera.direction in found:
            continue
        found.add(camera.direction)
        shown = [p for i, p in enumerate(pictures(script)) if i in (20, 26)]
        before, after = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in shown)
        flow = cv2.calcOpticalFlowFarneback(before, after, np.empty(0), 0.5, 4, 21, 3, 7, 1.5, 0)
        dx, dy = np.median(flow, axis=(0, 1))
        expected = camera.amount / (script.frames - 1) * 6
        moved = {"right": -dx, "left": dx, "down": -dy, "up": dy}[camera.direction]
        assert 0.5 * expected < moved < 1.2 * expected, (script.id, camera, dx, dy)
        if len(found) == 4:
            break
    assert found == {"left", "right", "up", "down"}


def test_a_recolor_changes_the_colour_half_way():
    script = next(s for s in (write_script(9, i, shots=1) for i in range(100)) if s.events[0].kind == "recolor")
    event, points = script.events[0], key_points(script, script.events[0])
    shown = list(pictures(script))
    light = 0.84 if script.style == "dark" else 1.0
    for place, color in ((1, script.movers[event.mover].color), (3, event.color)):
        got = near(shown[round(points[place]["time"] * script.fps)], points[place]["x"], points[place]["y"])
        assert np.abs(got - np.array(COLORS[color]) * light).sum() < 90
    assert (points[-1]["x"] > points[0]["x"]) == (event.toward == "right")
