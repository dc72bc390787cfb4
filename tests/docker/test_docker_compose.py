"""The compose files and the Kubernetes job: what they promise about networks, users and health."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from synflow.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE = ("compose.yaml", "compose.ray.yaml")


def load(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))


def services(name: str) -> dict[str, Any]:
    return load(name)["services"]


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_tool_reads_it(name: str, tmp_path: Path) -> None:
    """podman-compose resolves variables, anchors and dependencies; it asks podman for its version only."""
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.4.0\n")
    podman.chmod(podman.stat().st_mode | stat.S_IXUSR)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MODELS": "/models", "DATA": "/data"}
    tool = Path(sys.executable).parent / "podman-compose"
    command = [str(tool), "-f", str(DOCKER / name), "config"]
    run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert run.returncode == 0, run.stderr
    assert set(yaml.safe_load(run.stdout)["services"]) == set(services(name))


@pytest.mark.parametrize("name", COMPOSE)
def test_nothing_is_published(name: str) -> None:
    networks = load(name)["networks"]
    assert networks and all(network["internal"] is True for network in networks.values())
    for service in services(name).values():
        assert "ports" not in service and "network_mode" not in service
        assert service["networks"] and set(service["networks"]) <= set(networks)


@pytest.mark.parametrize("name", COMPOSE)
def test_nobody_is_root_or_can_become_it(name: str) -> None:
    for service in services(name).values():
        assert not service["user"].startswith(("0", "root")) and service["user"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


@pytest.mark.parametrize("name", COMPOSE)
def test_images_are_built_from_files_that_exist(name: str) -> None:
    for service in services(name).values():
        context = (DOCKER / service["build"]["context"]).resolve()
        assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", COMPOSE)
def test_who_waits_for_health_waits_for_something_that_has_it(name: str) -> None:
    everyone = services(name)
    waits = [(who, on, how) for who, s in everyone.items() for on, how in s.get("depends_on", {}).items()]
    assert waits
    for _, on, how in waits:
        assert how == {"condition": "service_healthy"}
        assert everyone[on]["healthcheck"]["test"][0] == "CMD"


def test_the_server_has_the_flags_that_wrong_answers_taught(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The very command of the service, on the manifest of its comment."""
    comment = (DOCKER / "compose.yaml").read_text(encoding="utf-8").split("name: synflow")[0].replace("\n#", "\n")
    models = yaml.safe_load(comment[comment.index("models: {vlm:") :])
    value = {"version": 1, "name": "n", "inputs": [{"clips": "c.jsonl"}], "stages": ["validate"], **models}
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(value))
    (tmp_path / "c.jsonl").write_text("")
    words = services("compose.yaml")["vlm"]["command"]
    assert words[:3] == ["synflow", "serve", "/data/manifest.yaml"]
    assert main(["serve", str(tmp_path / "manifest.yaml"), *words[3:], "--dry-run"]) == 0
    (server,) = [json.loads(capsys.readouterr().out)]
    command = server["command"]
    flags = dict(itertools.pairwise(command))
    assert json.loads(flags["--structured-outputs-config"])["backend"] == "guidance"
    assert json.loads(flags["--media-io-kwargs"]) == {"video": {"num_frames": -1}}
    assert json.loads(flags["--limit-mm-per-prompt"])["image"] >= 17
    assert {"min_pixels", "max_pixels"} <= json.loads(flags["--mm-processor-kwargs"]).keys()
    assert {"--enable-prompt-tokens-details", "--enable-prefix-caching"} <= set(command)
    assert (flags["--max-model-len"], flags["--max-num-seqs"]) == ("16384", "32")
    assert server["url"] == "http://127.0.0.1:8000/v1"
    assert "--host=0.0.0.0" in words


def test_the_server_is_asked_whether_it_is_ready_in_python_that_parses() -> None:
    test = services("compose.yaml")["vlm"]["healthcheck"]["test"]
    compile(test[-1], "healthcheck", "exec")
    assert "/version" in test[-1]


def test_the_pipeline_sees_the_server_under_the_name_in_the_comment() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert "http://vlm:8000/v1" in text and "vlm" in services("compose.yaml")


def test_the_ray_head_runs_nothing_itself_and_passes_its_exit_code_on() -> None:
    shell = services("compose.ray.yaml")["head"]["command"]
    assert shell[:2] == ["sh", "-c"]
    script = shell[2].replace("$$", "$")
    subprocess.run(["sh", "-n", "-c", script], check=True, timeout=10)
    assert "--num-cpus=0" in script and script.endswith("exit $status")


def test_the_kubernetes_job_runs_synflow_on_every_node_as_an_ordinary_user() -> None:
    job = load("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert shlex.split(job["spec"]["entrypoint"])[:2] == ["synflow", "run"]
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins
