"""``synflow world``: render clips whose truth is known."""

from __future__ import annotations

from pathlib import Path

from synflow.commands.output import shell
from synflow.console import count_of, duration_of, listed, people


def render_world(folder: Path, *, clips: int, seed: int, defects: float) -> int:
    """Render a miniature world into ``folder``; return the exit code."""
    from rich.text import Text

    from synflow.world.render import render_world as render

    console = people()
    console.print(Text(f"rendering {count_of(clips, 'clip')} ...", style="dim"))
    made = render(folder, clips, seed, defects)
    rate = made.clips / made.seconds if made.seconds else 0.0
    console.print(Text(f"{count_of(made.clips, 'clip')} in {duration_of(made.seconds)} ({rate:.1f} clips/s)"))
    if made.defects:
        console.print(
            Text(f"{sum(made.defects.values())} have a known defect: {listed(made.defects, 20)}", style="dim")
        )
    lines = (("videos.jsonl", "the list that a manifest reads"), ("truth.jsonl", "what each clip shows"))
    for name, does in lines:
        console.print(Text.assemble(f"  {shell(folder / name)}", (f"   {does}", "dim")), soft_wrap=True)
    return 0
