#!/usr/bin/env bash
# Boots the QEMU variant in Espressif's QEMU and runs the hardware-in-loop tests against it: ci/qemu.sh [PYTEST OPTION...]
# 'ci/build.sh ESP32 QEMU' builds it; FLASH names a flash image made elsewhere. What the board sends on its serial port,
# what QEMU says and the tests' report are kept in LOGS.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${LOGS:=build/qemu}" "${CONSOLE_PORT:=5555}" "${HTTP_PORT:=8080}" "${WEBREPL_PORT:=8266}"
python=.venv/bin/python
host=127.0.0.1

make .venv/.testing
if [ -z "${FLASH:-}" ]; then
  make image BOARD=ESP32 VARIANT=QEMU BOOT_JSON=ci/boot.json
  FLASH=build/ESP32-QEMU/flash.bin
fi
mkdir -p "$LOGS"

# Port 2121 is that of a second server which a test starts on the board, hence the capability "ports".
$python -m firmware qemu --flash "$FLASH" --new --console "socket://$host:$CONSOLE_PORT" --http-port "$HTTP_PORT" \
  --webrepl-port "$WEBREPL_PORT" --forward 2121 --log "$LOGS/serial.log" >"$LOGS/qemu.log" 2>&1 &
qemu=$!

stop() {
  status=$?
  trap - EXIT
  kill "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    for log in qemu.log serial.log; do
      if [ -s "$LOGS/$log" ]; then
        echo "---- the end of $LOGS/$log" >&2
        tail -n 60 "$LOGS/$log" >&2
      fi
    done
  fi
  exit "$status"
}
trap stop EXIT

for _ in $(seq 300); do
  if ! kill -0 "$qemu" 2>/dev/null; then
    echo "error: QEMU did not start" >&2
    exit 1
  fi
  if (exec 3<>"/dev/tcp/$host/$CONSOLE_PORT") 2>/dev/null; then
    break
  fi
  sleep 0.1
done

# Before the first test the board is waited for: its prompt, then an answer of its web server.
$python -m pytest tests/hil --board "socket://$host:$CONSOLE_PORT" --address "$host:$HTTP_PORT" \
  --webrepl "$host:$WEBREPL_PORT" --capability ports --junit-xml "$LOGS/report.xml" "$@"
