"""An engine of vLLM inside a Ray actor that owns its GPUs; no server, no ports.

The driver starts one actor for each replica (`Engines`), all workers find them by name (`VllmEngine`), and they end
with the driver. The engine gets the same turns in the same order as a server (system, pictures, instruction), rendered
with the model's own chat template, so that prompts are equal token by token; all requests on a clip go to one replica.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from synflow.asks import Ask, Refusal
from synflow.checkpoints import full_name
from synflow.errors import ServiceDown, UsageError
from synflow.ids import seed_of
from synflow.models.flight import Turns, Warm
from synflow.models.openai_chat import OpenAiOptions, read_reply, sampling_of
from synflow.models.resilience import REFUSED, Outage, Reply, TransientFailure
from synflow.models.vllm_options import engine_arguments, tensor_parallel

NAMESPACE = "synflow"
START_SECONDS = 1800.0
"""Longest start of an engine: it may have to load 150 GB."""


class EngineOptions(BaseModel):
    """Parameters of ``use: vllm_engine``; the manifest's own check is `synflow.manifest.backends.VllmEngine`.

    Attributes:
        run: distinguishes the actors of one run from those of another; the driver sets it.
        frames: pictures that stand for a clip.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str
    revision: str = ""
    replicas: int = Field(1, ge=1)
    gpus: float | None = Field(None, ge=0)
    concurrency: int = Field(64, ge=1)
    timeout: float = Field(600.0, gt=0)
    max_pixels: int | None = None
    run: str = "run"
    frames: int = 8

    @property
    def chat(self) -> OpenAiOptions:
        """The parameters that a request and its reply share with a served model."""
        shared = {name: (self.model_extra or {}).get(name) for name in ("top_p", "top_k", "repetition_penalty")}
        return OpenAiOptions(
            base_url="ray://", model=self.model, revision=self.revision, max_pixels=self.max_pixels, **shared
        )

    def actor(self, replica: int) -> str:
        """Return the name of an actor."""
        return f"vllm-{self.run}-{replica}"


class _Engine:
    """The actor: one engine of vLLM and what is needed to write prompts for it."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        # Whoever owns no GPU must not see one, and the engine's own process must end with this one.
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._count = 0

    async def ready(self) -> bool:
        """Return when the engine is up."""
        await self._engine.check_health()
        return True

    async def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a chat completion as a server would give it.

        Args:
            request: ``messages`` (pictures as base64 JPEG), ``sampling``, ``schema``.

        Raises:
            ValueError: the engine will not take the request. Any other error is the engine's end.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        pictures = [_rgb(one) for one in request["pictures"]]
        prompt: dict[str, Any] = {"prompt": self._prompt(request)}
        if pictures:
            prompt["multi_modal_data"] = {"image": pictures}
        schema = StructuredOutputsParams(json=request["schema"]) if request["schema"] else None
        params = SamplingParams(**request["sampling"], structured_outputs=schema)
        self._count += 1
        last: Any = None
        async for output in self._engine.generate(prompt, params, f"ask-{self._count}"):
            last = output
        done = last.outputs[0]
        return {
            "choices": [{"message": {"content": done.text}, "finish_reason": done.finish_reason}],
            "usage": {
                "prompt_tokens": len(last.prompt_token_ids or ()),
                "completion_tokens": len(done.token_ids),
                "prompt_tokens_details": {"cached_tokens": last.num_cached_tokens or 0},
            },
        }

    def _prompt(self, request: Mapping[str, Any]) -> str:
        content = [{"type": "image"} for _ in request["pictures"]]
        turns = [{"role": "system", "content": request["system"]}] if request["system"] else []
        turns.append({"role": "user", "content": [*content, {"type": "text", "text": request["text"]}]})
        tokenizer = self._engine.get_tokenizer()
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def stop(self) -> None:
        """End the engine and its processes."""
        self._engine.shutdown()


def _rgb(jpeg: bytes) -> Any:
    from PIL import Image

    try:
        return Image.open(BytesIO(jpeg)).convert("RGB")
    except OSError as error:
        raise ValueError(f"a picture cannot be read: {error}") from error


class Engines:
    """All engines of one run: started by the driver, ended with it.

    Args:
        spec: ``models.vlm`` of the manifest, with ``run`` and ``frames``.

    Raises:
        UsageError: vLLM is not installed, or will not take the parameters. ServiceDown: Ray has too few GPUs, or an
            engine does not come up.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.options = options_of(spec)
        self._own = not ray.is_initialized()
        if self._own:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        self._actors: list[Any] = []
        try:
            gpus = tensor_parallel(spec) if self.options.gpus is None else self.options.gpus
            self._enough(gpus)
            make = ray.remote(num_cpus=0, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_Engine)
            arguments = engine_arguments(spec, self.options.frames)
            for replica in range(self.options.replicas):
                named = make.options(
                    name=self.options.actor(replica), namespace=NAMESPACE, max_concurrency=2 * self.options.concurrency
                )
                self._actors.append(named.remote(arguments))
            ray.get([actor.ready.remote() for actor in self._actors], timeout=START_SECONDS)
        except BaseException as error:
            self.close()
            if isinstance(error, RayError):
                raise _not_up(self.options.model, error) from error
            raise

    def _enough(self, gpus: float) -> None:
        wanted, there = gpus * self.options.replicas, float(ray.cluster_resources().get("GPU", 0))
        if wanted > there:
            raise ServiceDown(
                f"models.vlm: Ray has {there:g} GPUs, and {self.options.model} needs {wanted:g}",
                "lower models.vlm.replicas or tensor_parallel, or add GPUs; `gpus: 0` is for a CPU build of vLLM",
            )

    def close(self) -> None:
        """End all engines, and Ray if it was started here."""
        for actor in self._actors:
            with contextlib.suppress(RayError, GetTimeoutError):
                ray.get(actor.stop.remote(), timeout=20)
            ray.kill(actor)
        self._actors.clear()
        if self._own and ray.is_initialized():
            ray.shutdown()


def _not_up(model: str, error: RayError) -> ServiceDown | UsageError:
    inner = getattr(error, "cause", None) or error
    text = str(inner) if isinstance(inner, BaseException) else str(error)
    if "No module named 'vllm'" in text:
        return no_vllm()
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), type(error).__name__)
    return ServiceDown(
        f"models.vlm: the engine of {model} does not come up: {last[:300]}",
        "check model, dtype, max_model_len and gpu_memory; Ray's logs tell more (/tmp/ray/session_latest/logs)",
    )


def no_vllm() -> UsageError:
    """Return the error of a machine without vLLM."""
    return UsageError("vLLM is not installed here", "pip install 'synflow[vllm]'")


class VllmEngine:
    """The model as workers see it: engines of the run, found by their names."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self._actors: list[Any] = []
        self._warm = Warm()

    @property
    def model(self) -> str:
        """Id of the model, part of every request digest; equal to that of a served model."""
        return self.options.chat.identity

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask, in order; at most ``concurrency`` are in flight at a replica.

        Raises:
            Outage: an engine died; what was answered is in it.
        """
        actors = self._found()
        places: dict[int, list[int]] = {}
        for place, ask in enumerate(asks):
            key = seed_of("affinity", ask.affinity or ask.digest(self.model)) % len(actors)
            places.setdefault(key, []).append(place)
        turns = {key: Turns(asks, self._warm, own) for key, own in places.items()}
        busy = dict.fromkeys(turns, 0)
        replies: dict[int, Reply] = {}
        flight: dict[Any, tuple[int, int]] = {}
        while len(replies) < len(asks):
            for key, waiting in turns.items():
                while busy[key] < self.options.concurrency and (free := waiting.next()) is not None:
                    flight[actors[key].complete.remote(request_of(asks[free], self.options.chat))] = (free, key)
                    busy[key] += 1
            done, _ = ray.wait(list(flight), num_returns=1, timeout=self.options.timeout)
            if not done:
                raise Outage(f"{self.model}: no answer in {self.options.timeout:g} s", _REMEDY, replies)
            place, key = flight.pop(done[0])
            replies[place] = self._read(asks[place], done[0], replies)
            turns[key].done(place)
            busy[key] -= 1
        return [replies[place] for place in range(len(asks))]

    def _read(self, ask: Ask, done: Any, replies: Mapping[int, Reply]) -> Reply:
        request = ask.digest(self.model)
        try:
            return read_reply(ask, request, ray.get(done), self.options.chat)
        except RayTaskError as error:
            inner = error.cause if isinstance(error.cause, BaseException) else error
            if isinstance(inner, (ValueError, TypeError)):
                return Refusal(request, REFUSED, (str(inner).splitlines() or [""])[0][:200])
            raise Outage(f"{self.model}: the engine failed: {str(inner)[:200]}", _REMEDY, replies) from error
        except RayActorError as error:
            raise Outage(f"{self.model}: the engine died", _REMEDY, replies) from error
        except TransientFailure as failure:
            return Refusal(request, failure.reason, failure.detail)

    def _found(self) -> list[Any]:
        if not self._actors:
            try:
                self._actors = [
                    ray.get_actor(self.options.actor(replica), namespace=NAMESPACE)
                    for replica in range(self.options.replicas)
                ]
            except ValueError as error:
                raise Outage(f"{self.model}: the engine is not there", _REMEDY) from error
        return self._actors


_REMEDY = "`synflow resume` the run: it starts the engines anew"


def request_of(ask: Ask, options: OpenAiOptions) -> dict[str, Any]:
    """Return what an engine is asked: the same turns and sampling as in a request to a server."""
    return {
        "system": ask.system,
        "text": ask.text,
        "pictures": [picture.jpeg for picture in ask.pictures],
        "schema": dict(ask.schema),
        "sampling": sampling_of(ask, options),
    }


def options_of(spec: Mapping[str, Any]) -> EngineOptions:
    """Return the parameters of ``models.vlm``.

    Raises:
        UsageError: one is wrong.
    """
    try:
        return EngineOptions(**{**spec, "model": full_name(str(spec.get("model", "")))})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"models.vlm.{where}: {first['msg']}", "see `synflow stages --schema`") from error
