"""The Improv service's rare answers, with a network and settings that the test plays; the others are in tests/unix."""

from tests.unit.device.vm import run

# What the service meets: a console whose packets are in a list, a network service, boot.json.
STAGE = """
import asyncio, device, sys
from device import settings

class Object:
    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])

typed, sent = [], []

def take(buffer):
    if not typed:
        return 0
    packet = typed.pop(0)
    buffer[: len(packet)] = packet
    return len(packet)

def write(packet):
    assert packet[:8] == b"\\nIMPROV\\x01" and packet[-1] == 10 and packet[9] == len(packet) - 12
    assert sum(packet[1:-2]) & 255 == packet[-2]
    sent.append((packet[8], bytes(packet[10:-2])))

class Wifi:
    state = "connecting"
    used = None
    def address(self):
        return "10.0.0.2"
    async def scan(self):
        raise OSError("radio")
    async def try_network(self, ssid, password):
        if ssid == "odd":
            raise RuntimeError("odd")
        await asyncio.sleep_ms(50)
        self.state = "connected"
        return ""
    def use(self, networks):
        self.used = networks

class Cable:
    state = "waiting"
    def address(self):
        return "10.0.0.3" if self.state == "connected" else ""

logged, stored, problems = [], [], []
boot = Object(network_service=Wifi(), hostname="shed", VERSION="1.0",
    page_url=lambda address, port: "http://%s:%d/" % (address, port))
def add_network(*what):
    stored.append(what)
    return problems
def check(raw):
    verdict = settings.check(raw)
    return verdict.settings, verdict.problems, verdict.remarks
current = {"hostname": "green-house", "wifi": {"networks": [{"ssid": "checked"}]}}
bootjson = Object(add_network=add_network, current=lambda: current, check=check)
log = Object(warning=lambda *a: logged.append(a), error=lambda *a: logged.append(a), info=lambda *a: None,
    exception=lambda *a: logged.append(a))
for name, module in (("boot", boot), ("bootjson", bootjson), ("log", log)):
    sys.modules["device." + name] = module
    setattr(device, name, module)
sys.modules["improvserial"] = Object(SIZE=256, take=take, write=write)
sys.modules["network"] = Object(hostname=lambda name: logged.append(("hostname", name)))
device.config = settings.check({}).settings

from device import improv

def type(*commands):
    for number, data in commands:
        data = bytes((number, len(data))) + data
        typed.append(b"IMPROV\\x01\\x03" + bytes((len(data),)) + data + b"?")

async def until(condition):
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError(sent)

async def main():
    task = asyncio.create_task(improv.run())
    await story()
    assert not task.done()

HOME = (1, b"\\x04home\\x00")
NO_ERROR, TRYING, READY, CONNECTED = (2, b"\\x00"), (1, b"\\x03"), (1, b"\\x02"), (1, b"\\x04")
"""


def play(tmp_path, story):
    run(STAGE + story + "\nasyncio.run(main())\n", tmp_path)


def test_a_network_that_cannot_be_saved_is_no_success(tmp_path):
    play(
        tmp_path,
        """
problems.append("the filesystem is full")
async def story():
    type(HOME)
    await until(lambda: len(sent) == 4)
    assert sent == [NO_ERROR, TRYING, (2, b"\\xff"), READY]
    assert stored == [("home", "", "", "")] and boot.network_service.used is None
    assert logged[-1][-1] == "the filesystem is full"
""",
    )


def test_host_name_goes_with_the_network(tmp_path):
    play(
        tmp_path,
        """
async def story():
    type((5, b"green-house"), HOME)
    await until(lambda: len(sent) == 6)
    url = b"http://10.0.0.2:80/"
    assert sent == [NO_ERROR, (4, b"\\x05\\x0c\\x0bgreen-house"), NO_ERROR, TRYING, CONNECTED,
        (4, b"\\x01\\x14" + bytes((len(url),)) + url)]
    assert stored == [("home", "", "green-house", "")] and logged == [("hostname", "green-house")]
    assert boot.hostname == device.config["hostname"] == "green-house"
    assert boot.network_service.used == device.config["wifi"]["networks"] == [{"ssid": "checked", "password": ""}]
""",
    )


def test_host_name_is_what_it_was_when_the_network_fails(tmp_path):
    play(
        tmp_path,
        """
async def refuse(ssid, password):
    return "wrong password"
boot.network_service.try_network = refuse
async def story():
    type((5, b"green-house"), HOME)
    await until(lambda: len(sent) == 6)
    assert sent[4:] == [(2, b"\\x03"), READY]
    assert [name for what, name in logged[:2]] == ["green-house", "shed"] and boot.hostname == "shed"
""",
    )


def test_texts_that_cannot_be_are_not_tried(tmp_path):
    play(
        tmp_path,
        """
async def story():
    for ssid, password in ((b"a\\tb", b""), (b"home", b"short"), (b"home", "ü".encode() * 32), (b"x" * 33, b"")):
        type((1, bytes((len(ssid),)) + ssid + bytes((len(password),)) + password))
        await until(lambda: len(sent) == 4)
        assert sent == [NO_ERROR, TRYING, (2, b"\\x03"), READY], ssid
        sent.clear()
""",
    )


def test_host_names(tmp_path):
    play(
        tmp_path,
        """
async def story():
    for name in (b"-a", b"a-", b"a_b", b"a.b", "grün".encode(), b"x" * 33):
        type((5, name))
        await until(lambda: len(sent) == 2)
        assert sent[1] == (2, b"\\x05"), name
        sent.clear()
    type((5, b"\\xff"))
    await until(lambda: len(sent) == 2)
    assert sent[1] == (2, b"\\x01")
    sent.clear()
    type((5, b"x" * 32), (5, b""))
    await until(lambda: len(sent) == 4)
    assert sent[1] == sent[3] == (4, b"\\x05\\x21\\x20" + b"x" * 32)
""",
    )


def test_what_fails_is_logged_and_answered(tmp_path):
    play(
        tmp_path,
        """
async def story():
    type((4, b""))
    await until(lambda: len(sent) == 2)
    type((1, b"\\x03odd\\x00"))
    await until(lambda: len(sent) == 5)
    assert sent == [NO_ERROR, (2, b"\\xff"), NO_ERROR, TRYING, (2, b"\\xff")]
    assert [str(entry[-1]) for entry in logged] == ["radio", "odd"]
    type((2, b""))  # it goes on
    await until(lambda: len(sent) == 7)
    assert sent[-1] == READY
""",
    )


def test_of_several_that_take_long_the_last_one_counts(tmp_path):
    play(
        tmp_path,
        """
async def story():
    type(HOME, (4, b""), (1, b"\\x03odd\\x00"), (2, b""))
    await until(lambda: len(logged) == 1)
    # Tried; asked meanwhile; connected; tried again. Nobody has looked for networks.
    assert sent[:6] == [NO_ERROR, TRYING, NO_ERROR, NO_ERROR, NO_ERROR, TRYING]
    assert sent[6] == CONNECTED and sent[8:] == [TRYING, (2, b"\\xff")]
    assert stored == [("home", "", "", "")] and str(logged[0][-1]) == "odd"
""",
    )


def test_a_board_with_ethernet(tmp_path):
    play(
        tmp_path,
        """
boot.network_service = Cable()
async def story():
    type((2, b""), (7, b""), (4, b""), HOME)
    await until(lambda: len(sent) == 10)
    assert sent == [NO_ERROR, (1, b"\\x00"), NO_ERROR, (4, b"\\x07\\x02\\x014"), NO_ERROR, (4, b"\\x04\\x00"),
        NO_ERROR, TRYING, (2, b"\\x03"), (1, b"\\x00")]
    sent.clear()
    boot.network_service.state = "connected"
    type((2, b""), (7, b""))
    await until(lambda: len(sent) == 5)
    url = b"\\x13http://10.0.0.3:80/"
    assert sent == [NO_ERROR, CONNECTED, (4, b"\\x02\\x14" + url), NO_ERROR, (4, b"\\x07\\x16\\x015" + url)]
    boot.network_service = None
    sent.clear()
    type((2, b""), (7, b""))
    await until(lambda: len(sent) == 4)
    assert sent == [NO_ERROR, (1, b"\\x00"), NO_ERROR, (4, b"\\x07\\x02\\x010")]
""",
    )
