#!/bin/sh
# The demo of the CPU image: what `make demo` does, without installing anything.
set -eu
synflow world runs/demo-world --clips "${CLIPS:-60}" --defects 0.2 --seed 42
cp -R samples runs/demo-real
exec synflow run manifests/demo.yaml --out runs/demo "$@"
