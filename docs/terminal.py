"""Writes docs/terminal.svg: what `synflow inspect` says of the demo's run, as a terminal shows it.

Run: ``python docs/terminal.py [RUN]`` after ``make demo``.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

WIDTH = 100
HEAD, SAMPLE = 24, 15
"""Lines from the beginning, and from where the pairs begin."""


def main() -> None:
    """Run the command, and draw what it says."""
    run = sys.argv[1] if len(sys.argv) > 1 else "runs/demo"
    command = ["synflow", "inspect", run]
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=True, env=env)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ synflow inspect runs/demo", style="bold"))
    told = done.stderr.replace(run, "runs/demo").splitlines()
    pairs = next(place for place, line in enumerate(told) if "Sample pairs" in line)
    console.print(Text.from_ansi("\n".join([*told[:HEAD], "...", "", *told[pairs : pairs + SAMPLE]])))
    # Without the fonts that the usual format fetches: a picture in a README asks no other host.
    shape = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="synflow", code_format=shape.replace("Fira Code, monospace", "monospace"))
    (Path(__file__).resolve().parent / "terminal.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
