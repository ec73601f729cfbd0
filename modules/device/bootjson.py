"""The file /boot.json: loaded at start, saved whole or not at all, tried out before it stays.

    /boot.json        the settings; people may edit it
    /boot.good.json   the settings of the last start that passed its self-test
    /boot.trial.json  settings that the next start is to try out
    /boot.tried.json  those that this start tries out: unless somebody confirms them, the next start removes them
    *.new             a file that is being written

A file is written beside the one that it replaces, synced, and renamed, which LittleFS does at once or not at all:
wherever the power fails, the next start finds the old file or the new one.
"""

import _thread
import os
import sys
import time
from asyncio import sleep_ms
from binascii import crc32

import machine
from micropython import const

import device

from . import log, restart

PATH = "/boot.json"
GOOD = "/boot.good.json"
TRIAL = "/boot.trial.json"
TRIED = "/boot.tried.json"
SIZE_MAX = const(8192)  # bytes of a file
TRIAL_S = const(60)

_PATIENCE_MS = const(180_000)  # for an address, before the time of a trial begins
_WATCH_MS = const(500)
_NETWORKS = const(8)
_REASONS = {
    5: "the flash cannot be written",
    19: "there is no filesystem",
    28: "the filesystem is full",
    30: "the filesystem is read-only",
    36: "the filesystem is full",  # lfs_file_opencfg(): where there is no room for one more name, short as it is
}
_ON_TRIAL = "other settings are on trial: confirm them first, or wait until they are given up"
_RESTARTING = "the board is about to restart: try again when it has"

source = "defaults"  # what is in force: 'boot.json', 'last good', 'trial', 'defaults' or, see rescue.py, 'NVS copy'
_sum = None  # CRC of the file that is in force, None if there is none
_deadline = None  # ticks_ms() at which a trial is over, once its time runs
_lock = _thread.allocate_lock()  # the loop and the REPL may both save


def load(last_good=False):
    """(settings, problems, source): a dict with every key, a line for each thing that is wrong, and where it is from.

    Called once for each start: it begins a trial that was asked for, and ends one that nobody confirmed. A file that
    is missing or has something wrong gives way to the last good one; if there is none, each wrong value to its default.
    last_good: take the last good one at once, if there is one. Never raises for what the files hold.
    """
    global source, _sum, _deadline
    with _Settings() as settings:
        problems = []
        _deadline = _sum = None
        files = [(PATH, "boot.json"), (GOOD, "last good")]
        if last_good:
            files.reverse()
        if _begin_trial(last_good, problems):
            files.insert(0, (TRIED, "trial"))
        second = None
        for path, name in files:
            data, raw, found, remarks = _examine(settings, path)
            if data is None and path != PATH:
                continue
            problems.extend(found)
            verdict = settings.check(raw)
            problems.extend(_named(path, verdict.problems))
            if not found and not verdict.problems:
                # What is tried out is boot.json for those who read this later.
                remarks = _named(path, verdict.remarks) + remarks
                problems.extend([line.replace(TRIED[1:], PATH[1:], 1) for line in remarks])
                source = name
                _sum = crc32(data)
                if name == "last good" and not last_good:
                    problems.append("the last good settings are used in the place of boot.json")
                return verdict.settings, problems, source
            if path == PATH and not found:
                second = verdict.settings
                _sum = crc32(data)
        source = "boot.json" if second else "defaults"
        if not second:
            problems.append("the default settings are used")
        return second or settings.check({}).settings, problems, source


def keep_good():
    """Keep boot.json as the last good settings, and in NVS what it takes to reach the board.

    For the self-test, when it has passed; what is added to a good start comes here by itself. Settings on trial, a file
    that somebody else has changed since the start, or that has something wrong, are not kept; nor is anything twice.
    """
    with _Settings() as settings:
        _keep_good(settings)


def hindrance():
    """Why no settings, and no firmware, can be taken just now: words, or ''.

    What is on trial would be lost with them, or they with it; and so would be what comes between an answer and the
    restart that it has announced.
    """
    if source == "trial":
        return _ON_TRIAL
    return _RESTARTING if restart.under_way() or _exists(TRIAL) else ""


def parse(data):
    """The value of a JSON text in bytes, as read from a file. ValueError with words for what is no JSON."""
    with _Settings() as settings:
        if len(data) > SIZE_MAX:
            raise ValueError("larger than %d bytes" % SIZE_MAX)
        return settings.jsontext.parse(data)


def render(raw):
    """The text of a boot.json for people, in bytes: the keys in the order of the documentation, others behind them."""
    with _Settings() as settings:
        return _render(settings, raw)


def check(raw):
    """(settings, problems, remarks) for settings that could be saved: lines for what is wrong, for what is ignored."""
    with _Settings() as settings:
        verdict = _check(settings, raw)[1]
        return verdict.settings, verdict.problems, verdict.remarks


def current():
    """The settings to begin a change with, a dict: boot.json, or if it has something wrong the last good ones.

    Without those it is boot.json without what is wrong, or {}.
    """
    return base()[0]


def base():
    """(what current() gives, lines): what is wrong with boot.json if that would be lost with what is saved."""
    with _Settings() as settings:
        return _base(settings, TRIED if source == "trial" else PATH)[:2]


def save(raw, safe=False):
    """Make the dict `raw` the new boot.json. The lines of what is wrong, then nothing has changed; [] when saved.

    safe: it cannot cut the board off, so that it can be kept as the last good one.
    """
    with _Settings() as settings:
        problem = hindrance()
        if problem:
            return [problem]
        return _store(settings, PATH, raw, safe, _base(settings, PATH)[2] if safe else None)


def propose(raw):
    """Try the dict `raw` out with the next start, which the caller brings about. The lines of what is wrong, or []."""
    with _Settings() as settings:
        problem = hindrance()
        return [problem] if problem else _store(settings, TRIAL, raw)


def add_network(ssid, password, hostname="", admin=""):
    """Put a Wi-Fi network first in boot.json, in the place of one of the same name; [] or what is wrong.

    More than eight networks: the last one goes. hostname and admin, the administrator's password, change if they are
    not empty. With settings on trial they get all of this as well.
    """
    with _Settings() as settings:
        problem = hindrance()
        if problem and source != "trial":
            return [problem]
        for path in (PATH, TRIED) if source == "trial" else (PATH,):
            raw, _lines, data = _base(settings, path)
            wifi = raw.setdefault("wifi", {})
            networks = wifi.setdefault("networks", [])
            entry = {}
            for known in networks:
                if known["ssid"] == ssid:
                    entry = known
            others = [known for known in networks if known["ssid"] != ssid]
            entry["ssid"] = ssid
            entry["password"] = password
            wifi["networks"] = [entry] + others[: _NETWORKS - 1]
            if hostname:
                raw["hostname"] = hostname
            if admin:
                raw.setdefault("admin", {})["password"] = admin
            problems = _store(settings, path, raw, path == PATH, data)
            if problems:
                return problems
        return []


def confirm():
    """Settings on trial become boot.json. What is wrong, or []."""
    global source, _sum, _deadline
    with _Settings() as settings:
        if source != "trial":
            return ["no settings are on trial"]
        try:
            data = _bytes(TRIED)
            os.rename(TRIED, PATH)
        except OSError as error:
            return ["the settings cannot be confirmed: " + reason(error)]
        source = "boot.json"
        _deadline = None
        _sum = crc32(data)
        _keep_good(settings)
    log.info("the settings on trial are confirmed")
    return []


def trial_left():
    """Seconds that are left to confirm the settings on trial, None if there are none."""
    if source != "trial":
        return None
    if _deadline is None:
        return TRIAL_S
    return max(0, time.ticks_diff(_deadline, time.ticks_ms()) + 999) // 1000


async def watch():
    """A service: resets the board when nobody has confirmed the settings on trial in time, returns if somebody has.

    The time runs from when the board can be reached, or from three minutes after the start.
    """
    global _deadline
    from . import boot, recovery

    began = time.ticks_ms()
    while source == "trial":
        now = time.ticks_ms()
        if _deadline is None:
            service = boot.network_service
            if service and service.address() or time.ticks_diff(now, began) >= _PATIENCE_MS:
                _deadline = time.ticks_add(now, TRIAL_S * 1000)
        elif time.ticks_diff(_deadline, now) <= 0:
            log.warning("nobody has confirmed the settings on trial: restarting with those before")
            recovery.intended()
            machine.reset()
        await sleep_ms(_WATCH_MS)


def erase():
    """Remove all settings, for a factory reset. What is wrong, or []."""
    problems = []
    with _lock:
        for path in (TRIAL, TRIED, GOOD, PATH):
            for name in (path + ".new", path):
                try:
                    os.remove(name)
                except OSError as error:
                    if _exists(name):
                        problems.append("%s cannot be removed: %s" % (name[1:], reason(error)))
    return problems


def reason(error):
    """An OSError of the filesystem in words."""
    return _REASONS.get(error.errno, str(error))


class _Settings:
    """Holds the lock and the module settings for a `with` block; its table and checks are several KB."""

    def __enter__(self):
        _lock.acquire()
        try:
            from . import jsontext, settings
        except BaseException:
            _lock.release()
            raise
        settings.jsontext = jsontext
        return settings

    def __exit__(self, *error):
        for name in ("settings", "jsontext"):
            sys.modules.pop("device." + name, None)
            delattr(device, name)
        _lock.release()


def _begin_trial(last_good, problems):
    """Whether this start tries out settings; ends a trial that the start before was."""
    if _exists(TRIED):
        problems.append("the settings on trial were not confirmed: these are the ones before")
        _remove(TRIED)
    if not _exists(TRIAL):
        return False
    if last_good:
        problems.append("the settings on trial are given up: the board is recovering")
        _remove(TRIAL)
        return False
    try:
        os.rename(TRIAL, TRIED)
    except OSError as error:
        problems.append("new settings cannot be tried out: " + reason(error))
        return False
    return True


def _examine(settings, path):
    """(bytes, value, problems, remarks) of a file; bytes None when it is missing, {} for a value that is none."""
    data = None
    try:
        data = _bytes(path)
        if len(data) > SIZE_MAX:
            raise ValueError("larger than %d bytes" % SIZE_MAX)
        twice = []
        raw = settings.jsontext.parse(data, twice)
        line = "key %s in line %d was there before, the last one counts"
        return data, raw, [], _named(path, [line % (settings.quoted(key), number) for key, number in twice])
    except OSError as error:
        words = "there is no such file" if error.errno == 2 else "cannot be read: " + reason(error)
    except ValueError as error:
        words = error.args[0]
    return data, {}, _named(path, [words]), []


def _named(path, lines):
    return [path[1:] + ": " + line for line in lines]


def _bytes(path):
    """The content of a file, of one that is too large only as much as tells that. OSError."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        return file.read(min(size, SIZE_MAX + 1))


def _base(settings, path):
    """(value, lines, its file's bytes or None) of the file `path` or of the last good one, whichever is all right.

    Neither is: of `path` without what is wrong, and the lines about that.
    """
    lines = []
    second = {}, None
    for name in (path, GOOD):
        data, raw, problems, _remarks = _examine(settings, name)
        if data is None:
            continue
        verdict = settings.check(raw)
        if not problems and not verdict.problems:
            return raw, [], data
        if name == path:
            lines = problems or _named(name, verdict.problems)
            second = settings.mend(raw, verdict), None if problems else data
    return second[0], lines, second[1]


def _render(settings, raw):
    text = bytearray()
    settings.jsontext.dump(settings.arranged(raw), lambda part: text.extend(part.encode()))
    text.extend(b"\n")
    return bytes(text)


def _check(settings, raw):
    """(bytes of the file, its Verdict): read again from its text, as the next start will."""
    data = b""
    try:
        if isinstance(raw, dict):
            data = _render(settings, raw)
            raw = settings.jsontext.parse(data)
        verdict = settings.check(raw)
    except (TypeError, ValueError, RuntimeError) as error:
        # What JSON does not have: NaN, objects of other kinds, one that contains itself.
        verdict = settings.check({})
        verdict.problems.append("these are no settings: %s" % error)
    if len(data) > SIZE_MAX:
        verdict.problems.append("the settings have %d bytes, there is room for %d" % (len(data), SIZE_MAX))
    return data, verdict


def _store(settings, path, raw, safe=False, before=None):
    """Write settings to a file if nothing is wrong with them; what is wrong, or [].

    safe: they are what is in force, and good, if `before` is, the bytes of the file that they were made of.
    """
    global source, _sum
    data, verdict = _check(settings, raw)
    if verdict.problems:
        return verdict.problems
    try:
        _write(path, data)
    except OSError as error:
        return ["the settings cannot be saved: %s; nothing has changed" % reason(error)]
    if safe and source != "trial" and _sum == (None if before is None else crc32(before)):
        source = "boot.json"
        _sum = crc32(data)
        from . import recovery

        if recovery.good:
            _keep_good(settings)
    return []


def _keep_good(settings):
    if source != "boot.json":
        return
    try:
        data = _bytes(PATH)
        verdict = settings.check(settings.jsontext.parse(data))
        if crc32(data) != _sum or verdict.problems:
            return
        from . import rescue

        rescue.keep(verdict.settings)
        if not _exists(GOOD) or _bytes(GOOD) != data:
            _write(GOOD, data)
    except ValueError:
        return  # somebody else has changed it
    except OSError as error:
        log.warning("a copy of boot.json cannot be kept: %s", reason(error))


def _write(path, data):
    """Put a whole file in the place of another, or raise OSError and leave that one as it is."""
    beside = path + ".new"
    try:
        with open(beside, "wb") as file:
            file.write(data)
            # Commits the file on LittleFS, where os.sync() does nothing: that is for FAT only (extmod/modos.c).
            file.flush()
        os.rename(beside, path)
    except OSError:
        _remove(beside)
        raise


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _remove(path):
    """Remove a file if that can be done."""
    try:
        os.remove(path)
    except OSError:
        pass
