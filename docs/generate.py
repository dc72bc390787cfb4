"""Writes stages.md, manifest.md and prompts.md from the code: parameters, units, reason codes, keys, slots, schemas.

Run: ``python docs/generate.py`` (``--check`` only compares, and exits 1 where a page is stale).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifest_page import manifest_page
from markdown import attributes_of, cell, first_paragraph, table
from prompts_page import prompts_page

from synflow.chain import ENGINE_REASONS, MEDIA_REASONS
from synflow.registry import stage_classes

FOLDER = Path(__file__).resolve().parent
ORDER = (
    "validate",
    "shots",
    "rectify",
    "quality",
    "dynamics",
    "scores",
    "dedup",
    "consistency",
    "partners",
    "enrich",
    "audit",
    "expand",
    "exclude",
    "need",
    "quota",
)

HEAD = """\
# Stages

<!-- Written by docs/generate.py from the code; edit the docstrings there. -->

The built-in stages in the order in which a full pipeline names them. Any subset in this order is a legal manifest.
A parameter that a manifest leaves out takes the default of its table. `synflow stages NAME` prints the same in the
terminal, `synflow stages --schema` the JSON Schema of a whole manifest. To write one of your own, see
[write-a-stage.md](write-a-stage.md).
"""


MEASURES: Mapping[str, str] = {
    "validate.duration": "seconds, of the asked span where there is one",
    "validate.short_side": "pixels of the shorter display side",
    "validate.aspect": "display width over height",
    "validate.frames": "pictures that the packets announce",
    "validate.fps": "pictures per second, on average",
    "shots.count": "shots of the source, within the asked span",
    "shots.cuts": "cuts between them",
    "shots.longest": "seconds of the longest piece that becomes a clip",
    "rectify.captions": "captions that came with the clip",
    "rectify.removed": "captions that a rule removed",
    "rectify.repaired": "captions that were kept with a changed text",
    "rectify.shared": "captions removed because several sources have them",
    "quality.sharpness": "share of its height that a strong edge climbs within one pixel; upper quartile of the stills",
    "quality.exposure": "mean luma of the clip, 0 (black) to 1 (white)",
    "quality.contrast": "spread of its luma (95th less 5th percentile), 0 to 1",
    "quality.highlights": "95th percentile of its luma: how bright its brightest parts are, 0 to 1",
    "quality.under": "share of the pixels that are nearly black (luma of 0.1 and less), 0 to 1",
    "quality.over": "share of the pixels that are blown out (luma of 0.97 and more), 0 to 1",
    "quality.black": "share of the pictures that are nearly black, 0 to 1",
    "quality.frozen": "longest stretch of identical pictures, as a share of the clip",
    "quality.frozen_seconds": "the same in seconds",
    "quality.moving": "share of the time in which pictures differ from the one before, 0 to 1",
    "quality.resting": "share of the time in which a picture stands for 0.6 s or longer, 0 to 1",
    "quality.slides": "how many different pictures stand so long, one after the other",
    "quality.blockiness": "steps across block borders over steps elsewhere; 1 is none. Of codecs that do not smooth "
    "borders (MPEG-2, MPEG-4 part 2, MJPEG) a quarter counts",
    "quality.noise": "standard deviation of the noise where the picture is plain, in grey levels of 255",
    "quality.combing": "share of the picture in which two fields stand interlaced, upper quartile over time, 0 to 1",
    "quality.text": "share of the picture that lines of writing cover, median of the stills, 0 to 1",
    "quality.text_static": "the part of it that stands still through the clip, as a share of the picture, 0 to 1",
    "quality.overlay": "share of the picture that edges cover which stand while it moves; 0 where the camera stands",
    "quality.screen": "share of the picture that is plain paper with sharp things on it (a screen, a slide), 0 to 1",
    "quality.colour": "root mean square colour beyond one tint, in grey levels; about 0 for black-and-white and sepia",
    "quality.tint": "root mean square colour of that tint, in grey levels; about 0 for black-and-white",
    "quality.crop_left": "left edge of the inner picture, as a share of the width; 0 where there is no bar",
    "quality.crop_top": "upper edge of the inner picture, as a share of the height; 0 where there is no bar",
    "quality.crop_right": "right edge of the inner picture, as a share of the width; 1 where there is no bar",
    "quality.crop_bottom": "lower edge of the inner picture, as a share of the height; 1 where there is no bar",
    "scores.quality": "technical quality as the embedder sees it, 0 (bad) to 1 (good); mean of the stills",
    "scores.aesthetic": "beauty as the embedder sees it, 0 (ugly) to 1 (beautiful); mean of the stills",
    "dynamics.residual": "motion beyond the camera's, picture widths per second (mean of the strongest 5 %), "
    "median over time",
    "dynamics.moving": "share of the picture that moves by itself, 0 to 1, mean over time",
    "dynamics.changed": "share of the picture that changes over 4 s beyond camera, light and what changes at one blow, "
    "0 to 1, median over time",
    "dynamics.busy": "the same, 75th percentile over time",
    "dynamics.travel": "how far one small thing goes through a picture that is otherwise still, picture widths",
    "dynamics.speed": "how fast what is seen moves, camera and all, picture widths per second",
    "dynamics.camera": "what the camera does: still, pan, tilt, zoom, roll, shake or mixed; clear combinations as "
    "`pan+zoom`, strongest first",
    "dynamics.camera_direction": "where it goes: left, right, up, down, in, out, clockwise or counterclockwise, "
    "likewise",
    "dynamics.camera_speed": "how fast it moves the edge of the picture, picture widths per second",
    "dynamics.jumps": "share of the moments in which a picture is not found again 0.2 s later, 0 to 1",
    "dynamics.stutter": "times per second that the film stands and then jumps",
    "dynamics.flashes": "flashes of the whole picture (a tenth of full brightness up and down again) per second",
    "dynamics.flags": "which of jumps, stutter, flashes and speed are unusual, joined by `+`; empty where none is",
    "dynamics.grain": "standard deviation of the grain, grey levels at 160 pixels",
    "dedup.phash": "perceptual hash of the clip over time, hexadecimal",
    "dedup.forbidden": "captions removed because a list of `forbidden` has them",
    "consistency.score": "how well caption and pictures fit: cosine of their embeddings, -1 to 1",
    "consistency.supported": "claims of the captions that the measures support",
    "consistency.contradicted": "claims that they contradict",
    "consistency.unknown": "claims that nothing measured speaks to",
    "consistency.rank": "place of the clip among its neighbours when its caption is searched for; 1 is best",
    "consistency.rivals": "how many neighbours those are",
    "enrich.kept": "captions that the model wrote and that passed all checks",
    "enrich.faults": "captions, or whole answers, that did not, after the second request",
    "enrich.fault.*": "of those, how many for that fault",
    "enrich.first.*": "the same after the first request",
    "enrich.retried": "requests that were sent a second time, with the faults named",
    "enrich.withheld": "whether the caption that came with the clip gives orders, so that the model was not shown it",
    "enrich.short_and_long": "whether one caption has fewer than 20 words and one more than 100",
    "audit.supported": "claims that the measures, or the model that was asked, support",
    "audit.contradicted": "claims that they contradict",
    "audit.unknown": "claims that neither speaks to",
    "audit.removed": "captions removed for a contradicted claim",
    "audit.replaced": "of those, how many another of the five stands in for",
    "audit.asked": "claims that were put to the model",
    "audit.torn": "of those, how many it answered alike both ways round, so that it contradicted itself",
    "audit.distrusted": "captions on which it did so too often, so that none of its answers counts",
    "audit.style.*": "of captions of that style by a model: `captions`, how many were `removed`, and their claims by "
    "verdict",
    "audit.axis.*": "the same of captions of that emphasis",
    "audit.prompt.*": "the same of captions by that prompt",
    "expand.pairs": "pairs made of the clip",
    "expand.refused": "composed texts that the model refused or that could not be used",
    "expand.unfit": "composed texts that the model, as a judge, found not to fit their target",
    "exclude.pairs": "pairs of the clip that a list left out",
    "partners.found": "other videos that composed pairs of the clip may lead to, 0 to 3",
    "need.kept": "composed pairs whose target was found by text and reference together, and by neither alone",
    "need.unchecked": "composed pairs that are kept although the embedder could not place one of their inputs",
    "need.text-finds": "composed pairs left out because the text alone finds the target",
    "need.reference-finds": "composed pairs left out because the picture or clip alone finds the target",
    "need.stray": "composed pairs left out because most videos stand before the target by the picture or clip alone",
    "need.no-gain": "composed pairs left out because both together find the target hardly better than one alone",
    "need.too-wide": "composed pairs left out because too many videos stand before the target even by both",
    "need.unknown": "composed pairs left out because the embedder could not place one of their inputs",
    "need.unbound": "composed pairs left out because a vector was made from something else than was sent",
}
"""What the stages measure, with units; a test compares the names with those of a run."""


def kind_of(stage: Any) -> str:
    """Return how a stage looks at samples, in words."""
    corpus = any("settle" in base.__dict__ for base in stage.__mro__)
    sample = any("__call__" in base.__dict__ for base in stage.__mro__)
    if corpus and sample:
        return "sees each sample, and once the whole corpus"
    return "sees the whole corpus" if corpus else "sees each sample by itself"


def chapter(name: str, stage: Any) -> list[str]:
    """Return the chapter on one stage, as lines."""
    uses = ", ".join(f"`{one}`" for one in sorted(stage.uses))
    facts = f"Version {stage.version}; {kind_of(stage)}" + (f"; asks for {uses}." if uses else ".")
    lines = [f"## {name}", "", cell(first_paragraph(stage.__doc__)), "", facts, ""]
    said = attributes_of(stage.Config.__doc__ or "")
    rows = []
    for field, info in stage.Config.model_fields.items():
        default = json.dumps(info.get_default(call_default_factory=True), default=list, ensure_ascii=False)
        # A parameter that is only spoken of in the words on another one is explained there.
        elsewhere = next((f"see `{other}`" for other, words in said.items() if f"`{field}`" in words), "")
        meaning = info.description or said.get(field, "") or elsewhere
        rows.append((f"`{field}`", f"`{default}`", cell(meaning).rstrip(".")))
    lines += table(("parameter", "default", "meaning"), rows) if rows else ["It has no parameters.", ""]
    found = [(f"`{measure}`", meaning) for measure, meaning in MEASURES.items() if measure.split(".")[0] == name]
    lines += table(("measure", "unit and meaning"), found) if found else []
    lines += replayed(stage)
    return lines + reasons(stage.reasons)


def replayed(stage: Any) -> list[str]:
    """Return what `synflow replay` can change, or nothing."""
    told = [f"`{field}`" for field in stage.Config.model_fields if field in getattr(stage, "decides", ())]
    return [f"Can be tried without a run (`synflow replay`): {', '.join(told)}.", ""] if told else []


def reasons(codes: Mapping[str, str]) -> list[str]:
    """Return the table of reason codes, or nothing where there are none."""
    rows = [(f"`{code}`", cell(meaning)) for code, meaning in codes.items()]
    return table(("reason", "a sample is dropped because"), rows) if rows else []


def stages_page() -> str:
    """Return the page on the stages."""
    classes = stage_classes()
    ours = [name for name in ORDER if name in classes]
    lines = [HEAD]
    for name in ours:
        lines += chapter(name, classes[name])
    lines += ["## Reasons of the engine", "", "A drop for which no stage is to blame:", ""]
    lines += reasons({**ENGINE_REASONS, **MEDIA_REASONS})
    return "\n".join(lines).rstrip() + "\n"


PAGES = {"stages.md": stages_page, "manifest.md": manifest_page, "prompts.md": prompts_page}


def main() -> int:
    """Write the pages, or compare them."""
    stale = 0
    for name, page in PAGES.items():
        text, path = page(), FOLDER / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"{name} is stale", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
