"""The environments of synflow and its peers: what each needs to be installed, in a virtual environment of its own.

Run alone, ``python benchmarks/peers/environments.py [PEER ...]`` installs those named (all where none is).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "runs" / "peers"
"""Where the environments are; ignored by git. 1 to 8 GB each."""

NICE = 19
"""Installing gives way to everything else on the machine."""


@dataclass(frozen=True)
class Environment:
    """What `pip install` is called with, one call after the other.

    Attributes:
        title: name and version, as the table shows them.
        steps: arguments of each call. torch comes first where it is needed, so that its build for CPUs is taken.
        notes: what had to be done beside, for the reader of the table.
        programs: what must be on the path. Without them some peers end with 0 and no clip.
    """

    title: str
    steps: tuple[tuple[str, ...], ...]
    notes: str = ""
    programs: tuple[str, ...] = ()

    @property
    def lacks(self) -> list[str]:
        """The programs that are not there."""
        return [program for program in self.programs if shutil.which(program) is None]


FFMPEG = ("ffmpeg", "ffprobe")
TORCH = ("torch==2.13.0",)

ENVIRONMENTS: dict[str, Environment] = {
    "synflow": Environment(
        "synflow", (("--constraint", str(ROOT / "constraints.txt"), "--editable", str(ROOT)),), "this checkout"
    ),
    "daft": Environment("Daft 0.7.26", (("daft==0.7.26", "av", "numpy", "pillow"),)),
    "ray-data": Environment(
        "Ray Data 2.60.0",
        (("ray[data]==2.60.0", "av==18.1.0", "opencv-python-headless", "ImageHash", "numpy", "pyarrow", "webdataset"),),
        "operators written by hand",
    ),
    "video2dataset": Environment(
        "video2dataset 1.3.0",
        (
            TORCH,
            (
                "fire<0.6", "webdataset==0.2.100", "pyarrow<20", "numpy<2", "pandas<2.3", "opencv-python-headless<4.12",
                "transformers<4.50", "torchdata==0.7.1", "decord", "wandb", "ffmpeg-python", "yt_dlp", "setuptools<80",
                "scenedetect==0.6.2", "fsspec", "exifread-nocycle", "omegaconf", "soundfile", "timeout-decorator",
                "imageio-ffmpeg", "webvtt-py", "tqdm", "einops", "langdetect", "torch==2.13.0",
            ),
            ("--no-deps", "video2dataset==1.3.0"),
        ),
        "needs pins of 2024, an empty torchaudio, and files served over HTTP",
        FFMPEG,
    ),
    "data-juicer": Environment(
        "Data-Juicer 1.6.1",
        (
            TORCH,
            (
                "py-data-juicer==1.6.1", "aiohttp", "av==13.1.0", "opencv-contrib-python-headless",
                "ray[default]==2.60.0", "webdataset", "torch==2.13.0",
            ),
        ),
        "open_tracer: false",
    ),
    "nemo-curator": Environment(
        "NeMo Curator 1.4.0",
        (
            TORCH,
            (
                "nemo-curator==1.4.0", "ray[default]", "av==17.1.0", "einops", "easydict", "opencv-python-headless",
                "imageio-ffmpeg", "torch==2.13.0",
            ),
        ),
        "told of 16 CPUs, else it waits for ever on two; libx264 stands in for libopenh264",
        FFMPEG,
    ),
}  # fmt: skip


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment."""
    return CACHE / peer / "bin" / "python"


def state_of(peer: str) -> dict[str, str]:
    """Return ``{"state": "ready"}``, ``failed`` with its ``error``, or ``absent``."""
    path = CACHE / f"{peer}.json"
    if not path.exists():
        return {"state": "absent"}
    found: dict[str, str] = json.loads(path.read_text())
    if found.get("steps") != _steps(peer) or (found["state"] == "ready" and not python_of(peer).exists()):
        return {"state": "absent"}
    return found


def _steps(peer: str) -> str:
    return json.dumps(ENVIRONMENTS[peer].steps)


def installed(peer: str, again: bool = False) -> dict[str, str]:
    """Install ``peer`` unless that was done or tried; return its state.

    What failed leaves no environment behind, only the line that says why.
    """
    found = state_of(peer)
    if found["state"] == "ready" or (found["state"] == "failed" and not again):
        return found
    folder = CACHE / peer
    shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"installing {ENVIRONMENTS[peer].title}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    found = {"state": "ready", "steps": _steps(peer)}
    with (CACHE / f"{peer}.log").open("w") as log:
        for step in ENVIRONMENTS[peer].steps:
            command = [str(python_of(peer)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *step]
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, check=False, preexec_fn=lambda: os.nice(NICE)
            )
            if done.returncode != 0:
                said = (CACHE / f"{peer}.log").read_text(errors="replace").splitlines()
                error = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "?")
                found |= {"state": "failed", "error": error}
                shutil.rmtree(folder, ignore_errors=True)
                break
    (CACHE / f"{peer}.json").write_text(json.dumps(found, indent=1))
    return found


def main() -> None:
    for peer in sys.argv[1:] or ENVIRONMENTS:
        found = installed(peer, again=True)
        print(f"{ENVIRONMENTS[peer].title}: {found['state']} {found.get('error', '')}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
