#!/usr/bin/env bash
# Builds the firmware of a board and its release folder: ci/build.sh BOARD [VARIANT].
# ESP-IDF v5.5.1 is that of IDF_PATH, as in Espressif's container, or is fetched into build/sdk with MicroPython.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: ci/build.sh BOARD [VARIANT]; 'make boards' lists them" >&2
  exit 2
fi
board=(BOARD="$1" VARIANT="${2:-}")

make sdk
make firmware "${board[@]}"
make size "${board[@]}"
make release "${board[@]}"
