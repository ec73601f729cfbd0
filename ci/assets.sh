#!/usr/bin/env bash
# Packs what a release offers to download: ci/assets.sh RELEASE WEB_INSTALLER OUTPUT
# RELEASE is a folder of 'make release', build/release/VERSION with a folder for each board; WEB_INSTALLER that of
# 'make web-installer'. For each board the image to flash and an archive of everything, one archive of the page, sums.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: ci/assets.sh RELEASE WEB_INSTALLER OUTPUT" >&2
  exit 2
fi
release=$1 installer=$2 output=$3
version=$(basename "$(realpath "$release")")
prefix="microAsyncWeb-$version"

mkdir -p "$output"
for folder in "$release"/*/; do
  label=$(basename "$folder")
  cp "$folder$prefix-$label.bin" "$output/"
  tar -C "$release" -czf "$output/$prefix-$label.tar.gz" "$label"
done
tar -C "$(dirname "$installer")" -czf "$output/$prefix-web-installer.tar.gz" "$(basename "$installer")"
cd "$output"
sha256sum -- *.bin *.tar.gz >SHA256SUMS
