"""The page of the study: every number and every verdict on it is computed from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _study_plots import gains_drawn, scores_drawn
from _study_statistics import (
    LEVEL,
    Difference,
    Table,
    averages_of,
    best_way,
    complete,
    difference,
    mean_of,
    pooled,
    table_of,
)  # fmt: skip
from _study_words import cell_of, listed, percents, said, spread_of, table_in, verdict_on

from synflow.evaluate.abilities import ABILITIES, AVERAGES, WORDS
from synflow.evaluate.outcome import write_text
from synflow.records import TASKS

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


def write_page(results: Mapping[str, Any], folder: Path) -> None:
    """Write ``study.md`` and its plots into a folder."""
    if not results["cells"]:
        return
    tables = table_of(results), table_of(results, 1)
    shares = complete(tables[0], ORDER)
    if not shares or pooled(tables[0], "abilities")[1] < 4:
        return
    for place, table in enumerate(tables):
        # One training like any other: it counts as one draw, and adds nothing to the estimate of the spread.
        table.update({("base", share): [averages_of(results["base"], place)] for share in shares})
    text = "\n\n".join(part for part in _parts(results, *tables, shares) if part) + "\n"
    write_text(folder / "study.md", text)
    write_text(folder / "study-scores.svg", scores_drawn(tables[0], ORDER, shares))
    write_text(folder / "study-gains.svg", gains_drawn(tables[1], ORDER, shares))


def _parts(results: Mapping[str, Any], table: Table, finer: Table, shares: Sequence[int]) -> list[str]:
    return [
        _opening(results, table, finer, shares),
        "![Ability average by way and share of false captions](study-scores.svg)",
        "![What each way adds to raw captions, by ability](study-gains.svg)",
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
        _noise(results, table, shares),
        "## The paper's claims",
        _claims(table, finer, shares),
        _limits(results, table, finer, shares),
    ]


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
        lines.append(f"**No way beats raw captions** on the ability average over {percents(shares)} false captions.")
    else:
        apart = difference(table, best, "raw", "abilities", shares)
        assert apart is not None
        more, less = _better(table, best, "raw", shares)
        lines.append(
            f"**The best recipe is `{best}`: {said(apart)} points of the ability average over raw captions**, "
            f"{verdict_on(apart)} (mean over {percents(shares)} false captions, {LEVEL:.0%} interval; it is the best "
            "of six, which flatters it). Outside the spread it is better on "
            f"{listed(more)}, and worse on {listed(less)}."
        )
        by_share = [f"{share} %: {cell_of(difference(table, best, 'raw', 'abilities', [share]))}" for share in shares]
        lines.append("By share of false captions, " + "; ".join(by_share) + ".")
    rank = difference(finer, best, "raw", "abilities", shares) if best != "raw" else None
    if rank is not None:
        lines.append(f"By the mean reciprocal rank, which is finer, it is {said(rank)}, {verdict_on(rank)}.")
    told = results.get("queries", {}).get(best, {})
    if told:
        apart = {name: Difference(*values, 0) for name, values in told.items()}
        more = [name for name in ABILITIES if apart[name].low > 0]
        less = [name for name in ABILITIES if apart[name].high < 0]
        lines.append(
            f"Over the choice of queries instead of seeds (paired bootstrap of the means over seeds) it is "
            f"{said(apart['abilities'])}; outside that spread it is better on {listed(more)}, and worse on "
            f"{listed(less)}."
        )
    return "\n\n".join(lines)


def _made(results: Mapping[str, Any], table: Table, shares: Sequence[int]) -> str:
    plan = results["plan"]
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
        "curriculum, the model its own prober. (`expand` was of version 4: a shot with texts of its own "
        "could still have the caption of its video beside them.)",
        "Training": f"{plan['steps']} steps of 32 pairs in each way, in three epochs, with the vision tower frozen: "
        f"all ways see as many pairs. Seeds draw the order of pairs and tasks; there are {_seeds(table, shares)}. So "
        f"what other tasks get is missing in t2v, which gets {_of_t2v(results)} of the steps.",
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


def _seeds(table: Table, shares: Sequence[int]) -> str:
    """Return how many seeds each share was trained with, in words."""
    return listed([f"{min(len(table[way, share]) for way in ORDER)} at {share} %" for share in shares])


def _of_t2v(results: Mapping[str, Any]) -> str:
    """Return the share of the steps that are of t2v, by way, in words."""
    found = []
    for way in ORDER:
        drawn = [cell["steps"] for key, cell in results["cells"].items() if key.split("/")[0] == way]
        found.append(
            f"{sum(one.get('t2v', 0) for one in drawn) / sum(sum(one.values()) for one in drawn):.0%} (`{way}`)"
        )
    return listed(found)


def _runs(results: Mapping[str, Any], shares: Sequence[int]) -> str:
    rows = []
    for share in shares:
        for name in ("raw", "curation", "expansion"):
            one = results["runs"][f"{name}/{share}"]
            tasks = ", ".join(f"{task} {one['pairs'][task]}" for task in TASKS if task in one["pairs"])
            wrong = f"{one['false']} of {one['raw']} ({one['false'] / max(1, one['raw']):.1%})"
            rows.append([f"{share} %", f"`{name}`", str(one["videos"]), tasks, wrong])
    head = ["false captions", "run", "videos", "pairs", "pairs on a caption as it came, of these false"]
    return f"{table_in(head, rows)}\n\n{SHARED}"


def _scores(results: Mapping[str, Any], table: Table, shares: Sequence[int], place: int) -> str:
    rows = []
    for name, told in (("chance", "one draw of random vectors"), ("base", "before any of the trainings")):
        if name in results:
            own = averages_of(results[name], place)
            rows.append([f"*{name}*", told, *(f"{100 * own[one]:.1f}" for one in AVERAGES)])
    for share in shares:
        for way in ORDER:
            seeds = table[way, share]
            rows.append([f"`{way}`", f"{share} %", *(spread_of([run[one] for run in seeds]) for one in AVERAGES)])
    return table_in(["way", "false captions", *(NAMES[one] for one in AVERAGES)], rows)


def _steps(table: Table, finer: Table, shares: Sequence[int]) -> str:
    names = (*ABILITIES, "abilities")
    parts = []
    for label, one in (("each task's own metric", table), ("the mean reciprocal rank", finer)):
        rows = [
            [f"`{way}` over `{before}`", *(cell_of(difference(one, way, before, name, shares)) for name in names)]
            for way, before in (("raw", "base"), *STEPS, ("pyramid", "raw"))
        ]
        head = ["step", *(NAMES[name] for name in names)]
        parts.append(f"By {label}, mean over {percents(shares)}; **bold** is outside the spread:")
        parts.append(table_in(head, rows))
    for way, before in STEPS:
        (more, less), (finer_more, finer_less) = (_better(one, way, before, shares) for one in (table, finer))
        parts.append(
            f"* **{SAID[way]}** helps {listed(more)}, hurts {listed(less)}; by rank it helps {listed(finer_more)}, "
            f"hurts {listed(finer_less)}. Elsewhere nothing shows."
        )
    return "\n\n".join(parts[:4]) + "\n\n" + "\n".join(parts[4:])


def _noise(results: Mapping[str, Any], table: Table, shares: Sequence[int]) -> str:
    if len(shares) < 2:
        return "Only one share of false captions was trained."
    low, high = shares[0], shares[-1]
    rows = []
    for way in ORDER:
        found = [difference(table, way, way, name, [high], [low]) for name in (*ABILITIES, "abilities")]
        rows.append([f"`{way}`", *map(cell_of, found)])
    head = ["way", *(NAMES[name] for name in (*ABILITIES, "abilities"))]
    lost = [way for way in ORDER if _moved(table, way, low, high) < 0]
    gained = [way for way in ORDER if _moved(table, way, low, high) > 0]
    verdict = (
        f"Outside the spread, {high} % instead of {low} % false captions cost the ability average of "
        f"{listed([f'`{way}`' for way in lost])}, and raised that of {listed([f'`{way}`' for way in gained])}."
    )
    left = ", ".join(
        f"{one['false'] / max(1, one['raw']):.0%} after `{name}`"
        for name in ("raw", "curation", "expansion") for one in [results["runs"][f"{name}/{high}"]]
    )  # fmt: skip
    verdict += f" Of the captions that came with the clips, at {high} % these are false: {left}."
    return f"Scores at {high} % less those at {low} %:\n\n{table_in(head, rows)}\n\n{verdict}"


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
        before_it = mean_of(table, before, name, shares)
        relative = f", {found.value / before_it:+.0%}" if before_it else ""
        lines.append(
            f"* *{claim}* Here `{way}` over `{before}` is {said(found)} points of {NAMES[name]}{relative} "
            f"({verdict_on(found)}), by rank {said(rank)} ({verdict_on(rank)}): {_held(found, rank)}."
        )
    lead = "Of [Guo et al.](https://arxiv.org/abs/2510.27571), held against ours:"
    return lead + "\n\n" + "\n".join(lines)


def _held(found: Difference, rank: Difference) -> str:
    sure = [one.value for one in (found, rank) if one.outside]
    if not sure:
        return "this study does not decide it"
    if len({value > 0 for value in sure}) == 2:
        return "the two measures contradict each other"
    by = "" if len(sure) == 2 else ", by one of the two measures"
    return f"it holds here too{by}" if sure[0] > 0 else f"it does not hold here, it is worse{by}"


def _lower(results: Mapping[str, Any], table: Table, way: str, shares: Sequence[int]) -> list[str]:
    """Return the abilities on which a way is below the base, by more than the spread or not."""
    own = averages_of(results["base"], 1)
    return [name for name in ABILITIES if mean_of(table, way, name, shares) < own[name]]


def _limits(results: Mapping[str, Any], table: Table, finer: Table, shares: Sequence[int]) -> str:
    partial = sorted({share for _, share in table} - set(shares))
    best = best_way(table, ORDER, shares)
    lines = [
        "A model of 0.7 million weights on drawn shapes, trained for a minute: what helps it need not help a 3B model.",
        "The base knows short true captions already, so what raw captions can add is small: by rank they leave it "
        f"lower on {listed(_lower(results, finer, 'raw', shares))}, and `{best}` on "
        f"{listed(_lower(results, finer, best, shares))}.",
        f"Seeds of training are {_seeds(table, shares)}; of world, base and benchmark there is one draw each.",
        "Trainings have as many pairs, not as much computation: long captions and hard negatives make steps longer.",
    ]
    missing = sorted({0, 20, 40} - set(shares))
    if missing:
        lines.append(f"{percents(missing)} false captions were not trained in all ways; the same command goes on.")
    if partial:
        lines.append(f"Cells of {percents(partial)} that were trained are in the JSON, and count for the spread.")
    return "## What it does not say\n\n" + "\n".join(f"* {line}" for line in lines)
