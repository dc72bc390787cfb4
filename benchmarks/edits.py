"""Copies of videos as people make them: other codec, size, rate, speed, borders, marks, and parts of the whole.

Run: ``python benchmarks/edits.py FOLDER VIDEO...`` writes ``FOLDER/<video>.<edit>.<ext>`` for every edit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

MARK = (
    "drawbox=x=iw*0.80:y=ih*0.05:w=iw*0.16:h=ih*0.12:color=white:t=fill,"
    "drawbox=x=iw*0.83:y=ih*0.08:w=iw*0.10:h=ih*0.06:color=red:t=fill"
)
SMALL = "scale=trunc(iw*min(1\\,240/min(iw\\,ih))/2)*2:trunc(ih*min(1\\,240/min(iw\\,ih))/2)*2"
EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2"


@dataclass(frozen=True)
class Edit:
    """One way to make a copy.

    Attributes:
        filters: of libavfilter, after the picture was made small.
        codec, options: of the encoder; the extension says the container.
        speed: of playing. span: shares of the length at which an excerpt begins and ends. rate: pictures a second.
    """

    filters: str = ""
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("crf", "23"),)
    extension: str = "mp4"
    speed: float = 1.0
    span: tuple[float, float] = (0.0, 1.0)
    rate: int = 0


def crf(value: int) -> tuple[tuple[str, str], ...]:
    """Return options of x264 for that quality."""
    return (("crf", str(value)),)


EDITS: dict[str, Edit] = {
    "crf 28": Edit(options=crf(28)),
    "crf 38": Edit(options=crf(38)),
    "half size": Edit("scale=iw/2:ih/2"),
    "120 lines": Edit("scale=-2:120"),
    "stretched to 4:3": Edit("scale=320:240"),
    "crop 10 %": Edit("crop=iw*0.9:ih*0.9"),
    "crop 10 % at a corner": Edit("crop=iw*0.9:ih*0.9:iw*0.1:0"),
    "crop 10 % off the bottom": Edit("crop=iw:ih*0.9:0:0"),
    "crop 20 %": Edit("crop=iw*0.8:ih*0.8"),
    "crop sides to 4:3": Edit("crop=min(iw\\,ih*4/3):ih"),
    "box in black": Edit("scale=iw*0.8:ih*0.8,pad=iw/0.8:ih/0.8:(ow-iw)/2:(oh-ih)/2:black"),
    "box in colour, off centre": Edit("scale=iw*0.8:ih*0.8,pad=iw/0.75:ih/0.75:(ow-iw)*0.3:(oh-ih)*0.6:teal"),
    "drawn box": Edit("drawbox=x=iw*0.1:y=ih*0.78:w=iw*0.4:h=ih*0.15:color=black:t=fill"),
    "letterbox": Edit("pad=iw:trunc(ih*1.33/2)*2:0:(oh-ih)/2:black"),
    "pillarbox": Edit("pad=trunc(iw*1.33/2)*2:ih:(ow-iw)/2:0:black"),
    "letterbox with a mark in it": Edit(
        "pad=iw:trunc(ih*1.4/2)*2:0:(oh-ih)/2:black,drawbox=x=iw*0.75:y=ih*0.9:w=iw*0.2:h=ih*0.06:color=white:t=fill"
    ),
    "grey": Edit("hue=s=0"),
    "mirrored": Edit("hflip"),
    "mirrored, crop 10 %": Edit("hflip,crop=iw*0.9:ih*0.9"),
    "faster, 1.25": Edit(speed=1.25),
    "slower, 0.8": Edit(speed=0.8),
    "logo": Edit(MARK),
    "subtitle bar": Edit("drawbox=x=iw*0.15:y=ih*0.86:w=iw*0.7:h=ih*0.08:color=black@0.7:t=fill"),
    "brighter": Edit("lutyuv=y=clip(val*1.15+12\\,16\\,235)"),
    "gamma 0.7": Edit("lutyuv=y=gammaval(1.4)"),
    "noise": Edit("noise=alls=18:allf=t"),
    "blurred": Edit("gblur=sigma=2.5"),
    "hevc": Edit(codec="libx265", options=(("crf", "30"), ("x265-params", "log-level=none:pools=1"))),
    "vp9": Edit(codec="libvpx-vp9", options=(("crf", "40"), ("b", "0"), ("cpu-used", "8")), extension="webm"),
    "mpeg4": Edit(codec="mpeg4", options=(("q", "8"),), extension="avi"),
    "10 fps": Edit(rate=10),
    "5 fps": Edit(rate=5),
    "excerpt, first half": Edit(span=(0.0, 0.5)),
    "excerpt, middle": Edit(span=(0.3, 0.7)),
    "excerpt, last third": Edit(span=(0.66, 1.0)),
    "crop, mirrored, crf 35, 10 fps": Edit("crop=iw*0.9:ih*0.9,hflip", options=crf(35), rate=10),
    "letterbox, logo, 1.25": Edit(f"{MARK},pad=iw:trunc(ih*1.33/2)*2:0:(oh-ih)/2:black", speed=1.25),
    "grey, half size, middle": Edit("hue=s=0,scale=iw/2:ih/2", span=(0.25, 0.8)),
}


def pictures(path: Path, seconds: float = 12.0) -> tuple[list[av.VideoFrame], list[float]]:
    """Return the first pictures of a video, at most 240 lines, and their times."""
    frames, times = [], []
    with av.open(str(path), metadata_errors="ignore") as source:
        stream = source.streams.video[0]
        graph = None
        for frame in source.decode(stream):
            if frame.time is None or (times and frame.time - times[0] > seconds):
                break
            if graph is None:
                graph = _graph(frame, SMALL)
            graph.push(frame)
            frames.append(graph.pull())
            times.append(float(frame.time))
    return frames, times


def _graph(frame: av.VideoFrame, filters: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    chain = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)]
    for one in [*_split(filters), "format=yuv420p"]:
        name, _, arguments = one.partition("=")
        chain.append(graph.add(name, arguments or None))
    chain.append(graph.add("buffersink"))
    graph.link_nodes(*chain).configure()
    return graph


def _split(filters: str) -> Iterator[str]:
    """Yield the filters of a chain; a comma after a backslash belongs to its filter."""
    held = ""
    for part in filters.split(","):
        held += part
        if held.endswith("\\"):
            held += ","
            continue
        if held:
            yield held
        held = ""


def write(frames: list[av.VideoFrame], times: list[float], edit: Edit, path: Path) -> None:
    """Write a copy of the pictures."""
    begin, end = (times[0] + share * (times[-1] - times[0]) for share in edit.span)
    chosen = [(f, t) for f, t in zip(frames, times, strict=True) if begin <= t <= end + 1e-6]
    if edit.rate:
        kept, following = [], chosen[0][1]
        for f, t in chosen:
            if t >= following - 1e-6:
                kept.append((f, t))
                following += 1 / edit.rate
        chosen = kept
    graph = _graph(chosen[0][0], f"{edit.filters},{EVEN}" if edit.filters else EVEN)
    base = Fraction(1, 90000)
    with av.open(str(path), "w") as target:
        stream = None
        for number, (frame, time) in enumerate(chosen):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            graph.push(frame)
            made = graph.pull()
            if stream is None:
                options = dict(edit.options)
                if edit.codec in ("libx264", "libx265"):
                    options["preset"] = "veryfast"
                stream = target.add_stream(edit.codec, rate=edit.rate or 25, options=options)
                stream.width, stream.height, stream.pix_fmt = made.width, made.height, "yuv420p"
                stream.codec_context.thread_count = 1
                if edit.codec != "mpeg4":
                    stream.codec_context.time_base = base
            clean = av.VideoFrame.from_ndarray(made.to_ndarray(), format="yuv420p")
            if edit.codec == "mpeg4":
                clean.pts, clean.time_base = number, Fraction(1, edit.rate or 25)
            else:
                clean.pts, clean.time_base = round((time - begin) / edit.speed / base), base
            target.mux(stream.encode(clean))
        target.mux(stream.encode(None))


def main(folder: Path, videos: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for video in videos:
        frames, times = pictures(video)
        for name, edit in EDITS.items():
            path = folder / f"{video.stem}.{name.replace(' ', '_').replace(':', '-')}.{edit.extension}"
            if not path.exists():
                write(frames, times, edit, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
