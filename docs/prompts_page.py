"""The reference of the prompts: slots, schema, lengths and text of each, from the files."""

from __future__ import annotations

import json

from markdown import cell, table

from synflow import prompts

HEAD = """\
# Prompts

<!-- Written by docs/generate.py from the files in prompts/. -->

What a model is asked, in the newest version of each prompt. A file never changes once a run has used it; a better
wording is a new version, and `prompts: {video-captions: 1}` in a manifest pins an older one. What is made of the
answers is told in [enrichment.md](enrichment.md).
"""


def chapter(name: str) -> list[str]:
    """Return the chapter on a prompt, as lines."""
    prompt = prompts.load(name)
    older = [str(number) for number in prompts.versions(name)[:-1]]
    facts = f"Version {prompt.version} (`prompts/{name}/v{prompt.version}.md`, sha256 `{prompt.digest[:12]}`)"
    lines = [f"## {name}", "", facts + (f"; older: {', '.join(older)}." if older else "."), ""]
    lines += table(("slot", "what goes there"), [(f"`{slot}`", cell(said)) for slot, said in prompt.slots.items()])
    if prompt.lengths:
        rows = [(f"`{key}`", str(least), str(most)) for key, (least, most) in prompt.lengths.items()]
        lines += table(("key of the answer", "least words", "most words"), rows)
    lines += ["```json", json.dumps(prompt.schema, indent=1), "```", ""]
    for title, text in (("System turn", prompt.system), ("User turn", prompt.template)):
        lines += [f"{title}:", "", *(f"> {line}".rstrip() for line in text.splitlines()), ""]
    return lines


def prompts_page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(line for name in prompts.names() for line in chapter(name))]).rstrip() + "\n"
