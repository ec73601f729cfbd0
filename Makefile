# Everything a user or a developer starts, one target each; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
FLASH ?= build/flash.bin
WEBROOT ?= firmware/webroot

# Settings of the desktop board are passed on only when they are set: the program knows its defaults.
board_options = --flash "$(FLASH)" \
  $(if $(HTTP_PORT),--http-port "$(HTTP_PORT)") \
  $(if $(WEBREPL_PORT),--webrepl-port "$(WEBREPL_PORT)") \
  $(if $(CONSOLE),--console "$(CONSOLE)") \
  $(if $(CONTROL),--control "$(CONTROL)") \
  $(if $(HEAP),--heap "$(HEAP)")
file_options = --webroot "$(WEBROOT)" $(if $(BOOT_JSON),--boot-json "$(BOOT_JSON)")
# BOARD makes these targets those of a chip, whose tools are installed on the first use.
board = $(if $(BOARD),--board "$(BOARD)" $(if $(VARIANT),--variant "$(VARIANT)"))
outputs = $(if $(OUTPUTS),--outputs "$(OUTPUTS)")
port = --port "$(PORT)" $(if $(BAUD),--baud "$(BAUD)")
tools = $(VENV)/$(if $(BOARD)$(PORT),.chips,.runtime)

.DEFAULT_GOAL := help
.PHONY: help run erase image test lint size bench check-boot-json list clean distclean
.PHONY: sdk boards firmware flash flash-app flash-webroot monitor ota release qemu web-installer
.SILENT:

help: ## list the targets
	echo "make TARGET [SETTING=VALUE ...]"; echo
	sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	echo; echo "Without BOARD these are about the desktop board, with it about a chip: image, erase, size."
	echo; echo "Settings:"; sed -n 's/^# setting \([A-Z_]*\) \(.*\)$$/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# setting HTTP_PORT port of the pages on this computer (8080, the next free one if it is taken)
# setting WEBREPL_PORT port of WebREPL on this computer (8266, the next free one if it is taken)
# setting FLASH the board's flash image; keeps its content from run to run (build/flash.bin)
# setting WEBROOT folder with the pages of a new flash image (firmware/webroot)
# setting BOOT_JSON settings of a new flash image (ports/unix/boot.json; for a chip firmware/boot.json)
# setting CONSOLE where the serial console is linked (build/console)
# setting CONTROL socket that tests drive the board by (build/control)
# setting HEAP bytes of the board's MicroPython heap, such as 256k
# setting BOARD a chip's board, see make boards
# setting VARIANT variant of that board, such as QEMU
# setting PORT serial port of the chip, such as /dev/ttyUSB0
# setting BAUD speed of flashing (460800)
# setting MICROPYTHON_DIR sources of MicroPython v1.28.0 (build/sdk/micropython)
# setting IDF_PATH an ESP-IDF v5.5.1 (build/sdk/esp-idf)
# setting CONTAINER docker or podman: build in Espressif's container, without an ESP-IDF here
# setting IDF_IMAGE the image of that container (espressif/idf:v5.5.1)
# setting OUTPUTS folder with the outputs of a build (build/BOARD)
# setting ADDRESS address of the board to update, such as 192.168.1.20 or 127.0.0.1:8080
# setting PASSWORD its admin.password
# setting IMAGE application image of the update (that of BOARD, or of the desktop board)
# setting RELEASE release folder for the web installer (the newest in build/release)
# setting PYTHON the interpreter that .venv is made with (python3)
# setting ARGS more arguments for pytest

run: $(VENV)/.runtime ## build what changed and start the desktop board, with its REPL in this terminal
	$(PY) -m firmware image --flash "$(FLASH)" $(file_options)
	exec $(PY) -m ports.unix run $(board_options)

image: $(tools) ## bring FLASH up to date without starting it; with BOARD: make build/BOARD/flash.bin
	$(PY) -m firmware image --flash "$(FLASH)" $(file_options) $(board) $(outputs)

erase: $(tools) ## make FLASH new from WEBROOT and BOOT_JSON: what was on it is lost; with PORT: erase the chip there
	$(PY) -m firmware $(if $(BOARD)$(PORT),erase $(port) $(board),image --new --flash "$(FLASH)" $(file_options))

list: $(VENV)/.runtime ## list the files on the filesystem of FLASH
	$(PY) -m firmware list "$(FLASH)"

check-boot-json: $(VENV)/.runtime ## check BOOT_JSON and show all that is wrong with it
	$(PY) -m firmware boot-json "$(or $(BOOT_JSON),ports/unix/boot.json)"

size: $(tools) ## show the server's core against its budget, all modules, the slot and the filesystem
	$(PY) -m firmware size $(file_options) $(board) $(outputs)

boards: $(VENV)/.runtime ## list the boards that there is firmware for
	$(PY) -m firmware boards

sdk: $(VENV)/.runtime ## fetch MicroPython, ESP-IDF and its tools, which firmware for chips is built with
	$(PY) -m firmware sdk --container "$(CONTAINER)"

firmware: $(VENV)/.chips ## build the firmware of BOARD into build/BOARD
	$(PY) -m firmware build $(board) --container "$(CONTAINER)" $(if $(IDF_IMAGE),--image "$(IDF_IMAGE)")

flash: $(VENV)/.chips ## write firmware and filesystem to the chip on PORT: its own files are lost
	$(PY) -m firmware flash $(port) $(board) $(outputs) $(file_options)

flash-app: $(VENV)/.chips ## write the firmware only to the chip on PORT: it keeps its files
	$(PY) -m firmware flash-app $(port) $(board) $(outputs)

flash-webroot: $(VENV)/.chips ## write the filesystem only to the chip on PORT: BOOT_JSON and WEBROOT
	$(PY) -m firmware flash-webroot $(port) $(board) $(file_options)

monitor: $(VENV)/.runtime ## talk to the board on PORT; Ctrl-] ends it
	exec $(PY) -m firmware monitor --port "$(PORT)"

# In the environment, since every user of the computer can read a command line.
ota: export OTA_PASSWORD := $(or $(value PASSWORD),$(OTA_PASSWORD))
ota: $(tools) ## update the firmware of the board at ADDRESS over the network, with PASSWORD
	$(PY) -m firmware ota --address "$(ADDRESS)" $(board) $(if $(IMAGE),--image "$(IMAGE)")

release: $(VENV)/.chips ## put images, sums and manifest of all boards, or of BOARD, into build/release
	$(PY) -m firmware release $(board) $(outputs) $(file_options)

qemu: $(VENV)/.runtime ## boot the image of BOARD=ESP32 VARIANT=QEMU in Espressif's QEMU, REPL in this terminal
	exec $(PY) -m firmware qemu --board "$(or $(BOARD),ESP32)" --variant "$(or $(VARIANT),QEMU)" \
	  $(if $(HTTP_PORT),--http-port "$(HTTP_PORT)") \
	  $(if $(WEBREPL_PORT),--webrepl-port "$(WEBREPL_PORT)") \
	  $(if $(CONSOLE),--console "$(CONSOLE)")

web-installer: $(VENV)/.web ## make the page that installs the release from a browser, in build/web-installer
	$(PY) -m firmware web-installer $(if $(RELEASE),--release "$(RELEASE)")

test: lint ## run all checks: ruff, then pytest (ARGS="-k name" for some)
	exec $(PY) -m pytest $(ARGS)

lint: $(VENV)/.testing ## check the style of all Python with ruff
	$(PY) -m ruff check .

bench: $(VENV)/.testing ## measure the server against others, side by side, in some two minutes (ARGS=--quick)
	exec $(PY) -m tests.bench $(ARGS)

clean: ## remove what was built, but keep the flash images and the SDK
	find build -mindepth 1 -maxdepth 1 ! -name '*.bin' ! -name '*.bin.json' ! -name sdk -exec rm -rf {} + \
	  2>/dev/null || true

distclean: ## remove all that is not in the repository: build/ with its flash images and the SDK, and .venv
	rm -rf build $(VENV) .pytest_cache .ruff_cache

$(VENV)/.runtime: firmware/requirements.txt firmware/bootstrap.py
	command -v "$(PYTHON)" >/dev/null || { echo "error: no $(PYTHON) here; PYTHON= names another" >&2; exit 1; }
	echo "Installing the build tools into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt
	touch $@

$(VENV)/.chips: firmware/requirements-chips.txt $(VENV)/.runtime
	echo "Installing the tools for chips into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt $<
	touch $@

$(VENV)/.web: firmware/requirements-web.txt $(VENV)/.runtime
	echo "Installing the tools for the web installer into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt $<
	touch $@

$(VENV)/.testing: tests/requirements.txt firmware/requirements-chips.txt firmware/requirements-web.txt $(VENV)/.runtime
	echo "Installing the test tools into $(VENV) ..."
	$(PYTHON) firmware/bootstrap.py $(VENV) firmware/requirements.txt $(filter %.txt,$^)
	touch $(VENV)/.chips $(VENV)/.web $@
