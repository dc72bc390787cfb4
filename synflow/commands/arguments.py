"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON on stdout.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override a value of the file; may be repeated."),
]
ManifestFile = Annotated[Path, typer.Argument(metavar="MANIFEST", help="YAML file that says what to make of what.")]
Reuse = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="An earlier run: what still holds of it is not done again."),
]
OutFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder, instead of the file's.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed draws others.")]
