"""/api/settings: reads and changes boot.json over HTTP; loaded by the first request for it.

GET      the settings as boot.json has them; each password that is set is `true`
PUT      new settings in the place of all; a password that is `true` stays what it is
PATCH    a change to them, a JSON Merge Patch (RFC 7396); PUT of application/merge-patch+json as well
POST /api/settings/confirm    settings on trial stay

A change of Wi-Fi, host name or web server may cut the board off, so it goes on trial: the board restarts with it, and
again with what was before unless somebody confirms it. That goes by what is in force, not by what the file has: it may
have been edited since. All other changes are saved at once. In device.config, too, are only those of _AT_ONCE; the rest
stays as it was at the start.
"""

import json

from micropython import const

import device

from . import admin, bootjson, log, restart, slots

BODY_MAX = const(8192)  # bytes
_ON_TRIAL = ("wifi", "hostname", "server")
_AT_ONCE = (("admin", "password"), ("log", "level"))  # in force when saved; anything else with the next start
_PATCH = "application/merge-patch+json"


async def answer(request):
    """GET, PUT and PATCH of /api/settings, for the administrator."""
    refused = await admin.check(request, "settings can be read and changed here")
    if refused:
        return refused
    if request.method in ("GET", "HEAD"):
        text = bootjson.render(masked(bootjson.current()))
        return text, 200, {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if request.left > BODY_MAX:
        return _refused(413, "the body has %d bytes, there is room for %d" % (request.left, BODY_MAX))
    data = await request.read(BODY_MAX + 1)
    if len(data) > BODY_MAX:
        return _refused(413, "the body has more than %d bytes" % BODY_MAX)
    try:
        raw = bootjson.parse(data)
    except ValueError as error:
        return _refused(400, "the body is %s" % error)
    before, wrong = bootjson.base()
    kind = request.header.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "PATCH" or kind == _PATCH:
        if wrong:
            return _refused(409, *(wrong + ["a change would lose that: mend the file, or send all settings with PUT"]))
        raw = merged(before, raw)
    problems = []
    raw = unmasked(raw, before, "", problems)
    settings, found, remarks = bootjson.check(raw)
    if problems or found:
        return _refused(400, *(problems + found))
    return _change(request, raw, settings, before, remarks)


async def answer_confirm(request):
    """POST of /api/settings/confirm, for the administrator."""
    refused = await admin.check(request, "settings on trial can be confirmed here")
    if refused:
        return refused
    if bootjson.source != "trial":
        return _refused(409, "no settings are on trial")
    problems = bootjson.confirm()
    return _refused(507, *problems) if problems else {"confirmed": True}


def masked(value, key=""):
    """A copy of settings in which each password that is set is True."""
    if isinstance(value, dict):
        copy = type(value)()
        for name in value:
            copy[name] = masked(value[name], name)
        return copy
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    return True if key == "password" and value else value


def unmasked(value, before, place, problems):
    """`value` with the passwords of `before` for those that are True; adds a line to `problems` where there is none.

    Entries of a list are the same if they have the same ssid, or else the same place.
    """
    if isinstance(value, dict):
        for key in value:
            name = place + "." + key if place else key
            known = before.get(key) if isinstance(before, dict) else None
            if key == "password" and value[key] is True:
                if known:
                    value[key] = known
                else:
                    value[key] = ""
                    problems.append("%s is true, but none is set: send the password" % name)
            else:
                unmasked(value[key], known, name, problems)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            unmasked(entry, _counterpart(entry, index, before), "%s[%d]" % (place, index), problems)
    return value


def merged(target, patch):
    """MergePatch of RFC 7396 section 2: `target` changed by `patch`; null takes a key away. `target` stays as it is."""
    if not isinstance(patch, dict):
        return patch
    result = type(patch)(target if isinstance(target, dict) else ())
    for key in patch:
        if patch[key] is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), patch[key])
    return result


def _counterpart(entry, index, before):
    """What stood in the list `before` for an entry."""
    if not isinstance(before, list):
        return None
    if isinstance(entry, dict) and "ssid" in entry:
        for known in before:
            if isinstance(known, dict) and known.get("ssid") == entry["ssid"]:
                return known
        return None
    return before[index] if index < len(before) else None


def _change(request, raw, settings, before, remarks):
    """Save what is right, or put it on trial; the answer."""
    if any(settings[section] != device.config[section] for section in _ON_TRIAL):
        return _try(request, raw, settings, remarks)
    problems = bootjson.save(raw, safe=True)
    if problems:
        return _refused(_status(), *problems)
    known = bootjson.check(before)[0]
    changed = [section for section in settings if settings[section] != known[section]]
    again = any(not _now(section, settings, known) for section in changed)
    # Keys that only a program of the user's knows, by their text: json.dumps() shows all that can stand there.
    others = [key for key in list(raw) + list(before) if key not in settings]
    changed = sorted(changed + [key for key in set(others) if json.dumps(raw.get(key)) != json.dumps(before.get(key))])
    log.info("settings saved: %s", ", ".join(changed) or "no change")
    return {"saved": True, "changed": changed, "restart": again, "remarks": remarks}


def _now(section, settings, before):
    """Put a changed section in force if that can be done without a restart; whether it is."""
    keys = [key for name, key in _AT_ONCE if name == section]
    values = settings[section]
    for key in keys:
        device.config[section][key] = values[key]
        if section == "log":
            log.level = log.NAMES[values[key]]
    return bool(keys) and all(key in keys for key in values if values[key] != before[section][key])


def _try(request, raw, settings, remarks):
    if slots.pending():
        return _refused(409, "the firmware is on trial, a restart would bring the one before back: try again later")
    problems = bootjson.propose(raw)
    if problems:
        return _refused(_status(), *problems)
    places = [place + "api/settings/confirm" for place in _places(settings)]
    seconds = bootjson.TRIAL_S
    words = "on trial: the board restarts with them; confirm within %d s at %s, or the settings before come back"
    log.info("settings on trial, restarting")
    restart.soon(request)
    answer = {"trial": words % (seconds, " or ".join(places)), "seconds": seconds, "confirm": places}
    answer["remarks"] = remarks
    return answer, 202


def _places(settings):
    """Where the board will be found: by its name, and by its address if that is known."""
    from . import boot

    hosts = [(settings["hostname"] or boot.default_hostname()) + ".local"]
    address = settings["wifi"]["static"]["ip"]
    if settings["wifi"] == device.config["wifi"] and boot.network_service:
        address = boot.network_service.address()
    if address:
        hosts.append(address)
    return [boot.page_url(host, settings["server"]["port"]) for host in hosts]


def _status():
    """Of what bootjson refuses after it has been checked: a trial, a restart, or the filesystem."""
    return 409 if bootjson.hindrance() else 507


def _refused(status, *problems):
    """An answer with the lines of what is wrong; nothing has been saved."""
    text = json.dumps({"problems": problems})
    return text, status, {"Content-Type": "application/json"}
