"""The floors of the package, who may import what, and how long a file may be: read off the syntax trees."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"blas", "boxes", "positioned"}),
    frozenset({"errors", "ids", "licences", "records", "asks", "claims", "checkpoints"}),
    frozenset({"pictures"}),
    frozenset({"contract", "datafile", "durable", "bucket", "pairs", "answers", "console"}),
    frozenset({"registry", "manifest", "prompts", "sources", "media", "models", "store"}),
    frozenset({"plan", "chain", "card", "hashlist", "trail"}),
    frozenset({"croissant"}),
    frozenset({"executors"}),
    frozenset({"identity", "earlier", "dispatch", "settle", "finish", "log", "estimate", "doctor"}),
    frozenset({"engine"}),
    frozenset({"run", "progress", "forecast", "needs", "inspect", "replay", "world", "train", "evaluate", "mining"}),
    frozenset({"cli", "commands"}),
)
"""A file imports only lower floors; files of one package may import each other."""

SIDEWAYS: dict[tuple[str, str], str] = {
    ("asks", "ids"): "the digest of a request is made from canonical JSON",
    ("manifest", "registry"): "the parameters of a stage are validated by the stage's own Config",
    ("replay", "inspect"): "the index of a finished run is read in one place",
    ("needs", "inspect"): "the index of a finished run is read in one place",
    ("evaluate", "inspect"): "a report looks the same, and shows frames the same way, wherever it comes from",
    ("evaluate", "world"): "the miniature benchmark is drawn by the world",
    ("train", "mining"): "the prober of an epoch mines its hard negatives",
    ("cli", "commands"): "the list of commands",
}
"""Imports between files of one floor that are allowed, and why."""

SIDEWAYS_MODULES: dict[tuple[str, str], str] = {
    ("models", "synflow.media.colors"): "`signals` names colours exactly as the measuring stages do; pure functions",
    ("models", "synflow.media.findings"): "`signals` speaks of what the measuring functions find; pure functions",
    ("models", "synflow.media.lacks"): "`signals` calls absent what the rules of captions call absent; pure functions",
    ("models", "synflow.media.told"): "`signals` reads what the motion stage told of a clip; pure functions",
}
"""The same for single modules: (importing package, imported module) -> why."""

STAGES_MAY_IMPORT = (
    "contract", "records", "ids", "errors", "media", "prompts", "pairs", "answers", "claims", "datafile", "hashlist",
)  # fmt: skip
"""What of synflow a stage file sees: no run, no store, no executor, no model backend."""

NOT_FOR_STAGES = ("decoder", "sandbox", "session", "child", "probe", "source")
"""Modules of synflow.media that read files; a stage asks ``ctx.media`` instead."""

FREE = frozenset({"numpy", "pydantic", "cv2", "typing_extensions"})
"""Third-party packages that any file may import."""

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "ray": ("synflow/executors/ray.py", "synflow/models/vllm_engine.py", "synflow/train/fleet.py"),
    "av": ("synflow/media/", "synflow/world/"),
    "decord": ("synflow/media/",),
    "PIL": ("synflow/media/", "synflow/models/vllm_engine.py"),
    "httpx": ("synflow/sources/http.py",),
    "urllib3": ("synflow/models/connection.py",),
    "torch": ("synflow/models/transformers_embedder.py", "synflow/train/", "synflow/evaluate/"),
    "transformers": ("synflow/models/transformers_embedder.py", "synflow/train/", "synflow/evaluate/"),
    "accelerate": ("synflow/train/",),
    "peft": ("synflow/train/",),
    "vllm": ("synflow/models/vllm_engine.py",),
    "faiss": ("synflow/mining/neighbours.py",),
    "fsspec": ("synflow/bucket.py",),
    "ftfy": ("stages/rules/",),
    "py3langid": ("stages/rules/",),
    "wordfreq": ("stages/rules/",),
    "msgpack": ("stages/rules/",),
    "mteb": ("synflow/evaluate/mteb_task.py",),
    "datasets": ("synflow/evaluate/mteb_task.py",),
    "duckdb": ("synflow/inspect/web/",),
    "starlette": ("synflow/inspect/web/",),
    "uvicorn": ("synflow/commands/inspect.py",),
    "jinja2": ("synflow/inspect/", "synflow/evaluate/report.py"),
    "markupsafe": ("synflow/inspect/", "synflow/evaluate/report.py"),
    "pygal": ("synflow/inspect/charts.py", "synflow/train/curriculum.py"),
    "prometheus_client": ("synflow/store/metrics.py",),
    "threadpoolctl": ("synflow/blas.py",),
    "safetensors": ("synflow/train/",),
    "tokenizers": ("synflow/train/tiny.py",),
    "pyarrow": ("synflow/sources/", "synflow/store/", "synflow/inspect/", "synflow/mining/"),
    "rich": ("synflow/cli.py", "synflow/commands/", "synflow/console.py", "synflow/progress.py", "synflow/inspect/"),
    "typer": ("synflow/cli.py", "synflow/commands/"),
    "click": ("synflow/cli.py", "synflow/commands/"),
    "webdataset": ("synflow/store/", "synflow/inspect/", "synflow/train/"),
    "yaml": ("synflow/manifest/", "synflow/prompts.py", "stages/rules/"),
}
"""Third-party packages with the only places (a file, or a folder that ends in /) that may import them."""

LONGEST = 350
VAGUE = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "core", "base", "tools"})


@dataclass(frozen=True)
class Import:
    """One imported module: where it stands and what it names."""

    file: str
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def files() -> list[Path]:
    return sorted([*(ROOT / "synflow").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or place.is_dir()


def imports_of(path: Path, tree: ast.Module) -> Iterator[Import]:
    """Yield all modules that a file imports, inside functions and by name as well."""
    file = path.relative_to(ROOT).as_posix()
    package = module_name(path).split(".") if path.name == "__init__.py" else module_name(path).split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                ours = base.split(".")[0] in ("synflow", "stages")
                yield Import(file, node.lineno, inner if ours and is_module(inner) else base)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield Import(file, node.lineno, node.args[0].value)


def unit_of(module: str) -> str:
    """Return the first name below ``synflow``, or ``stages``, or '' for the package itself."""
    parts = module.split(".")
    if parts[0] == "stages":
        return "stages"
    return parts[1] if len(parts) > 1 else ""


def floor_of(unit: str) -> int:
    return next(level for level, units in enumerate(FLOORS) if unit in units)


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return [found for path in files() for found in imports_of(path, tree_of(path))]


def test_every_module_stands_on_a_floor() -> None:
    known = frozenset().union(*FLOORS)
    below = (ROOT / "synflow").iterdir()
    units = {p.stem for p in below if p.suffix == ".py" or (p.is_dir() and any(p.rglob("*.py")))}
    homeless = sorted(units - known - {"__init__", "__main__"})
    assert not homeless, f"put these into FLOORS: {homeless}"


def test_a_floor_imports_only_lower_floors(imports: list[Import]) -> None:
    wrong = []
    for found in imports:
        here, there = unit_of(module_of(found.file)), unit_of(found.module)
        ours = found.module.split(".")[0] in ("synflow", "stages")
        if not ours or here in ("stages", "__main__", "") or there in (here, ""):
            continue
        if there == "stages":
            wrong.append(f"{found}: the engine finds stages through entry points only")
        elif floor_of(there) >= floor_of(here):
            allowed = (here, there) in SIDEWAYS or (here, found.module) in SIDEWAYS_MODULES
            if not allowed:
                wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def module_of(file: str) -> str:
    return module_name(ROOT / file)


def test_the_exceptions_are_sideways_and_never_upwards() -> None:
    for here, there in SIDEWAYS:
        assert floor_of(here) == floor_of(there), (here, there)
    for here, module in SIDEWAYS_MODULES:
        assert floor_of(here) == floor_of(unit_of(module)), (here, module)


def test_every_exception_is_used(imports: list[Import]) -> None:
    units = {(unit_of(module_of(found.file)), unit_of(found.module)) for found in imports}
    modules = {(unit_of(module_of(found.file)), found.module) for found in imports}
    idle = [pair for pair in SIDEWAYS if pair not in units] + [p for p in SIDEWAYS_MODULES if p not in modules]
    assert not idle, f"no longer needed: {idle}"


def test_stages_see_the_contract_and_pure_functions_only(imports: list[Import]) -> None:
    wrong = [
        str(found)
        for found in imports
        if found.file.startswith("stages/")
        and found.module.split(".")[0] == "synflow"
        and unit_of(found.module) not in STAGES_MAY_IMPORT
    ]
    readers = [f"synflow.media.{name}" for name in NOT_FOR_STAGES]
    wrong += [str(found) for found in imports if found.file.startswith("stages/") and found.module in readers]
    assert not wrong, "\n".join(wrong)


def test_a_stage_does_not_import_another(imports: list[Import]) -> None:
    """Stages share rules and pure functions in subpackages of their own, never each other."""
    one_file = {f"stages.{path.stem}" for path in (ROOT / "stages").glob("[a-z]*.py")}
    wrong = [str(found) for found in imports if found.file.startswith("stages/") and found.module in one_file]
    assert not wrong, "\n".join(wrong)


def test_third_party_packages_stay_where_they_belong(imports: list[Import]) -> None:
    wrong = []
    for found in imports:
        name = found.module.split(".")[0]
        if name in sys.stdlib_module_names or name in FREE or name in ("synflow", "stages", "__future__"):
            continue
        places = THIRD_PARTY.get(name)
        if places is None:
            wrong.append(f"{found}: no place is allowed for {name}; put it into THIRD_PARTY")
        elif not any(found.file == place or (place.endswith("/") and found.file.startswith(place)) for place in places):
            wrong.append(f"{found}: allowed only in {', '.join(places)}")
    assert not wrong, "\n".join(wrong)


def test_no_file_is_named_for_nothing_in_particular() -> None:
    vague = [
        str(path.relative_to(ROOT)) for path in files() if VAGUE & set(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert not vague


def test_a_file_is_one_idea() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    long = {name: lines for name, lines in lengths.items() if lines > LONGEST}
    assert not long, f"longer than {LONGEST} lines: {long}"


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes any exception and does not raise it again (cleaning up first is fine)."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id if isinstance(kind, ast.Name) else "" for kind in kinds if kind is not None}
    last = handler.body[-1]
    again = isinstance(last, ast.Raise) and last.exc is None
    return (handler.type is None or bool(names & {"Exception", "BaseException"})) and not again


def test_only_the_command_line_catches_everything() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    ]
    # Clients of object stores raise errors of families that share no parent.
    elsewhere = [place for place in places if not place.startswith(("synflow/cli.py:", "synflow/bucket.py:"))]
    assert not elsewhere, elsewhere
    assert len(places) <= 2, places


def test_opencv_never_decodes() -> None:
    """Its reader gives wrong frames for edit lists, variable frame rates and rotation."""
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr == "VideoCapture"
    ]
    assert not places, places


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    left = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in files()
        for mark in marks
        if mark in path.read_text(encoding="utf-8")
    ]
    assert not left, left


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    return set(run.stdout.split())


def test_importing_synflow_loads_no_heavy_package() -> None:
    heavy = {
        "numpy",
        "pydantic",
        "ray",
        "av",
        "cv2",
        "pyarrow",
        "torch",
        "transformers",
        "httpx",
        "rich",
        "typer",
        "yaml",
    }
    assert not heavy & loaded_by("import synflow")


@pytest.mark.skipif(not (ROOT / "synflow/cli.py").is_file(), reason="there is no command line")
def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = {"numpy", "ray", "av", "cv2", "pyarrow", "torch", "transformers", "decord", "webdataset", "scipy"}
    assert not heavy & loaded_by("import synflow.cli")
