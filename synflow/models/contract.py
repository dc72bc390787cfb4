"""Opens the models that a manifest names. What every backend must do is said here and checked by one suite.

A `Vlm` answers a batch of asks in order, each with an `Answer` or a `Refusal`:

* ``request`` is the ask's own digest under ``backend.model``, and ``bound`` the digests of the pictures as shown;
* ``value`` satisfies the ask's schema; what does not is a refusal ``answer-schema``, never a guess;
* an ask that cannot be answered does not disturb its neighbours;
* `synflow.errors.ServiceDown` is raised only where no ask can be answered any more, and nothing is lost by it.

An `Embedder` returns one vector for each item in order, of unit length, or ``values=None`` where it abstains:

* ``bound`` are the digests of the pictures that it was made from, as the backend read them, also where it abstains;
* ``joint`` (absent: false) tells whether text and pictures of one item are read together by the model;
* an item gets the same vector (within 1e-5) whatever stands beside it, and an unusable one disturbs no other.

Whoever opens a model wraps it as ``Journalled(backend, path, append_lines)``; `openai_http` already brings its own
`Retrying` and `Limited`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from synflow.asks import Embedder, Item, Vlm
from synflow.errors import ServiceDown, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def open_vlm(spec: Mapping[str, Any]) -> Vlm:
    """Return the model that writes, as ``models.vlm`` of a manifest describes it.

    Args:
        spec: the entry as a dict; ``use`` names the backend, the rest are its parameters.

    Raises:
        UsageError: no such backend, a part of it is not installed, or its parameters are wrong.
    """
    known: dict[str, Callable[[Mapping[str, Any]], Vlm]] = {
        "signals": _signals_vlm,
        "openai_http": _openai_vlm,
        "vllm_engine": _vllm_engine,
    }
    return _chosen("vlm", spec, known)(_options(spec))


def open_embedder(spec: Mapping[str, Any]) -> Embedder:
    """Return the model that embeds, as ``models.embed`` of a manifest describes it.

    Raises:
        UsageError: as `open_vlm`.
    """
    known: dict[str, Callable[[Mapping[str, Any]], Embedder]] = {
        "signals": _signals_embedder,
        "openai_http": _openai_embedder,
        "transformers": _transformers_embedder,
    }
    return _chosen("embed", spec, known)(_options(spec))


@runtime_checkable
class Checked(Protocol):
    """A model that can tell before a run whether it is there."""

    def check(self) -> None:
        """Raise `UsageError` or `ServiceDown` where it cannot be asked."""
        ...


def preflight(models: Mapping[str, Mapping[str, Any]]) -> None:
    """Open the models that a run will ask (``vlm``, ``embed`` or both); ask those that are served if they are there.

    Raises:
        UsageError: no such backend or model, or the key is refused. ServiceDown: a server does not answer.
    """
    openers: Mapping[str, Callable[[Mapping[str, Any]], Vlm | Embedder]] = {"vlm": open_vlm, "embed": open_embedder}
    for role, spec in models.items():
        model = openers[role](spec)
        if isinstance(model, Checked):
            model.check()


def start_engines(models: Mapping[str, Mapping[str, Any]]) -> AbstractContextManager[object] | None:
    """Start what a run's models need beside the workers; None where that is nothing. Ray must be up, or is started.

    Args:
        models: the models that the run will ask, by role.

    Raises:
        UsageError: vLLM is not installed or will not take the parameters. ServiceDown: an engine does not come up.
    """
    spec = models.get("vlm", {})
    if spec.get("use") != "vllm_engine":
        return None
    from synflow.models.vllm_engine import Engines

    return closing(Engines(_options(spec)))


T = TypeVar("T")


def _chosen(role: str, spec: Mapping[str, Any], known: Mapping[str, T]) -> T:
    """Look the backend up."""
    use = str(spec.get("use", ""))
    if use not in known:
        names = ", ".join(sorted(known))
        raise UsageError(f"models.{role}: this version has no backend {use!r}", f"use one of: {names}")
    return known[use]


def _options(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the backend; how `synflow serve` loads a model is not its business."""
    return {name: value for name, value in spec.items() if name not in ("use", "serve")}


def _signals_vlm(options: Mapping[str, Any]) -> Vlm:
    from synflow.models.signals.vlm import SignalsVlm

    _no_options("vlm", options)
    return SignalsVlm()


def _signals_embedder(options: Mapping[str, Any]) -> Embedder:
    from synflow.models.signals.embedder import SignalsEmbedder

    _no_options("embed", options)
    return SignalsEmbedder()


def _openai_vlm(options: Mapping[str, Any]) -> Vlm:
    from synflow.models.openai_http import open_openai

    return open_openai(options)


def _vllm_engine(options: Mapping[str, Any]) -> Vlm:
    from synflow.models.vllm_engine import VllmEngine, options_of

    return VllmEngine(options_of(options))


def _openai_embedder(options: Mapping[str, Any]) -> Embedder:
    from synflow.models.openai_embed import open_openai_embedder

    return open_openai_embedder(options)


def _transformers_embedder(options: Mapping[str, Any]) -> Embedder:
    from synflow.models.transformers_embedder import open_transformers

    return open_transformers(options)


def _no_options(role: str, options: Mapping[str, Any]) -> None:
    """Refuse parameters of `signals`, which has none."""
    given = sorted(k for k, v in options.items() if v is not None)
    if given:
        raise UsageError(f"models.{role}: signals takes no parameter {given[0]!r}", "remove it")


def values_of(embedder: Embedder, items: Sequence[Item | None]) -> list[npt.NDArray[np.float32] | None]:
    """Return the values of vectors, each made from what was sent for it; None where there was nothing to send.

    Raises:
        ServiceDown: a vector names other pictures than those of its item.
    """
    full = [item if item is not None and (item.text or item.pictures) else None for item in items]
    asked = [item for item in full if item is not None]
    found = iter(embedder.embed(asked) if asked else ())
    values: list[npt.NDArray[np.float32] | None] = []
    for item in full:
        if item is None:
            values.append(None)
            continue
        vector = next(found)
        if vector.values is not None and tuple(vector.bound) != tuple(picture.digest for picture in item.pictures):
            raise ServiceDown(
                f"{embedder.model} returned a vector that was made from other pictures than it was sent",
                "check the server; what was embedded before is kept",
            )
        values.append(vector.values)
    return values
