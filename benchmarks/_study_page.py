"""The page of the study: every number and every verdict on it is computed from the results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from _study_statistics import (
    LEVEL,
    Difference,
    Table,
    averages_of,
    best_way,
    complete,
    difference,
    pooled,
    table_of,
)  # fmt: skip

from synflow.evaluate.abilities import ABILITIES, AVERAGES, WORDS
from synflow.evaluate.outcome import write_text

ORDER = ("raw", "curation", "enrichment", "expansion", "negatives", "pyramid")
STEPS = tuple(zip(ORDER[1:], ORDER, strict=False))
"""Each way with the one that it adds something to."""
SAID = {
    "raw": "captions as they come",
    "curation": "+ curation",
    "enrichment": "+ enrichment",
    "expansion": "+ expansion",
    "negatives": "+ hard negatives",
    "pyramid": "+ pyramid",
}
SHARED = "`enrichment` trains on the t2v pairs of `expansion`, `negatives` and `pyramid` on all of them."
NAMES = {**{name: name for name in ABILITIES}, "abilities": "ability average", "datasets": "dataset average"}
COLORS = ("#888888", "#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677")


def write_page(results: Mapping[str, Any], folder: Path) -> None:
    """Write ``study.md`` and its plots into a folder."""
    if not results["cells"]:
        return
    tables = table_of(results), table_of(results, 1)
    shares = complete(tables[0], ORDER)
    if not shares or pooled(tables[0], "abilities")[1] < 4:
        return
    text = "\n\n".join(part for part in _parts(results, *tables, shares) if part) + "\n"
    write_text(folder / "study.md", text)
    write_text(folder / "study.svg", drawn(tables[0], shares))


def _parts(results: Mapping[str, Any], table: Table, finer: Table, shares: Sequence[int]) -> list[str]:
    return [
        _opening(results, table, finer, shares),
        "![Ability average by way and share of false captions](study.svg)",
        _made(results, table, shares),
        "## What the runs hold",
        _runs(results, shares),
        "## Scores",
        "Mean and standard deviation over seeds, in points (hundredths), by each task's own metric (R@1 of most): "
        + ", ".join(f"{name} {WORDS[name]}" for name in ABILITIES)
        + ".",
        _scores(results, table, shares, 0),
        "By the mean reciprocal rank, which is finer, since few of the first ranks are hit:",
        _scores(results, finer, shares, 1),
        "## What each step adds",
        _steps(table, finer, shares),
        "## False captions",
        _noise(table, shares),
        "## The paper's claims",
        _claims(table, finer, shares),
        _limits(results, table, shares),
    ]


def said(one: Difference) -> str:
    """Return a difference in points (hundredths) with its interval."""
    return f"{100 * one.value:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"


def _cell(one: Difference | None) -> str:
    if one is None:
        return "not trained"
    return f"**{said(one)}**" if one.outside else said(one)


def _verdict(one: Difference) -> str:
    return "outside the spread of seeds" if one.outside else "inside the spread of seeds"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""])) or "none"


def _percents(shares: Sequence[int]) -> str:
    return _listed([f"{share} %" for share in shares])


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _better(table: Table, one: str, other: str, shares: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the abilities on which a way is better, and worse, by more than the spread."""
    apart = {name: difference(table, one, other, name, shares) for name in ABILITIES}
    sure = {name: found for name, found in apart.items() if found is not None and found.outside}
    return [name for name in sure if sure[name].value > 0], [name for name in sure if sure[name].value < 0]


def _opening(results: Mapping[str, Any], table: Table, finer: Table, shares: Sequence[int]) -> str:
    best = best_way(table, ORDER, shares)
    lines = [
        "# The study: which part of the data helps, and on what",
        "<!-- Written by `python benchmarks/study.py --write` from docs/study.json; do not edit. -->",
        "A tiny embedder is trained on a rendered world in six ways, each of which adds one part of the pipeline to "
        "the one before, and scored on [UVRB's 16 tasks in miniature](evaluate.md#the-miniature). It compares ways of "
        "making data with one another on a toy; it says nothing of the scores of real models.",
    ]
    if best == "raw":
        lines.append(f"**No way beats raw captions** on the ability average over {_percents(shares)} false captions.")
    else:
        apart = difference(table, best, "raw", "abilities", shares)
        assert apart is not None
        more, less = _better(table, best, "raw", shares)
        lines.append(
            f"**The best recipe is `{best}`: {said(apart)} points of the ability average over raw captions**, "
            f"{_verdict(apart)} (mean over {_percents(shares)} false captions, {LEVEL:.0%} interval). Outside the "
            f"spread it is better on {_listed(more)}, and worse on {_listed(less)}."
        )
        by_share = [f"{share} %: {_cell(difference(table, best, 'raw', 'abilities', [share]))}" for share in shares]
        lines.append("By share of false captions, " + "; ".join(by_share) + ".")
    rank = difference(finer, best, "raw", "abilities", shares) if best != "raw" else None
    if rank is not None:
        lines.append(f"By the mean reciprocal rank, which is finer, it is {said(rank)}, {_verdict(rank)}.")
    told = results.get("queries", {}).get(best, {})
    if told:
        apart = {name: Difference(*values, 0) for name, values in told.items()}
        more = [name for name in ABILITIES if apart[name].low > 0]
        less = [name for name in ABILITIES if apart[name].high < 0]
        lines.append(
            f"Over the choice of queries instead of seeds (paired bootstrap of the means over seeds) it is "
            f"{said(apart['abilities'])}; outside that spread it is better on {_listed(more)}, and worse on "
            f"{_listed(less)}."
        )
    return "\n\n".join(lines)


def _made(results: Mapping[str, Any], table: Table, shares: Sequence[int]) -> str:
    plan = results["plan"]
    seeds = _listed([str(n) for n in sorted({len(table[way, share]) for way in ORDER for share in shares})])
    points = {
        "World": f"{plan['clips']} clips of `synflow world` with seed {plan['world_seed']}; {plan['defects']:.0%} "
        "have a planted defect. Those that it plants in captions are taken out again: captions are false in the share "
        "that is asked for, three in four of them swapped among clips, one in four an advertisement. The clips are "
        "the same in all shares, and a caption that is false at one share is so at each larger one.",
        "Base": f"the tiny Qwen2.5-VL of the trainer (0.7 million weights), trained from random weights for "
        f"{plan['base_steps']} steps of 32 on true short captions of {plan['base_clips']} clips of another world (seed "
        f"{plan['base_seed']}). It stands for a model that has seen videos before, as Qwen2.5-VL has.",
        "Ways": "`raw`: `validate`, and the caption with its whole video. `curation`: all filters (`shots`, `rectify`, "
        "`quality`, `dynamics`, `dedup`, `consistency`); each shot is then a clip that keeps the caption of its video. "
        "`enrichment`: `enrich` and `audit`, t2v on captions of all "
        "styles and on parts of them. `expansion`: all seven tasks by plain mixing. `negatives`: for each pair of t2v, "
        "ti2v and tv2v one that the base mined, and the texts that `expand` made false. `pyramid`: tasks drawn by the "
        "curriculum, the model its own prober.",
        "Training": f"{plan['steps']} steps of 32 pairs in each way, in three epochs, with the vision tower frozen: "
        f"all ways see as many pairs. {seeds} seeds, which draw the order of pairs and tasks.",
        "Benchmark": f"the miniature with {plan['mini']} clips, whose seeds no training has.",
        "Models of the pipeline": "there were no weights of a vision-language model: captions and composed texts are "
        "written by `signals` from what it measures.",
        "Spread": f"one standard deviation over seeds is estimated for each ability from all cells together "
        f"({pooled(table, 'abilities')[1]} degrees of freedom). Intervals are Student's at {LEVEL:.0%}; *outside the "
        "spread* means that the interval of a difference leaves out zero. Of the comparisons below about one in twenty "
        "is outside by chance; nothing is corrected for that. The clips of the benchmark are the same for all, so "
        "their choice is not in the spread.",
    }
    return "## How it was made\n\n" + "\n".join(f"* **{name}**: {text}" for name, text in points.items())


def _runs(results: Mapping[str, Any], shares: Sequence[int]) -> str:
    rows = []
    for share in shares:
        for name in ("raw", "curation", "expansion"):
            one = results["runs"][f"{name}/{share}"]
            tasks = ", ".join(f"{task} {number}" for task, number in one["pairs"].items())
            wrong = f"{one['false']} of {one['raw']} ({one['false'] / max(1, one['raw']):.1%})"
            rows.append([f"{share} %", f"`{name}`", str(one["videos"]), tasks, wrong])
    head = ["false captions", "run", "videos", "pairs", "pairs on a caption as it came, of these false"]
    return f"{_rows(head, rows)}\n\n{SHARED}"


def _scores(results: Mapping[str, Any], table: Table, shares: Sequence[int], place: int) -> str:
    rows = []
    for name, told in (("chance", "one draw of random vectors"), ("base", "before any of the trainings")):
        if name in results:
            own = averages_of(results[name], place)
            rows.append([f"*{name}*", told, *(f"{100 * own[one]:.1f}" for one in AVERAGES)])
    for share in shares:
        for way in ORDER:
            seeds = table[way, share]
            rows.append([f"`{way}`", f"{share} %", *(_spread([run[one] for run in seeds]) for one in AVERAGES)])
    return _rows(["way", "false captions", *(NAMES[one] for one in AVERAGES)], rows)


def _spread(values: Sequence[float]) -> str:
    many = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{many}"


def _steps(table: Table, finer: Table, shares: Sequence[int]) -> str:
    names = (*ABILITIES, "abilities")
    parts = []
    for label, one in (("each task's own metric", table), ("the mean reciprocal rank", finer)):
        rows = [
            [f"`{way}` over `{before}`", *(_cell(difference(one, way, before, name, shares)) for name in names)]
            for way, before in (*STEPS, ("pyramid", "raw"))
        ]
        head = ["step", *(NAMES[name] for name in names)]
        parts.append(f"By {label}, mean over {_percents(shares)}; **bold** is outside the spread:")
        parts.append(_rows(head, rows))
    for way, before in STEPS:
        more, less = _better(table, way, before, shares)
        parts.append(f"* **{SAID[way]}** helps {_listed(more)}, hurts {_listed(less)}, and shows nothing elsewhere.")
    return "\n\n".join(parts[:4]) + "\n\n" + "\n".join(parts[4:])


def _noise(table: Table, shares: Sequence[int]) -> str:
    if len(shares) < 2:
        return "Only one share of false captions was trained."
    low, high = shares[0], shares[-1]
    rows = []
    for way in ORDER:
        found = [difference(table, way, way, name, [high], [low]) for name in (*ABILITIES, "abilities")]
        rows.append([f"`{way}`", *map(_cell, found)])
    head = ["way", *(NAMES[name] for name in (*ABILITIES, "abilities"))]
    lost = [way for way in ORDER if _moved(table, way, low, high) < 0]
    gained = [way for way in ORDER if _moved(table, way, low, high) > 0]
    verdict = (
        f"Outside the spread, {high} % instead of {low} % false captions cost the ability average of "
        f"{_listed([f'`{way}`' for way in lost])}, and raised that of {_listed([f'`{way}`' for way in gained])}."
    )
    return f"Scores at {high} % less those at {low} %:\n\n{_rows(head, rows)}\n\n{verdict}"


def _moved(table: Table, way: str, low: int, high: int) -> float:
    found = difference(table, way, way, "abilities", [high], [low])
    return found.value if found is not None and found.outside else 0.0


def _claims(table: Table, finer: Table, shares: Sequence[int]) -> str:
    lines = []
    for claim, way, before, name in (
        ("Composed queries (CMP) come from synthesized data: UVRD adds 27 % to CMP of the 3B model.", "expansion",
         "enrichment", "CMP"),
        ("The same against raw captions.", "expansion", "raw", "CMP"),
        ("The curriculum adds 0.5 to 0.7 points to the average.", "pyramid", "negatives", "abilities"),
    ):  # fmt: skip
        found, rank = (difference(one, way, before, name, shares) for one in (table, finer))
        assert found is not None and rank is not None
        lines.append(
            f"* *{claim}* Here `{way}` over `{before}` is {said(found)} points of {NAMES[name]} ({_verdict(found)}), "
            f"by rank {said(rank)} ({_verdict(rank)}): {_held(found, rank)}."
        )
    lead = "Of [Guo et al.](https://arxiv.org/abs/2510.27571), held against ours:"
    return lead + "\n\n" + "\n".join(lines)


def _held(found: Difference, rank: Difference) -> str:
    sure = [one.value for one in (found, rank) if one.outside]
    if not sure:
        return "neither confirmed nor refuted by this study"
    if len({value > 0 for value in sure}) == 2:
        return "the two measures contradict each other"
    by = "" if len(sure) == 2 else " by one of the two measures"
    return f"confirmed{by}" if sure[0] > 0 else f"not so here{by}"


def _limits(results: Mapping[str, Any], table: Table, shares: Sequence[int]) -> str:
    seeds = sorted({len(table[way, share]) for way in ORDER for share in shares})
    partial = sorted({share for _, share in table} - set(shares))
    lines = [
        "A model of 0.7 million weights on drawn shapes, trained for a minute: what helps it need not help a 3B model.",
        "The base knows short true captions already, so what raw captions could add is small.",
        f"{_listed([str(one) for one in seeds])} seeds of training, one world, one base, one draw of the benchmark.",
        "Trainings have as many pairs, not as much computation: long captions and hard negatives make steps longer.",
    ]
    missing = sorted({0, 20, 40} - set(shares))
    if missing:
        lines.append(f"{_percents(missing)} false captions were not trained in all ways; the same command goes on.")
    if partial:
        lines.append(f"Cells of {_percents(partial)} that were trained are in the JSON, and count for the spread.")
    return "## What it does not say\n\n" + "\n".join(f"* {line}" for line in lines)


def drawn(table: Table, shares: Sequence[int]) -> str:
    """Return a plot of the ability average, bars with the spread over seeds; the same bytes for the same table."""
    import pygal
    from pygal.style import Style

    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "PluginImportFixer"]
    chart = pygal.Bar(
        js=[], disable_xml_declaration=True, width=760, height=360, pretty_print=False, print_values=False,
        y_title="ability average, points", x_title="false captions", style=Style(colors=COLORS, background="white"),
        title="MiniUVRB, mean over seeds and one pooled standard deviation", show_minor_y_labels=True,
    )  # fmt: skip
    chart.uuid = "study"
    chart.x_labels = [f"{share} %" for share in shares]
    deviation, _ = pooled(table, "abilities")
    for way in ORDER:
        bars = []
        for share in shares:
            value = 100 * fmean(run["abilities"] for run in table[way, share])
            low, high = round(value - 100 * deviation, 2), round(value + 100 * deviation, 2)
            bars.append({"value": round(value, 2), "ci": {"low": low, "high": high}})
        chart.add(way, bars)
    text: str = chart.render(is_unicode=True)
    return text
