"use strict";
// Fades and switches the overlays of all cards, and goes from lesion to lesion.
(() => {
  const fade = document.getElementById("fade");
  const outlines = document.getElementById("outlines");
  const choices = [...document.querySelectorAll('input[name="overlay"]')];
  const cards = [...document.querySelectorAll("article")];

  function showFade() {
    if (fade) document.body.style.setProperty("--fade", fade.value);
  }

  function showOverlay() {
    const chosen = choices.find((choice) => choice.checked)?.value;
    document.querySelectorAll(".overlay").forEach((overlay) => {
      overlay.hidden = overlay.dataset.overlay !== chosen;
    });
  }

  function showOutlines() {
    if (outlines) document.body.classList.toggle("no-outlines", !outlines.checked);
  }

  function goBy(step) {
    const at = cards.indexOf(document.activeElement?.closest("article"));
    const next = cards[Math.min(Math.max(at + step, 0), cards.length - 1)];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "start" });
  }

  const keys = {
    n: () => goBy(1),
    p: () => goBy(-1),
    "[": () => { if (fade) { fade.value = Number(fade.value) - 10; showFade(); } },
    "]": () => { if (fade) { fade.value = Number(fade.value) + 10; showFade(); } },
    m: () => {
      if (!choices.length) return;
      const at = choices.findIndex((choice) => choice.checked);
      choices[(at + 1) % choices.length].checked = true;
      showOverlay();
    },
    o: () => { if (outlines) { outlines.checked = !outlines.checked; showOutlines(); } },
  };

  fade?.addEventListener("input", showFade);
  choices.forEach((choice) => choice.addEventListener("change", showOverlay));
  outlines?.addEventListener("change", showOutlines);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]?.();
  });
  showFade();
  showOverlay();
})();
