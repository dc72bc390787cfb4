"""The sandbox: faults stay in the child, have their reason, and leave the neighbours alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from media_barcode import BY_NAME, make, read

from synflow.errors import ClipFailure, UsageError
from synflow.media.sandbox import Sandbox
from synflow.records import Location


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(BY_NAME["h264-b-frames"], tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="module")
def faulty():
    with Sandbox("media_faults:Faulty", deadline=20.0, memory=1 << 30) as sandbox:
        yield sandbox


def at(path: Path | str) -> Location:
    return Location(path=str(path))


def fault(folder: Path, key: str) -> Location:
    path = folder / f"{key}.mp4"
    path.write_bytes(key.encode().ljust(4, b"_") + b"\0" * 64)
    return at(path)


@pytest.mark.parametrize(("key", "reason", "detail"), [
    ("segf", "decode-crash", "SIGSEGV"), ("eat_", "decode-memory", "memory"), ("bad_", "decode-memory", "memory"),
    ("quit", "decode-crash", "ended"), ("bug_", "decode-crash", "a bug in a decoder"),
    ("nois", "unreadable", "noisy"), ("hang", "decode-timeout", "within 1 s"),
])  # fmt: skip
def test_a_fault_has_its_reason_and_harms_no_neighbour(
    key: str, reason: str, detail: str, faulty: Sandbox, video: Path, tmp_path: Path
) -> None:
    before = faulty.stills(at(video), 0.0, 1.9, 4, 96)[1].tobytes()
    faulty.deadline = 1.0 if key == "hang" else 20.0
    with pytest.raises(ClipFailure) as failure:
        faulty.facts(fault(tmp_path, key))
    faulty.deadline = 20.0
    assert failure.value.reason == reason
    assert detail in failure.value.detail
    assert str(tmp_path) not in failure.value.detail
    assert faulty.stills(at(video), 0.0, 1.9, 4, 96)[1].tobytes() == before


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="no filter here")
@pytest.mark.parametrize("key", ["conn", "writ", "run_", "fork"])
def test_the_child_may_not_reach_out(key: str, faulty: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ClipFailure, match="refused: PermissionError"):
        faulty.facts(fault(tmp_path, key))
    assert faulty.limits["seccomp"]


def test_the_child_is_kept_and_replaced_when_it_is_gone(video: Path) -> None:
    with Sandbox() as sandbox:
        first = sandbox.facts(at(video))
        sandbox.scan(at(video), 96)
        assert sandbox.starts == 1
        assert sandbox._child is not None
        os.kill(sandbox._child.pid, signal.SIGKILL)
        sandbox._child.wait()
        assert sandbox.facts(at(video)) == first
        assert sandbox.starts == 2
        assert 0 < sandbox.peak < 1 << 30


def test_its_peak_is_not_that_of_its_parent(video: Path) -> None:
    held = np.ones(1 << 26)  # 512 MiB, written to
    with Sandbox() as sandbox:
        sandbox.scan(at(video), 96)
        assert 30 << 20 < sandbox.peak < held.nbytes / 2


def test_it_starts_fast_and_sees_no_secret(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    with Sandbox() as sandbox:
        sandbox.facts(at(video))
        assert sandbox._child is not None
        environment = Path(f"/proc/{sandbox._child.pid}/environ").read_bytes()
        assert b"API_KEY" not in environment
        opened = [os.readlink(p) for p in Path(f"/proc/{sandbox._child.pid}/fd").iterdir()]
        files = [name for name in opened if not name.startswith("pipe:")]
        assert [Path(name).name for name in files] in ([], [video.name])


def test_the_child_dies_with_its_parent_even_while_it_hangs(video: Path, tmp_path: Path) -> None:
    hang = fault(tmp_path, "hang").path
    script = textwrap.dedent(f"""
        from synflow.media.sandbox import Sandbox
        from synflow.records import Location
        sandbox = Sandbox("media_faults:Faulty")
        sandbox.facts(Location(path={str(video)!r}))
        print(sandbox._child.pid, flush=True)
        sandbox.facts(Location(path={hang!r}))
    """)
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=here) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    for _ in range(100):
        status = Path(f"/proc/{child}/stat")
        if not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "empty.mp4").touch()
    started = time.monotonic()
    with Sandbox() as sandbox:
        for path, detail in (
            (tmp_path / "fifo.mp4", "not a regular file"), ("/dev/zero", "not a regular file"),
            (tmp_path, "not a regular file"), (tmp_path / "absent.mp4", "no such file"),
            (tmp_path / "empty.mp4", "empty"), (tmp_path / ("x" * 300), "too long"),
        ):  # fmt: skip
            with pytest.raises(ClipFailure, match=detail) as failure:
                sandbox.facts(at(path))
            assert failure.value.reason == "unreadable"
            assert str(tmp_path) not in failure.value.detail
        with pytest.raises(ClipFailure, match="not a local file"):
            sandbox.facts(Location(url="https://example.org/a.mp4"))
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_a_playlist_named_mp4_is_not_followed(decoder: str, video: Path, tmp_path: Path) -> None:
    if decoder == "decord":
        pytest.importorskip("decord")
    (tmp_path / "other.mp4").write_bytes(video.read_bytes())
    other = tmp_path / "other.mp4"
    texts = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{other}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }
    with Sandbox(decoder) as sandbox:
        for name, text in texts.items():
            path = tmp_path / f"{name}.mp4"
            path.write_text(text)
            with pytest.raises(ClipFailure) as failure:
                sandbox.facts(at(path))
            assert failure.value.reason == "unreadable"


def test_an_unknown_decoder_is_a_mistake_of_the_user(video: Path) -> None:
    with Sandbox("nothing_like_it:Decoder") as sandbox, pytest.raises(UsageError) as error:
        sandbox.facts(at(video))
    assert "media.decoder" in error.value.cause
    assert error.value.remedy


def test_scan_and_stills_arrive_whole(video: Path) -> None:
    with Sandbox() as sandbox:
        scan = sandbox.scan(at(video), 96)
        assert scan.luma.shape == (len(scan.times), 80, 160)
        assert scan.color.shape[1:] == (32, 64, 3)
        assert [read(luma) for luma in scan.luma] == [round(time * 25) for time in scan.times]
        assert np.diff(scan.times).max() < 0.101
        times, rgb = sandbox.stills(at(video), 0.0, 1.92, 4, 96)
        assert rgb.shape == (4, 96, 192, 3)
        assert [round(t * 25) for t in times] == [read(picture) for picture in rgb]
        assert sandbox.clip(at(video), 0.0, 1.0, 96) == sandbox.clip(at(video), 0.0, 1.0, 96)
