// Keeps the values of the default page up to date: asks /api/status every two seconds and says when nobody answers.
"use strict";
{
  const PERIOD_MS = 2000;
  const TIMEOUT_MS = 5000;
  const byName = new Map();
  for (const element of document.querySelectorAll("[data-value]")) {
    byName.set(element.dataset.value, element);
  }

  const set = (name, text) => {
    const element = byName.get(name);
    if (element && element.textContent !== text) element.textContent = text;
  };

  // A row that is there only while there is something to say.
  const optional = (name, text) => {
    byName.get(name).closest("div").hidden = !text;
    if (text) set(name, text);
  };

  const size = (bytes) => {
    if (!Number.isFinite(bytes)) return "–";
    if (bytes < 1024) return `${bytes}\u00a0B`;
    if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10240 ? 1 : 0)}\u00a0KB`;
    return `${(bytes / 1024 / 1024).toFixed(1)}\u00a0MB`;
  };

  const span = (seconds) => {
    if (!Number.isFinite(seconds)) return "–";
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(seconds / 86400);
    const clock = `${Math.floor(seconds / 3600) % 24}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    return days ? `${days} d ${clock}` : clock;
  };

  const meter = (name, free, total) => {
    const element = document.querySelector(`[data-meter="${name}"]`);
    const percent = total ? Math.min(100, (100 * free) / total) : 0;
    element.firstElementChild.style.width = `${percent}%`;
    element.setAttribute("aria-label", `${Math.round(percent)} % free`);
  };

  const signal = (rssi) => {
    // dBm: -50 is excellent, below -80 hardly usable.
    const bars = !Number.isFinite(rssi) ? 0 : 1 + (rssi > -80) + (rssi > -67) + (rssi > -55);
    document.querySelectorAll(".signal i").forEach((bar, i) => bar.classList.toggle("on", i < bars));
    set("signal", !Number.isFinite(rssi) ? "–" : `${rssi} dBm`.replace("-", "−"));
  };

  // "3 min", for what need not be known to the second.
  const about = (seconds) => {
    const units = [["s", 1, 100], ["min", 60, 5400], ["h", 3600, 172800], ["d", 86400, Infinity]];
    const [unit, size] = units.find((entry) => seconds < entry[2]);
    return `${Math.round(seconds / size)}\u00a0${unit}`;
  };

  const linkWords = (network) => {
    switch (network.state) {
      case "connected":
        return network.connectedFor > 60 ? `connected for ${about(network.connectedFor)}` : "connected";
      case "connecting":
        return network.ssid ? `connecting to ${network.ssid}` : "connecting";
      case "waiting": {
        const next = Number.isFinite(network.nextAttempt) ? `next attempt in ${about(network.nextAttempt)}` : "";
        return [network.problem, next].filter(Boolean).join("; ") || "waiting";
      }
      default:
        return network.problem || network.state || "–";
    }
  };

  const accessPoint = (network, portal) => {
    if (!network.accessPoint) return "";
    const guests = network.guests ? `, ${network.guests} in it` : "";
    return `${network.accessPoint}${guests}${portal ? ", setup is open" : ""}`;
  };

  const loss = (lost) => lost && `${lost.ssid}: ${lost.problem}, ${about(lost.ago)} ago`;

  const clock = (time) => {
    if (!time) return "";
    if (!time.utc) return "not set";
    return `${time.utc.slice(0, 16).replace("T", " ")} UTC${time.synced ? "" : ", not confirmed"}`;
  };

  const notices = (status) => {
    const trial = status.settings?.trial;
    document.getElementById("trial").hidden = !Number.isFinite(trial);
    if (Number.isFinite(trial)) set("trial", String(trial));
    const { step = 0, reason = "" } = status.recovery ?? {};
    document.getElementById("recovery").hidden = !step;
    if (step) set("recovery", `Recovery, step ${step} of 4: ${reason}.`);
  };

  const problems = (list) => {
    const box = document.getElementById("problems");
    const text = list.join("\n");
    if (box.dataset.text === text) return;
    box.dataset.text = text;
    box.hidden = list.length === 0;
    box.querySelector("ul").replaceChildren(
      ...list.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  };

  const show = (status) => {
    // A firmware of another version may lack some of them.
    const { network = {}, memory = {}, flash = {} } = status;
    if (status.hostname) document.title = `${status.hostname} · microAsyncWeb`;
    for (const name of ["hostname", "resetCause", "firmware", "micropython", "machine"]) {
      if (name in status) set(name, status[name]);
    }
    set("address", status.address || "no address");
    set("network.name", network.ssid || network.accessPoint || "–");
    set("network.state", linkWords(network));
    optional("network.lastLoss", loss(network.lastLoss));
    optional("network.accessPoint", accessPoint(network, status.portal));
    signal(network.rssi);
    set("connections", String(status.connections ?? "–"));
    optional("time", clock(status.time));
    optional("settings.source", status.settings?.source);
    set("uptime", span(status.uptime));
    set("memory.free", size(memory.free));
    set("memory.used", size(memory.used));
    set("memory.idfFree", size(memory.idfFree));
    meter("memory", memory.free, memory.used + memory.free);
    set("flash.free", size(flash.free));
    set("flash.filesystem", size(flash.filesystem));
    set("flash.state", flash.state ?? "–");
    meter("flash", flash.free, flash.filesystem);
    optional("temperature", "temperature" in status && `${status.temperature} °C`);
    notices(status);
    const shown = status.recovery?.step ? /^recovery: / : /^$/;
    problems((status.problems ?? []).filter((line) => !shown.test(line)));
  };

  const link = (state, text) => {
    const element = document.getElementById("link");
    if (element.dataset.state !== state) {
      element.dataset.state = state;
      document.getElementById("values").classList.toggle("lost", state === "lost");
    }
    const label = document.getElementById("link-text");
    if (label.textContent !== text) label.textContent = text;
  };

  const ask = async () => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
    try {
      const answer = await fetch("/api/status", { cache: "no-store", signal: controller.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.json());
      link("live", "live");
    } catch {
      link("lost", "no answer");
    } finally {
      clearTimeout(timer);
      setTimeout(ask, PERIOD_MS);
    }
  };

  ask();
}
