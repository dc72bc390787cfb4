"""How each command that the pages show is run by a test: here, or by the test that is named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docpages import PAGES, blocks


def commands() -> list[str]:
    """Return what the pages tell a reader to type outside ``console`` blocks: whole lines, and words of a sentence."""
    found = [
        line.split("  #")[0].strip()
        for page in PAGES
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        found += [
            words for words in re.findall(r"`(synflow \w+ [^`]+)`", prose) if not re.search(r"\b[A-Z]{3,}", words)
        ]
    return sorted({" ".join(line.split()) for line in found if line})


@dataclass(frozen=True)
class Trial:
    """A command, run on a folder as its reader has it.

    Attributes:
        exchanged: words that name another machine's things, and what stands for them here.
        leaves: a file that it makes; ``says``: words that it prints.
        torch: it needs torch; ``slow``: minutes, or the network.
    """

    exchanged: tuple[tuple[str, str], ...] = ()
    leaves: str = ""
    says: str = ""
    torch: bool = False
    slow: bool = False


DRY = (("pip install", "python -m pip install --dry-run --no-deps"),)
TINY = (("gve-3b.yaml", "gve-tiny.yaml"),)
"""The recipe with a model of random weights as base, and few steps."""

TRIALS = {
    "synflow plan manifest.yaml": Trial(says="clips"),
    "synflow run manifest.yaml": Trial(leaves="runs/mine/dataset.json"),
    "synflow inspect runs/demo": Trial(says="pairs"),
    "synflow inspect runs/mine --html report.html": Trial(leaves="report.html"),
    "synflow withdraw runs/mine videos/dog.mp4": Trial(says="packed again"),
    "synflow withdraw runs/mine 9f86d081884c7d659a2feaa0...": Trial(
        (("9f86d081884c7d659a2feaa0...", "$(sha256sum videos/cat.mp4 | cut -c 1-64)"),), says="packed again"
    ),
    "synflow fingerprint msrvtt/test.jsonl -o msrvtt-test.jsonl": Trial(leaves="msrvtt-test.jsonl"),
    "synflow fingerprint didemo/videos/ --captions didemo/test.txt -o didemo-test.jsonl": Trial(
        leaves="didemo-test.jsonl"
    ),
    "synflow fingerprint exclude.jsonl --out bad.hashes.jsonl": Trial(leaves="bad.hashes.jsonl"),
    "synflow export runs/uvrd s3://mine/uvrd --to shards": Trial(
        (("s3://mine/", "file://$PWD/bucket/"),), leaves="bucket/uvrd/dataset.json"
    ),
    "synflow export runs/demo /mnt/share/demo --to shards": Trial(
        (("/mnt/share/", "share/"),), leaves="share/demo/dataset.json"
    ),
    "synflow evaluate manifests/evaluate/miniature.yaml": Trial(leaves="runs/evaluate-miniature/results.json"),
    "synflow evaluate manifests/evaluate/uvrb.yaml": Trial(
        (("uvrb.yaml", "uvrb.yaml --set embedder='{use: signals}'"),), leaves="runs/evaluate-uvrb/results.json"
    ),
    "synflow evaluate recipe.yaml": Trial(leaves="evaluation/results.json"),
    "synflow evaluate recipe.yaml --check": Trial(says="holds what an embedder must"),
    "synflow evaluate recipe.yaml --set embedder.use=transformers"
    " --set embedder.model=openai/clip-vit-base-patch32": Trial(
        (("openai/clip-vit-base-patch32", "models/clip --out clip"),), leaves="clip/results.json", torch=True
    ),
    "synflow stages rectify": Trial(says="captions"),
    "synflow stages --schema": Trial(says="properties"),
    "synflow mine runs/uvrd --embedder openai_http --set base_url=http://127.0.0.1:8000/v1 --set model=gme": Trial(
        (("http://127.0.0.1:8000/v1", "$SERVED"),), says="negatives"
    ),
    "synflow mine runs/uvrd --embedder transformers --set model=/models/gme-qwen2-vl-2b --set batch=16": Trial(
        (("/models/gme-qwen2-vl-2b", "models/qwen2_vl"),), says="negatives", torch=True
    ),
    "synflow train manifests/train/tiny.yaml --dry-run": Trial(says="steps"),
    "synflow train manifests/train/tiny.yaml": Trial(leaves="runs/train/tiny/result.json", torch=True),
    "synflow train manifests/train/gve-3b.yaml": Trial(TINY, leaves="runs/train/gve-3b/result.json", torch=True),
    "synflow train manifests/train/gve-3b.yaml --resume": Trial(TINY, torch=True),
    "torchrun --nproc-per-node 8 -m synflow train manifests/train/gve-3b.yaml": Trial(
        (*TINY, ("--nproc-per-node 8", "--nproc-per-node 2"), ("gve-tiny.yaml", "gve-tiny.yaml --out two")),
        leaves="two/result.json",
        torch=True,
    ),
    "synflow train manifests/train/gve-3b.yaml --set 'executor={use: ray, address: auto, workers: 32}'": Trial(
        (*TINY, ("address: auto, workers: 32}'", "workers: 2}' --out ray")), leaves="ray/result.json", torch=True
    ),
    "make demo": Trial(leaves="runs/demo/report.html", slow=True),
    "pip install s3fs": Trial(DRY, slow=True),
    "pip install -e '.[train]'": Trial(DRY, slow=True),
    **{f"pip install 'synflow[{extra}]'": Trial(DRY, says="synflow") for extra in ("mteb", "train", "vllm")},
}

SERVERS = {
    "synflow inspect runs/demo --serve",
    "synflow inspect runs/mine --serve",
    "synflow inspect runs/demo --serve --against runs/other",
    "SYNFLOW_INSPECT_TOKEN=$(cat token) synflow inspect runs/mine --serve --host 0.0.0.0",
}
"""They go on until Ctrl-C."""

CLUSTER = (
    "ray start --head --port=6379",
    "ray start --address=FIRST_NODE:6379",
    "synflow run /shared/manifest.yaml --out /shared/run --set executor.address=auto --set executor.cpus=64",
)
"""Typed on two nodes, which are two here on one machine."""

ELSEWHERE = {
    "make test": "tests/docs/test_docs_commands.py::test_every_command_of_the_pages_has_a_trial",
    "synflow stages dim": "tests/docs/test_docs_tutorial.py::test_its_stages_are_listed",
    "synflow serve manifest.yaml": "tests/test_serve.py::test_serves_until_interrupted_and_leaves_nothing",
    "vllm serve runs/train/gve-3b/model --runner pooling --trust-request-mm-kwargs"
    """ --mm-processor-kwargs '{"min_pixels": 3136, "max_pixels": 156800}'""": "tests/vllm/test_vllm_embeds.py::"
    "test_the_served_model_gives_the_vectors_that_were_trained",
}
"""command -> the test that runs it."""
