"use strict";
// The slice viewer: one case at a time, its slices through a window, with outlines that can be switched.
(() => {
  const canvas = document.getElementById("picture");
  if (!canvas) return;
  const viewer = document.querySelector(".viewer");
  const wheelStep = 30; // pixels: a touchpad sends many small events, a notch of a wheel is about 100
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const byId = (id) => document.getElementById(id);
  const looks = json("looks");
  const targets = json("target-names");
  const shown = new Map(looks.map((look) => [look.name, look.shown]));
  // Where outlines agree, all are to be seen: a broad reference, solid lines on it, broken ones on top.
  const drawingOrder = [looks[0], ...looks.slice(1).sort((a, b) => a.pattern.length - b.pattern.length)];
  let current = null; // the case: its JSON, and the grey levels of the slices that were seen
  let position = 0; // in current.slices
  let windowName = "";
  let wheeled = 0; // pixels since the last slice
  let drawing = 0; // counts calls of draw, so that a slow one does not overwrite a later one

  const colours = () => document.querySelector('input[name="colours"]:checked').value;
  const closeUp = () => document.querySelector('input[name="view"]:checked').value === "close";

  // Browsers that hide from fingerprinting may hand out other pixels than were drawn. A little noise is harmless.
  const readable = (() => {
    const scratch = new OffscreenCanvas(16, 1).getContext("2d");
    const levels = Array.from({ length: 16 }, (_, i) => 17 * i);
    levels.forEach((level, i) => {
      scratch.fillStyle = `rgb(${level} ${level} ${level})`;
      scratch.fillRect(i, 0, 1, 1);
    });
    const { data } = scratch.getImageData(0, 0, 16, 1);
    return levels.every((level, i) => Math.abs(data[4 * i] - level) < 8);
  })();
  const unreadable = "This browser lets no page read its pictures, so the windows have no effect: allow it to this page, "
    + "or open the page in another browser.";

  async function imageOf(slice) {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${slice.image}`;
    await image.decode();
    return image;
  }

  // Grey levels, row by row.
  function greyLevels(image) {
    const scratch = new OffscreenCanvas(image.width, image.height).getContext("2d");
    scratch.drawImage(image, 0, 0);
    const rgba = scratch.getImageData(0, 0, image.width, image.height).data;
    const grey = new Uint8Array(rgba.length / 4);
    for (let i = 0; i < grey.length; i += 1) grey[i] = rgba[4 * i];
    return grey;
  }

  // What each grey level looks like through the chosen window.
  function windowTable({ values, levels, windows }) {
    const [, low, high] = windows.find(([name]) => name === windowName) ?? windows[0];
    return Uint8ClampedArray.from({ length: 256 }, (_, level) => {
      let k = 1;
      while (k < levels.length - 1 && level > levels[k]) k += 1;
      const part = (level - levels[k - 1]) / (levels[k] - levels[k - 1]);
      const value = values[k - 1] + part * (values[k] - values[k - 1]);
      return 255 * ((value - low) / (high - low));
    });
  }

  function windowed(grey, table, width, height) {
    const picture = new ImageData(width, height);
    for (let i = 0; i < grey.length; i += 1) {
      const level = table[grey[i]];
      picture.data[4 * i] = level;
      picture.data[4 * i + 1] = level;
      picture.data[4 * i + 2] = level;
      picture.data[4 * i + 3] = 255;
    }
    const scratch = new OffscreenCanvas(width, height);
    scratch.getContext("2d").putImageData(picture, 0, 0);
    return scratch;
  }

  // The slice through the chosen window, or null where the page has no image of it.
  async function pictureOf(slice) {
    if (slice.image === null) return null;
    if (!readable) return imageOf(slice);
    slice.grey ??= greyLevels(await imageOf(slice));
    return windowed(slice.grey, windowTable(current), current.width, current.height);
  }

  // Text as report/outlines.py writes it: steps in half voxels from the centre of the first voxel.
  function pathOf(text) {
    const path = new Path2D();
    for (const line of text.split(";")) {
      const numbers = line.split(" ").map(Number);
      let x = 0;
      let y = 0;
      for (let i = 0; i < numbers.length; i += 2) {
        x += numbers[i];
        y += numbers[i + 1];
        path[i ? "lineTo" : "moveTo"](x / 2 + 0.5, y / 2 + 0.5);
      }
      path.closePath();
    }
    return path;
  }

  // The part of the slice that is shown, in voxels; voxels need not be square.
  function viewBox() {
    const { width, height, spacing, closeUp: place } = current;
    if (!closeUp() || !place) return { x: 0, y: 0, width, height, aspect: spacing[1] / spacing[2] };
    const [x, y, side] = place;
    return { x, y, width: side, height: side, aspect: spacing[1] / spacing[2] };
  }

  // A close-up round a point of the picture, in its own pixels.
  function closeUpAt(x, y) {
    const { width, height, closeUp: place } = current;
    const side = place?.[2] ?? Math.min(width, height) / 4;
    const shownSize = Math.min(canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height);
    const part = (at, client, pixels) => (at - (client - pixels * shownSize) / 2) / (pixels * shownSize);
    const clamp = (first, length) => Math.min(Math.max(first, 0), length - side);
    current.closeUp = [
      clamp(part(x, canvas.clientWidth, canvas.width) * width - side / 2, width),
      clamp(part(y, canvas.clientHeight, canvas.height) * height - side / 2, height),
      side,
    ];
  }

  function fit(box) {
    const largest = 640 * Math.min(window.devicePixelRatio || 1, 2);
    const high = box.height * box.aspect;
    const scale = largest / Math.max(box.width, high);
    canvas.width = Math.round(box.width * scale);
    canvas.height = Math.round(high * scale);
    return scale;
  }

  function drawOutlines(context, slice, scale) {
    const wanted = byId("target").value;
    for (const look of drawingOrder) {
      const text = shown.get(look.name) && slice.outlines[look.name]?.[wanted];
      if (!text) continue;
      context.strokeStyle = look[colours()];
      context.lineWidth = ((look === looks[0] ? 4 : 2) * canvas.width) / 640 / scale;
      context.setLineDash(look.pattern.map((n) => (n * canvas.width) / 640 / scale));
      context.stroke(pathOf(text));
    }
  }

  // R at the patient's right and L at the left, as on a radiologist's screen.
  function markSides(context) {
    context.resetTransform();
    const size = Math.round(canvas.width / 26);
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.lineWidth = size / 6;
    context.strokeStyle = "#000000";
    context.fillStyle = "#ffffff";
    const places = [size * 0.5, canvas.width - size * 0.5];
    current.sides.forEach((side, i) => {
      context.textAlign = i ? "right" : "left";
      context.strokeText(side, places[i], canvas.height / 2);
      context.fillText(side, places[i], canvas.height / 2);
    });
  }

  async function draw() {
    drawing += 1;
    const mine = drawing;
    delete canvas.dataset.drawn; // for tests, which wait until it is there again
    const slice = current.slices[position];
    const picture = await pictureOf(slice);
    if (mine !== drawing) return;
    const box = viewBox();
    const scale = fit(box);
    const context = canvas.getContext("2d");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(scale, scale * box.aspect);
    context.translate(-box.x, -box.y);
    if (picture) context.drawImage(picture, 0, 0);
    drawOutlines(context, slice, scale);
    markSides(context);
    byId("slice").value = position;
    byId("place").value = `slice ${slice.number} of ${current.depth}`;
    byId("slice").setAttribute("aria-valuetext", byId("place").value);
    canvas.dataset.drawn = `${slice.number}`;
  }

  function go(to) {
    position = Math.min(Math.max(to, 0), current.slices.length - 1);
    draw();
  }

  function choice(kind, name, value, text, checked) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: kind, name, value, checked });
    label.append(input, ...text);
    return label;
  }

  function offerWindows() {
    const names = current.windows.map(([name]) => name);
    if (!names.includes(windowName)) [windowName] = names;
    byId("windows").replaceChildren(...current.windows.map(([name, low, high]) => {
      const range = document.createElement("span");
      range.className = "role";
      range.textContent = `${low.toPrecision(4) * 1} to ${high.toPrecision(4) * 1} ${current.unit}`.trim();
      return choice("radio", "window", name, [name, " ", range], name === windowName);
    }));
  }

  function offerOutlines() {
    byId("toggles").replaceChildren(...looks.map((look) => {
      const swatch = document.createElement("i");
      swatch.className = "swatch";
      swatch.dataset.look = look.name;
      const role = document.createElement("span");
      role.className = "role";
      role.textContent = look.role === "other" ? "" : look.role;
      const name = document.createElement("span");
      name.append(look.name, " ", role);
      return choice("checkbox", "outline", look.name, [swatch, name], shown.get(look.name));
    }));
    byId("target").replaceChildren(...targets.map((name) => new Option(name, name)));
    byId("target-choice").hidden = targets.length < 2;
  }

  function colourSwatches() {
    document.querySelectorAll(".viewer .swatch").forEach((swatch) => {
      const look = looks.find(({ name }) => name === swatch.dataset.look);
      swatch.style.borderTopColor = look[colours()];
      swatch.style.borderTopStyle = look.pattern.length ? (look.pattern[0] > 2 ? "dashed" : "dotted") : "solid";
      swatch.title = look.name;
    });
  }

  function open(button) {
    if (current && document.readyState === "loading") { // its JSON may be there in part
      document.addEventListener("DOMContentLoaded", () => open(button), { once: true });
      return;
    }
    document.querySelectorAll(".case").forEach((other) => other.setAttribute("aria-current", other === button));
    current = json(`case-${button.dataset.case}`);
    byId("slice").max = current.slices.length - 1;
    byId("note").textContent = readable ? current.note : `${unreadable} ${current.note}`;
    const [z, y, x] = current.spacing.map((mm) => mm.toPrecision(3) * 1);
    byId("voxel").textContent = `Voxels ${x} × ${y} mm, slices ${z} mm apart`;
    offerWindows();
    go(current.start);
  }

  function toggle(i) {
    const input = byId("toggles").querySelectorAll("input")[i];
    if (input) input.click();
  }

  function otherView() {
    document.querySelector('input[name="view"]:not(:checked)').click();
  }

  const keys = {
    ArrowUp: () => go(position + 1),
    ArrowRight: () => go(position + 1),
    ArrowDown: () => go(position - 1),
    ArrowLeft: () => go(position - 1),
    Home: () => go(0),
    End: () => go(current.slices.length - 1),
    z: otherView,
  };
  viewer.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !current) return;
    if (event.target.matches('select, input[type="radio"], input[type="range"]')) return; // have their own
    const action = keys[event.key] ?? keys[event.key.toLowerCase()] ?? (/^[1-9]$/.test(event.key) ? () => toggle(event.key - 1) : null);
    if (!action) return;
    event.preventDefault();
    action();
  });
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return; // zooms the page
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : wheelStep * event.deltaY;
    wheeled = (wheeled * pixels < 0 ? 0 : wheeled) + pixels;
    if (Math.abs(wheeled) < wheelStep) return;
    go(position - Math.sign(wheeled));
    wheeled = 0;
  }, { passive: false });
  canvas.addEventListener("click", (event) => {
    if (!closeUp()) closeUpAt(event.offsetX, event.offsetY);
    otherView();
  });
  byId("slice").addEventListener("input", (event) => go(Number(event.target.value)));
  byId("toggles").addEventListener("change", (event) => {
    shown.set(event.target.value, event.target.checked);
    draw();
  });
  byId("windows").addEventListener("change", (event) => {
    windowName = event.target.value;
    draw();
  });
  byId("target").addEventListener("change", draw);
  document.querySelectorAll('input[name="colours"], input[name="view"]').forEach((input) => {
    input.addEventListener("change", () => {
      colourSwatches();
      draw();
    });
  });
  document.querySelectorAll(".case").forEach((button) => button.addEventListener("click", () => open(button)));

  offerOutlines();
  colourSwatches();
  const first = document.querySelector(".case:not(:disabled)");
  if (first) open(first);
})();
