"use strict";
(() => {
  document.querySelectorAll(".reel").forEach((reel) => {
    const frames = Number(reel.dataset.frames), times = reel.dataset.times.split(" ").filter(Boolean);
    const image = reel.querySelector("img"), button = reel.querySelector(".play");
    const slider = reel.querySelector("input"), output = reel.querySelector("output");
    const held = Array.from({ length: frames }, (_, place) => { const one = new Image(); one.src = reel.dataset.base + place + ".jpg"; return one; });
    let timer = null;
    const draw = () => {
      const place = Number(slider.value);
      image.src = held[place].src;
      output.textContent = times[place] ? times[place] + " s" : (place + 1) + "/" + frames;
    };
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer !== null) { stop(); return; }
      button.textContent = "Pause";
      timer = setInterval(() => { slider.value = String((Number(slider.value) + 1) % frames); draw(); }, 320);
    });
    slider.addEventListener("input", () => { stop(); draw(); });
    draw();
  });
  document.querySelectorAll(".slide").forEach((box) => {
    const form = box.closest(".card").parentElement.querySelector("form.replay");
    if (!form) return;
    const field = form.querySelector("input[type=number]");
    let first = true;
    box.addEventListener("threshold", (event) => {
      if (!first) field.value = String(Number(event.detail.toPrecision(4)));
      first = false;
    });
    box.querySelector("input").addEventListener("input", () => { first = false; }, { capture: true });
  });
  const live = document.querySelector("[data-live]"), pause = document.getElementById("live");
  if (live && pause) {
    let paused = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.textContent = paused ? "Go on" : "Pause";
      pause.setAttribute("aria-pressed", String(paused));
    });
    const look = async () => {
      // Who is reading with the keyboard there is not to lose the place.
      if (paused || document.hidden || live.contains(document.activeElement)) return;
      try {
        const answer = await fetch(location.href);
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
        if (fresh) live.replaceChildren(...fresh.childNodes); else location.reload();
      } catch { /* the server has ended: what was seen last stays */ }
    };
    setInterval(look, 1000 * Number(live.dataset.live));
  }
  document.querySelectorAll("form.filters select").forEach((one) => one.addEventListener("change", () => one.form.requestSubmit()));
})();
