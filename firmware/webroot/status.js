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

  const size = (bytes) => {
    if (bytes < 1024) return `${bytes}\u00a0B`;
    if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10240 ? 1 : 0)}\u00a0KB`;
    return `${(bytes / 1024 / 1024).toFixed(1)}\u00a0MB`;
  };

  const span = (seconds) => {
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(seconds / 86400);
    const clock = `${Math.floor(seconds / 3600) % 24}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    return days ? `${days} d ${clock}` : clock;
  };

  const meter = (name, used, total) => {
    const element = document.querySelector(`[data-meter="${name}"]`);
    const percent = total ? Math.min(100, (100 * used) / total) : 0;
    element.firstElementChild.style.width = `${percent}%`;
    element.setAttribute("aria-label", `${Math.round(percent)} % in use`);
  };

  const signal = (rssi) => {
    // dBm: -50 is excellent, below -80 hardly usable.
    const bars = rssi === null ? 0 : 1 + (rssi > -80) + (rssi > -67) + (rssi > -55);
    document.querySelectorAll(".signal i").forEach((bar, i) => bar.classList.toggle("on", i < bars));
    set("signal", rssi === null ? "–" : `${rssi} dBm`.replace("-", "−"));
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
    const { network, memory, flash } = status;
    document.title = `${status.hostname} · microAsyncWeb`;
    for (const name of ["hostname", "resetCause", "firmware", "micropython", "machine"]) set(name, status[name]);
    set("address", status.address || "no address");
    set("network.name", network.ssid || network.accessPoint || "–");
    set("network.state", network.problem || network.state);
    signal(network.rssi);
    set("connections", String(status.connections));
    set("uptime", span(status.uptime));
    set("memory.free", size(memory.free));
    set("memory.used", size(memory.used));
    set("memory.idfFree", size(memory.idfFree));
    meter("memory", memory.used, memory.used + memory.free);
    set("flash.free", size(flash.free));
    set("flash.filesystem", size(flash.filesystem));
    set("flash.state", flash.state);
    meter("flash", flash.filesystem - flash.free, flash.filesystem);
    const warm = "temperature" in status;
    byName.get("temperature").closest("div").hidden = !warm;
    if (warm) set("temperature", `${status.temperature} °C`);
    problems(status.problems);
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
