# Everything a user or a developer starts, one target each; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
FLASH ?= build/flash.bin
WEBROOT ?= firmware/webroot
BOOT_JSON ?= ports/unix/boot.json

# Settings of the desktop board are passed on only when they are set: the program knows its defaults.
board_options = --flash "$(FLASH)" \
  $(if $(HTTP_PORT),--http-port "$(HTTP_PORT)") \
  $(if $(WEBREPL_PORT),--webrepl-port "$(WEBREPL_PORT)") \
  $(if $(CONSOLE),--console "$(CONSOLE)") \
  $(if $(CONTROL),--control "$(CONTROL)") \
  $(if $(HEAP),--heap "$(HEAP)")
file_options = --webroot "$(WEBROOT)" --boot-json "$(BOOT_JSON)"

.DEFAULT_GOAL := help
.PHONY: help run erase image test lint size bench check-boot-json list clean distclean
.SILENT:

help: ## list the targets
	echo "make TARGET [SETTING=VALUE ...]"; echo
	sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	echo; echo "Settings:"; sed -n 's/^# setting \([A-Z_]*\) \(.*\)$$/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# setting HTTP_PORT port of the pages on this computer (8080, the next free one if it is taken)
# setting WEBREPL_PORT port of WebREPL on this computer (8266, the next free one if it is taken)
# setting FLASH the board's flash image; keeps its content from run to run (build/flash.bin)
# setting WEBROOT folder with the pages of a new flash image (firmware/webroot)
# setting BOOT_JSON settings of a new flash image (ports/unix/boot.json)
# setting CONSOLE where the serial console is linked (build/console)
# setting CONTROL socket that tests drive the board by (build/control)
# setting HEAP bytes of the board's MicroPython heap, such as 256k
# setting PYTHON the interpreter that .venv is made with (python3)
# setting ARGS more arguments for pytest

run: $(VENV)/.runtime ## build what changed and start the desktop board, with its REPL in this terminal
	$(PY) -m firmware image --flash "$(FLASH)" $(file_options)
	exec $(PY) -m ports.unix run $(board_options)

image: $(VENV)/.runtime ## build what changed and bring FLASH up to date, without starting it
	$(PY) -m firmware image --flash "$(FLASH)" $(file_options)

erase: $(VENV)/.runtime ## make FLASH new from WEBROOT and BOOT_JSON: what was on it is lost
	$(PY) -m firmware image --new --flash "$(FLASH)" $(file_options)

list: $(VENV)/.runtime ## list the files on the filesystem of FLASH
	$(PY) -m firmware list "$(FLASH)"

check-boot-json: $(VENV)/.runtime ## check BOOT_JSON and show all that is wrong with it
	$(PY) -m firmware boot-json "$(BOOT_JSON)"

size: $(VENV)/.runtime ## show the size of the compiled modules, the slot and the filesystem
	$(PY) -m firmware size $(file_options)

test: lint ## run all checks: ruff, then pytest (ARGS="-k name" for some)
	exec $(PY) -m pytest $(ARGS)

lint: $(VENV)/.testing ## check the style of all Python with ruff
	$(PY) -m ruff check .

bench: $(VENV)/.testing ## measure the server against others, side by side
	exec $(PY) -m tests.bench $(ARGS)

clean: ## remove what was built, but keep the flash images
	find build -mindepth 1 -maxdepth 1 ! -name '*.bin' ! -name '*.bin.json' -exec rm -rf {} + 2>/dev/null || true

distclean: ## remove all that is not in the repository: build/ with its flash images, and .venv
	rm -rf build $(VENV) .pytest_cache .ruff_cache

$(VENV)/.runtime: firmware/requirements.txt firmware/bootstrap.py
	command -v "$(PYTHON)" >/dev/null || { echo "error: no $(PYTHON) here; PYTHON= names another" >&2; exit 1; }
	echo "Installing the build tools into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt
	touch $@

$(VENV)/.testing: tests/requirements.txt $(VENV)/.runtime
	echo "Installing the test tools into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt tests/requirements.txt
	touch $@
