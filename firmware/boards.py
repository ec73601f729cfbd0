"""The boards below boards/: chip, flash and partition table, read from the files that MicroPython's build reads."""

import re
from dataclasses import dataclass
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError
from firmware.partitions import SECTOR_SIZE, SUBTYPE_OTADATA, TYPE_DATA, PartitionTable, read_csv

FOLDER = paths.ROOT / "boards"
_BOARD_FILE = "mpconfigboard.cmake"
_EMULATED = "CONFIG_ETH_USE_OPENETH"  # a network card that only QEMU has


@dataclass(frozen=True)
class Chip:
    """What the tools have to know of a chip, sources: ESP-IDF v5.5.1 and MicroPython v1.28.0.

    family: its name in esptool and ESP Web Tools; id: in an application image's header (esp_app_format.h); march: of
    mpy-cross (ports/esp32/esp32_common.cmake:249-257); bootloader_offset: in bytes (bootloader/Kconfig.projbuild:8-13).
    """

    family: str
    id: int
    march: str
    bootloader_offset: int


CHIPS = {
    "esp32": Chip("ESP32", 0x0000, "xtensawin", 0x1000),
    "esp32s3": Chip("ESP32-S3", 0x0009, "xtensawin", 0x0),
    "esp32c3": Chip("ESP32-C3", 0x0005, "rv32imc", 0x0),
}


@dataclass(frozen=True)
class Board:
    """One board, or one `variant` of it ("" if there is none).

    `flash_size` is in bytes; `flash_mode` and `flash_freq` are esptool's words of what the image's header says.
    `fragments` are this project's sdkconfig files in their order; MicroPython's own are not among them.
    """

    name: str
    variant: str
    folder: Path
    chip: str
    flash_size: int
    flash_mode: str
    flash_freq: str
    partitions_csv: Path
    table: PartitionTable
    manifest: Path
    fragments: tuple[Path, ...]
    release: bool

    @classmethod
    def load(cls, name, variant="", folder=None):
        """The Board `name` with `variant` of the folder boards/, or of another `folder`.

        Raises FirmwareError, which names the file, the field and the remedy, or the boards that there are.
        """
        return _load(name, variant or "", Path(folder or FOLDER))

    @property
    def label(self):
        """Name and variant as one word: 'ESP32', 'ESP32-QEMU'. The build folder is called so."""
        return f"{self.name}-{self.variant}" if self.variant else self.name

    @property
    def chip_family(self):
        """The chip as esptool and ESP Web Tools write it: 'ESP32-S3'."""
        return CHIPS[self.chip].family

    @property
    def chip_id(self):
        """The chip's number in an image's header."""
        return CHIPS[self.chip].id

    @property
    def march(self):
        """The architecture that mpy-cross compiles native code for."""
        return CHIPS[self.chip].march

    @property
    def bootloader_offset(self):
        """Where the bootloader lies in flash, in bytes."""
        return CHIPS[self.chip].bootloader_offset

    @property
    def boot_json(self):
        """The settings that a new filesystem gets: the board's own boot.json, else that of all chips."""
        own = self.folder / "boot.json"
        return own if own.is_file() else paths.ROOT / "firmware" / "boot.json"


def boards(folder=None):
    """List of all Boards of the folder boards/, or of another `folder`: by name, each before its variants."""
    folder = Path(folder or FOLDER)
    return [_load(name, variant, folder) for name in _names(folder) for variant in ("", *_variants(folder / name))]


def _names(folder):
    return sorted(file.parent.name for file in folder.glob(f"*/{_BOARD_FILE}"))


def _variants(folder):
    files = folder.glob("mpconfigvariant_*.cmake")
    return sorted(file.stem.removeprefix("mpconfigvariant_") for file in files)


def _load(name, variant, folder):
    home = folder / name
    if name not in _names(folder):
        raise FirmwareError(f"there is no board '{name}'; BOARD= takes one of {', '.join(_names(folder))}")
    if variant and variant not in _variants(home):
        known = ", ".join(_variants(home)) or "none"
        raise FirmwareError(f"board {name} has no variant '{variant}'; VARIANT= takes one of: {known}")

    settings = _CMakeSettings(home)
    settings.read(home / _BOARD_FILE)
    if variant:
        settings.read(home / f"mpconfigvariant_{variant}.cmake")
    if settings.chip not in CHIPS:
        raise FirmwareError(
            f"{paths.show(home / _BOARD_FILE)}: IDF_TARGET is '{settings.chip or ''}'; "
            f"set(IDF_TARGET …) takes one of {', '.join(CHIPS)}"
        )

    config = _Config(settings.fragments, home)
    flash_size = config.flash_size()
    own_table = home / "partitions.csv"
    partitions_csv = own_table if own_table.is_file() else folder / "common" / "partitions.csv"
    table = read_csv(partitions_csv, flash_size)
    _check_table(table, partitions_csv)
    return Board(
        name=name,
        variant=variant,
        folder=home,
        chip=settings.chip,
        flash_size=flash_size,
        flash_mode=config.flash_mode(),
        flash_freq=config.flash_freq(),
        partitions_csv=partitions_csv,
        table=table,
        manifest=settings.manifest or home / "manifest.py",
        fragments=settings.fragments,
        release=not config.on(_EMULATED),
    )


def _check_table(table, path):
    """What the firmware needs beyond ESP-IDF's rules: two slots, otadata, settings, the filesystem."""
    where = paths.show(path)
    if len(table.ota_slots()) < 2:
        raise FirmwareError(f"{where}: there are no two partitions app, ota_0 and app, ota_1; an update needs both")
    if not table.find_by_type(TYPE_DATA, SUBTYPE_OTADATA):
        raise FirmwareError(f"{where}: there is no partition data, ota, which says what slot starts; add 'otadata'")
    for name, use in (("nvs", "MicroPython's makeimg.py looks for it"), ("vfs", "the filesystem lies there")):
        if table.find(name) is None:
            raise FirmwareError(f"{where}: there is no partition '{name}'; {use}")
    if table["vfs"].size % SECTOR_SIZE:
        raise FirmwareError(f"{where}: the size of 'vfs' is not a multiple of 0x{SECTOR_SIZE:x}, a block of LittleFS")


class _CMakeSettings:
    """What mpconfigboard.cmake and mpconfigvariant_*.cmake set, as far as the host tools need it."""

    _CALL = re.compile(r"\b(set|list)\s*\(\s*([^()]*)\)")
    _WORD = re.compile(r'"[^"]*"|[^\s"]+')

    def __init__(self, folder):
        self._folder = folder
        self._values = {}

    def read(self, path):
        """Take over the settings of a file; raises FirmwareError when it cannot be read."""
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FirmwareError(f"cannot read {paths.show(path)}: {error}") from error
        text = re.sub(r"#[^\n]*", "", text)
        for command, arguments in self._CALL.findall(text):
            words = [word.strip('"') for word in self._WORD.findall(arguments)]
            if command == "list" and words[:1] == ["APPEND"]:
                self._values.setdefault(words[1], []).extend(self._expand(words[2:], path))
            elif command == "set" and words:
                self._values[words[0]] = self._expand(words[1:], path)

    def _expand(self, words, path):
        result = []
        for word in words:
            name = re.fullmatch(r"\$\{(\w+)\}", word)
            if name and name[1] in self._values:
                result += self._values[name[1]]
            else:
                result.append((word.replace("${MICROPY_BOARD_DIR}", str(self._folder)), path))
        return result

    def _value(self, name):
        """The text of a variable, or ''."""
        return " ".join(text for text, _ in self._values.get(name, ()))

    @property
    def chip(self):
        """IDF_TARGET, or ''."""
        return self._value("IDF_TARGET")

    @property
    def manifest(self):
        """The Path of MICROPY_FROZEN_MANIFEST, or None."""
        value = self._value("MICROPY_FROZEN_MANIFEST")
        return Path(value) if value else None

    @property
    def fragments(self):
        """The sdkconfig files of this project; relative names are MicroPython's. Raises FirmwareError."""
        found = []
        for text, source in self._values.get("SDKCONFIG_DEFAULTS", ()):
            fragment = Path(text)
            if not fragment.is_absolute():
                continue
            fragment = fragment.resolve()
            if not fragment.is_file():
                raise FirmwareError(
                    f"{paths.show(source)}: SDKCONFIG_DEFAULTS names {paths.show(fragment)}, which does not exist"
                )
            found.append(fragment)
        return tuple(found)


class _Config:
    """The keys of sdkconfig fragments that are read in their order; the last line of a key wins."""

    _LINE = re.compile(r"(CONFIG_\w+)=(.*)")

    def __init__(self, fragments, folder):
        self._where = paths.show(folder)
        self._values = {}
        for fragment in fragments:
            for line in fragment.read_text("utf-8").splitlines():
                match = self._LINE.fullmatch(line.strip())
                if match:
                    self._values[match[1]] = match[2]

    def on(self, key):
        """Whether the key is y."""
        return self._values.get(key) == "y"

    def flash_size(self):
        """Bytes. Raises FirmwareError, as the two below."""
        return int(self._choice("CONFIG_ESPTOOLPY_FLASHSIZE_", r"(\d+)MB", "4MB")) << 20

    def flash_mode(self):
        """What the header says: ESP-IDF's bootloader switches from DIO to the quad modes by itself."""
        mode = self._choice("CONFIG_ESPTOOLPY_FLASHMODE_", r"(QIO|QOUT|DIO|DOUT)", "DIO")
        return "dout" if mode == "DOUT" else "dio"

    def flash_freq(self):
        """esptool's word for the clock, such as '80m'."""
        return self._choice("CONFIG_ESPTOOLPY_FLASHFREQ_", r"(20M|26M|40M|80M)", "40M").lower()

    def _choice(self, prefix, pattern, example):
        """The one end of a key `prefix`… that is y. It must be said: MicroPython's own files say it only in part."""
        chosen = [key for key, value in self._values.items() if key.startswith(prefix) and value == "y"]
        if len(chosen) != 1:
            found = f"{' and '.join(chosen)} are both y" if chosen else f"no {prefix}… is y"
            raise FirmwareError(f"{self._where}: in its sdkconfig files {found}; set one, such as {prefix}{example}=y")
        match = re.fullmatch(pattern, chosen[0].removeprefix(prefix))
        if match is None:
            raise FirmwareError(f"{self._where}: {chosen[0]} is none that is known here, such as {prefix}{example}")
        return match[1]
