"""What the stage `rectify` catches: captions are damaged in known ways; each must be mended, or removed for its reason.

Run: ``python benchmarks/captions.py [--captions FOLDER] [--each 300] [--json]``. FOLDER holds `*.jsonl` lists of
captions that people wrote (``text``, perhaps ``lang`` and ``kind``); without it the captions of the miniature world
are damaged. Half of the videos (``--half 0`` or ``1``) are taken, so that rules can be tuned on the other.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import random
import re
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stages.rectify import Rectify, RectifyConfig
from stages.rules.language import foreign
from stages.rules.text import normal
from synflow.records import Caption

Damage = Callable[[str, random.Random], str]

BOILERPLATE = (
    "Thanks for watching! Please like and subscribe.", "Subscribe to our channel for weekly videos!",
    "© {n} Blue River Media. All rights reserved.", "Don't forget to hit that like button and subscribe!",
    "Royalty free music for creators, download in HD", "Follow me on Instagram @someone for more",
    "Buy now with free shipping, only $19.99", "No description available", "Click the link below for the full course",
    "This video is not available", "Check out our website for more deals", "I do not own the rights to this music",
    "Leave a comment and share with your friends, subscribe!", "Use code SAVE20 for 20% off your first order",
)  # fmt: skip
ASSISTANT = (
    "I'm sorry, but I can't view videos.", "As an AI language model, I cannot watch this clip.",
    "Describe this video in one sentence.", "You are a helpful assistant that captions videos.",
    "<|im_start|>user Describe the clip.<|im_end|>", "Please provide the video to describe; I cannot see it.",
    "### Instruction: Write a short caption for the video.", "Write a caption of at most 20 words for the clip.",
)  # fmt: skip
WRAPPED = (
    "Here is a caption for the video: {t}", "Sure! Here's a short description: {t}", "Caption: {t}", "**Caption:** {t}",
    '{{"caption": "{t}"}}', "<|im_start|>assistant\n{t}<|im_end|>", "USER: <video> Describe it. ASSISTANT: {t}</s>",
    "[INST] Describe the video. [/INST] {t}", "{t}. Let me know if you need anything else!", '"{t}"',
    "The caption is: {t}", "```json\n{{\"description\": \"{t}\"}}\n```", "<think>\nok\n</think>\n{t}", "Answer: {t}",
    "<|im_start|>user\nDescribe.<|im_end|>\n<|im_start|>assistant\n{t}<|im_end|>\n<|im_start|>user",
)  # fmt: skip
SUFFIX = (
    " - YouTube", " | YouTube", " — Stock Video", " | National Geographic", " - Stock Footage", " | BBC News",
    " \u2013 Stock Photo #8812345", " | Shutterstock", " - Getty Images", " Royalty Free Stock Footage", " - Vimeo",
    " | Free HD Stock Video | Pexels", " [Official Video]", " (HD)", " - Wildlife Channel", " - funclips.com",
)  # fmt: skip
SUBSCRIBE = (
    " Please like and subscribe!", ". Don't forget to subscribe to our channel!", ". Subscribe for more videos.",
    ". Thanks for watching!", "! Like, share and subscribe!!!", ". Follow us for more!", " Subscribe now!",
)  # fmt: skip
LINKS = (
    " https://t.co/{n}ab", " http://www.example.org/watch?v={n}", " (https://example.com/{n})", " www.example.net/{n}",
    ". Read more: https://example.org/{n}", " - https://youtu.be/x{n}",
)  # fmt: skip
GENERIC = (
    "video", "a video", "My clip", "new video 3", "Untitled", "footage", "This is a video.", "funny video",
    "Movie clip",
    "Test", "cool", "Watch this!", "Part {d}", "Video {d}", "wow", "Check this out", "short film", "untitled video",
)  # fmt: skip
FILES = (
    "IMG_{n}.MOV", "{a}_{b}_{d}.mp4", "DSC0{n}", "{a}-{b}-{c}", "VID_2020{n}_{n}", "{a}{d}.avi", "clip_{n}",
    "{a}_{b}", "GOPR{n}", "final_{a}_v{d}.mkv", "{n}{n}{n}", "Screen Recording 2021-0{d}-11 at 10.{d}2.11",
)  # fmt: skip
MARKUP = (
    "{{{{ {a} }}}} {b}", '<a href="x.html" class="{a}', "{{% {a} %}} {b}", '{{"{a}": [1, 2], "{b}": {{}}}}',
    "![{a}]({b}.png)", "[gallery ids={n}]", "function({a}) {{ return {b}; }}",
)  # fmt: skip
SIGNS = ("\u201c{}\u201d", "\u2018{}\u2019", "{} café", "{} — naïve", "{}…", "señor {}", "{}\u2019s", "{} Zürich")


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[A-Za-z]+", text) if len(word) > 2] or ["clip"]


def _filled(templates: Sequence[str]) -> Damage:
    def damage(text: str, rng: random.Random) -> str:
        a, b, c = (rng.choice(_words(text)).lower() for _ in range(3))
        return rng.choice(templates).format(t=text, a=a, b=b, c=c, n=rng.randrange(1000, 9999), d=rng.randrange(1, 9))

    return damage


def _appended(templates: Sequence[str]) -> Damage:
    return lambda text, rng: text.rstrip(" .") + _filled(templates)(text, rng)


def _foreign_sign(text: str, rng: random.Random) -> str:
    """Return the text with signs outside ASCII: a quoted word, an accent, a dash."""
    words = text.split()
    at = rng.randrange(len(words))
    words[at] = rng.choice(SIGNS).format(words[at])
    return " ".join([*words, "outside"])


def _misread(encoding: str) -> Damage:
    def damage(text: str, rng: random.Random) -> str:
        data = _foreign_sign(text, rng).encode()
        return "".join(bytes([b]).decode(encoding, "ignore") or chr(b) for b in data)

    return damage


def _lossy(text: str, rng: random.Random) -> str:
    bad = _foreign_sign(text, rng).encode("cp1252", "ignore").decode("utf-8", "replace")
    return bad if "\ufffd" in bad else bad + " \ufffd\ufffd"


def _mash(text: str, rng: random.Random) -> str:
    letters = rng.choice(("sdfghjklqwrtzxcvbnm", "=%$&/()#*+~^{}[]0123456789", "\ufffd?\x81\x8dÃÂ"))
    return " ".join("".join(rng.choice(letters) for _ in range(rng.randrange(4, 9))) for _ in range(5))


def _cut_word(text: str, rng: random.Random) -> str:
    found = [m for m in re.finditer(r"[A-Za-z]{4,}", text) if m.start() > 0.5 * len(text)]
    if not found or len(text.split()) < 5:
        return ""
    word = rng.choice(found)
    return text[: word.start() + rng.randrange(2, len(word[0]))]


def _cut_after_small(text: str, rng: random.Random) -> str:
    small = r"\b(?:a|an|the|and|of|his|her|their|with|from|to|while|as|into)\b"
    found = [m for m in re.finditer(small, text) if m.start() > 0.4 * len(text)]
    return text[: rng.choice(found).end()] if found and len(text.split()) >= 5 else ""


def _cut_with_dots(text: str, rng: random.Random) -> str:
    found = [m.end() for m in re.finditer(r"\s", text) if m.start() > 0.5 * len(text)]
    return text[: rng.choice(found)] + rng.choice(("...", "…")) if found else ""


def _doubled(text: str, rng: random.Random) -> str:
    return " ".join(" ".join([word] * rng.choice((1, 2, 2, 3))) for word in text.rstrip(".").split())


def _tags(words: Sequence[str], rng: random.Random, number: int) -> str:
    return " ".join(f"#{rng.choice(words).lower()}" for _ in range(number))


def _tagged(text: str) -> str:
    words = html.escape(text).split()
    return "<p>" + " ".join([f"<b>{words[0]}</b>", *words[1:]]) + "&nbsp;</p><br/>"


REASONS: dict[str, tuple[str, Damage]] = {
    "empty": ("caption-empty", lambda t, rng: rng.choice(("", " ", "\n\t", "...", "-", "\u200b", "&nbsp;", "!!!"))),
    "boilerplate": ("caption-boilerplate", _filled(BOILERPLATE)),
    "prompt alone": ("caption-boilerplate", _filled(ASSISTANT)),
    "address alone": ("caption-url", lambda t, rng: _filled(LINKS)(t, rng).lstrip(" .-(").removeprefix("Read more: ")),
    "heap of tags": ("caption-hashtags", lambda t, rng: _tags(_words(t), rng, rng.randrange(3, 9))),
    "more tags than words": ("caption-hashtags", lambda t, rng: f"{_words(t)[0]} {_tags(_words(t), rng, 6)}"),
    "file name": ("caption-file-name", _filled(FILES)),
    "mark-up alone": ("caption-markup", _filled(MARKUP)),
    "lossy decoding": ("caption-garbled", _lossy),
    "random signs": ("caption-garbled", _mash),
    "words doubled": ("caption-repetitive", _doubled),
    "said three times": ("caption-repetitive", lambda t, rng: " ".join([t.rstrip(" .")] * 3)),
    "said twice": ("caption-repetitive", lambda t, rng: " ".join([t.rstrip(" .")] * 2)),
    "cut in a word": ("caption-truncated", _cut_word),
    "cut after a small word": ("caption-truncated", _cut_after_small),
    "cut with dots": ("caption-truncated", _cut_with_dots),
    "generic": ("caption-generic", _filled(GENERIC)),
}
"""What is removed: kind -> reason code, and how a caption is damaged."""

REPAIRS: dict[str, Damage] = {
    "entities": lambda t, rng: html.escape(t).replace(" ", rng.choice(("&nbsp;", "&#32;")), 2),
    "tags": lambda t, rng: _tagged(t),
    "spacing": lambda t, rng: "  " + t.replace(" ", rng.choice(("  ", "\t", "\u00a0", " \n"))) + " ",
    "read as latin-1": _misread("latin-1"),
    "read as cp1252": _misread("cp1252"),
    "read as macroman": _misread("mac_roman"),
    "read as cp437": _misread("cp437"),
    "tags behind": lambda t, rng: f"{t} {_tags(_words(t), rng, rng.randrange(1, 4))}",
    "suffix": _appended(SUFFIX),
    "subscribe line": _appended(SUBSCRIBE),
    "address behind": _appended(LINKS),
    "prompt residue": lambda t, rng: _filled(WRAPPED)(t.replace('"', "'"), rng),
    "shouting": lambda t, rng: t.upper(),
}
"""What is mended: kind -> how a caption is damaged."""


def half_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2


def world_captions(number: int) -> list[str]:
    from synflow.world.captions import captions
    from synflow.world.plot import write_script

    return [captions(write_script(7, index))["summary"] for index in range(number)]


def lists(folder: Path, half: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield list, language, kind and text of the captions of one half of the videos."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if half_of(f"{path.stem}{row.get('video_id') or row.get('id')}") == half:
                yield path.stem, row.get("lang") or "", row.get("kind") or "human", row["text"]


def damaged(texts: Sequence[str], each: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, wanted reason (empty: repaired), the damaged text and the whole one."""
    kinds: dict[str, tuple[str, Damage]] = {**REASONS, **{kind: ("", damage) for kind, damage in REPAIRS.items()}}
    for kind, (reason, damage) in kinds.items():
        rng = random.Random(kind)
        made = 0
        for text in rng.sample(texts, len(texts)):
            if made == each:
                break
            if len(text) < 16 or len(text.split()) < 4:
                continue
            bad = damage(text, rng)
            if kind in ("cut in a word", "cut after a small word", "cut with dots") and not bad:
                continue
            made += 1
            yield kind, reason, bad, text


def whole(kind: str, found: str, text: str) -> bool:
    """Tell whether a repaired text is the one that was damaged."""
    if kind.startswith("read as"):
        # Signs were put in before the misreading: all words of the caption are there, and nothing wrong is.
        return found.endswith("outside") and not re.search(r"[\u00c3\u00c2\u221a\u251c]|\u00e2\u20ac|\ufffd", found)
    return normal(found) == normal(text)


def measure(texts: Sequence[str], each: int) -> dict[str, object]:
    """Return, per kind, the share that is dealt with as wanted, and per reason precision and recall."""
    stage = Rectify()
    sound = {text for text in texts if not stage.judge(Caption(text=text))[1]}
    right: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    missed: defaultdict[str, list[str]] = defaultdict(list)
    for kind, reason, bad, text in damaged(sorted(sound), each):
        caption, got, _ = stage.judge(Caption(text=bad))
        all_of[kind] += 1
        wanted[reason] += 1
        given[got][reason] += 1
        fine = got == reason and (bool(reason) or whole(kind, caption.text, text))
        right[kind] += fine
        if not fine:
            missed[kind].append(f"{bad[:90]!r} -> {got or caption.text[:70]!r}")
    for text in texts:
        given[stage.judge(Caption(text=text))[1]]["sound"] += 1
    reasons = {
        reason: {
            "precision": round(given[reason][reason] / max(1, given[reason].total()), 4),
            "recall": round(given[reason][reason] / wanted[reason], 4),
        }
        for reason in sorted(filter(None, wanted))
    }
    return {
        "kinds": {kind: round(right[kind] / all_of[kind], 4) for kind in all_of},
        "reasons": reasons,
        "missed": {kind: some[:8] for kind, some in missed.items()},
    }


def languages(folder: Path, half: int) -> dict[str, str]:
    """Return, per list and language, how much is taken for foreign: whole captions, and cut to 2-6 words."""
    told: dict[str, str] = {}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, language, kind, text in lists(folder, half):
        if kind.startswith("human") and language:
            groups[f"{name} {language}"].append(text)
    for name, texts in groups.items():
        shares = [sum(bool(foreign(text, ("en",))) for text in texts) / len(texts)]
        for size in (2, 3, 4, 6):
            short = [" ".join(w[:size]) for w in (text.rstrip(".").split() for text in texts) if len(w) >= size]
            shares.append(sum(bool(foreign(text, ("en",))) for text in short) / max(1, len(short)))
        told[name] = " ".join(f"{100 * share:6.2f}" for share in shares)
    return told


def speed(texts: Sequence[str]) -> dict[str, float]:
    """Return CPU-seconds per 1,000 captions, after a first call that loads the word lists."""
    told = {}
    for name, config in (("with language", RectifyConfig()), ("without", RectifyConfig(languages=()))):
        stage = Rectify(config)
        if name == "without":
            stage._language = lambda text: "en"  # type: ignore[method-assign]
        stage.judge(Caption(text="un homme court dans la rue"))
        start = time.process_time()
        for text in texts:
            stage.judge(Caption(text=text))
        told[name] = round(1000 * (time.process_time() - start) / len(texts), 4)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--each", type=int, default=300)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    options = parser.parse_args()
    lost: dict[str, str] = {}
    foreign_share: dict[str, str] = {}
    if options.captions:
        stage, groups = Rectify(), defaultdict(list)
        for name, language, kind, text in lists(options.captions, options.half):
            if kind.startswith("human") and language in ("", "en"):
                groups[name].append(text)
        texts = [text for group in groups.values() for text in group]
        for name, group in groups.items():
            dropped = sum(bool(stage.judge(Caption(text=text))[1]) for text in group)
            lost[name] = f"{dropped} of {len(group)}"
        foreign_share = languages(options.captions, options.half)
    else:
        texts = world_captions(2 * options.each)
    result = measure(texts, options.each) | {"sound captions dropped": lost, "foreign, %": foreign_share}
    result |= {
        "cpu_s_per_1000": speed(texts),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return 0
    for title, part in result.items():
        print(f"\n{title}")
        for name, value in part.items() if isinstance(part, dict) else [("", part)]:
            lines = value if isinstance(value, list) else [value]
            print(f"  {name:<24} {lines[0]}", *(f"{'':27}{line}" for line in lines[1:]), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
