"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const held = { get: () => { try { return localStorage.getItem("synflow-theme"); } catch { return null; } },
                 set: (v) => { try { localStorage.setItem("synflow-theme", v); } catch { /* a file may not store */ } } };
  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const show = (name) => {
    if (name === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = name;
    if (theme) theme.textContent = "Theme: " + name;
  };
  let chosen = themes.includes(held.get()) ? held.get() : "auto";
  show(chosen);
  if (theme) theme.addEventListener("click", () => {
    chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
    held.set(chosen); show(chosen);
  });

  const PACE = 320;
  const stops = new Set();
  const film = (figure) => {
    const button = figure.querySelector(".play"), image = figure.querySelector("img");
    const screen = figure.querySelector(".screen"), told = figure.querySelector(".time");
    const frames = Number(figure.dataset.frames), times = (figure.dataset.times || "").split(" ").filter(Boolean);
    let timer = null, place = 0;
    const draw = () => {
      screen.style.backgroundPosition = frames > 1 ? (100 * place / (frames - 1)) + "% 0" : "0 0";
      told.textContent = times[place] ? times[place] + " s" : (place + 1) + "/" + frames;
    };
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; stops.delete(stop); };
    const open = () => {
      figure.classList.add("playing");
      screen.style.backgroundImage = 'url("' + image.src + '")';
      screen.style.backgroundSize = (100 * frames) + "% 100%";
      screen.style.aspectRatio = figure.dataset.width + " / " + figure.dataset.height;
    };
    const play = () => {
      for (const other of [...stops]) other();
      open(); draw(); button.textContent = "Pause"; stops.add(stop);
      timer = setInterval(() => { place = (place + 1) % frames; draw(); }, PACE);
    };
    button.addEventListener("click", () => (timer === null ? play() : stop()));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") { stop(); figure.classList.remove("playing"); told.textContent = ""; }
      if (!step) return;
      event.preventDefault(); stop(); open();
      place = (place + step + frames) % frames; draw();
    });
  };
  document.querySelectorAll(".film[data-frames]").forEach(film);

  const digits = (value) => Number(value.toPrecision(4)).toString();
  document.querySelectorAll(".slide[data-points]").forEach((box) => {
    const points = JSON.parse(box.dataset.points), judged = Number(box.dataset.judged);
    const input = box.querySelector("input"), output = box.querySelector("output");
    const above = box.dataset.keeps === "above", start = Number(box.dataset.start), low = Number(box.dataset.low);
    const high = Number(box.dataset.high);
    const chart = box.parentElement.querySelector("svg.chart"), plot = chart && chart.querySelector(".plot");
    const bed = plot && plot.querySelector(".background");
    let line = null;
    const whole = box.dataset.whole === "1";
    const value = () => {
      const found = low + (high - low) * Number(input.value) / 1000;
      return whole ? Math.round(found) : found;
    };
    const keeps = (limit) => points.filter((one) => (above ? one >= limit : one <= limit)).length / points.length;
    const mark = (limit) => {
      if (!bed) return;
      if (!line) { line = document.createElementNS("http://www.w3.org/2000/svg", "line"); line.setAttribute("class", "moved"); plot.append(line); }
      const edges = box.dataset.edges.split(" ").map(Number), wide = Number(bed.getAttribute("width"));
      const part = (limit - edges[0]) / (edges[1] - edges[0]);
      // pygal leaves a fiftieth of its plot free on each side.
      const x = wide * (0.02 + 0.96 * Math.min(1, Math.max(0, part))) / 1;
      for (const [name, at] of [["x1", x], ["x2", x], ["y1", 0], ["y2", Number(bed.getAttribute("height"))]]) line.setAttribute(name, at);
    };
    const tell = () => {
      const limit = value(), share = keeps(limit), number = Math.round(share * judged);
      output.textContent = box.dataset.parameter + " " + digits(limit) + ": keeps " + number.toLocaleString("en") + " of " +
        judged.toLocaleString("en") + " (" + (100 * share).toFixed(1) + " %)";
      input.setAttribute("aria-valuetext", output.textContent);
      mark(limit);
      box.dispatchEvent(new CustomEvent("threshold", { detail: limit }));
    };
    if (Number.isFinite(start)) input.value = String(Math.round(1000 * (start - low) / (high - low || 1)));
    input.addEventListener("input", tell);
    tell();
  });

  const links = [...document.querySelectorAll("nav.bar a[href^='#']")];
  if (links.length && "IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting)
        links.forEach((one) => one.hash === "#" + entry.target.id ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current"));
    }, { rootMargin: "-15% 0px -75% 0px" });
    document.querySelectorAll("main > section[id]").forEach((one) => seen.observe(one));
  }
})();
