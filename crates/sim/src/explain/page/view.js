  // ---- the window ----

  function zoom(by, px) {
    const t = timeAt(px);
    scale = Math.min(Math.max(scale * by, fitScale()), MOST);
    from = t - (px - GUTTER) / scale;
    later();
  }
  function fit() {
    from = 0;
    scale = fitScale();
    later();
  }
  /** The last events before the promise was found broken, as wide as they need, with a little after it. */
  function toViolation() {
    if (broken === null) { fit(); return; }
    const at = firstAt(events, broken + 1, timeOfEvent);
    const nodes = lanes.filter((lane) => lane.sort === 1).length;
    const first = events[Math.max(at - 26 * Math.max(nodes, 2), 0)];
    // At least some rounds of messages, and not much more however little happened.
    const span = Math.min(Math.max(first ? broken - first[0] : end, typical * 6), typical * 30);
    scale = room() / (span * 1.12);
    from = broken - span;
    later();
  }
  function bring(t, laneAt) {
    const x = pixel(t);
    if (x < GUTTER + 20 || x > width - 20) from = t - room() / 2 / scale;
    const lane = lanes[laneAt];
    if (lane.top < stage.scrollTop) stage.scrollTop = lane.top;
    if (lane.top + lane.height > stage.scrollTop + stage.clientHeight) stage.scrollTop = lane.top + lane.height - stage.clientHeight;
    later();
  }

  // ---- what lies under the pointer ----

  function under(px, py) {
    if (px < GUTTER) return null;
    const flag = flags.find((one) => px >= one.left - 2 && px <= one.right && py >= one.top && py <= one.bottom);
    if (flag) return flag.fault ? { fault: flag.fault } : { at: flag.at };
    const lane = lanes.find((one) => py >= one.top && py < one.top + one.height);
    if (!lane) return null;
    const mark = nearest(lane.marks, px, 8);
    if (mark && Math.abs(py - lane.y) < 10) return { at: mark.at };
    if (lane.sort === 2) return callUnder(lane, px);
    if (lane.sort === 1) {
      const off = py - lane.y, edge = BAND / 2;
      const tick = off < -edge + 2 && off > -edge - 9 && !hidden.has("persisted") ? nearest(lane.persisted, px, 3)
        : off > edge - 2 && off < edge + 9 && !hidden.has("applied") ? nearest(lane.applied, px, 3) : null;
      if (tick) return { at: tick.at };
      if (Math.abs(off) <= edge) {
        const t = timeAt(px), period = lane.periods[Math.max(firstAt(lane.periods, t) - 1, 0)];
        return period && period.at >= 0 ? { at: period.at } : null;
      }
    }
    return lineUnder(px, py);
  }
  function nearest(list, px, most) {
    let best = null, gap = most;
    for (let at = firstAt(list, timeAt(px - most)); at < list.length && pixel(list[at].t) <= px + most; at++) {
      const away = Math.abs(pixel(list[at].t) - px);
      if (away <= gap) { best = list[at]; gap = away; }
    }
    return best;
  }
  function callUnder(lane, px) {
    let best = null, gap = 4;
    for (const call of lane.calls) {
      const away = Math.max(pixel(call.t) - px, px - Math.max(pixel(call.until), pixel(call.t) + 2), 0);
      if (away < gap) { best = call; gap = away; }
    }
    return best ? { at: best.at } : null;
  }
  function lineUnder(px, py) {
    let best = null, gap = 5;
    for (const line of seen) {
      if (!stands(line)) continue;
      const x0 = pixel(line.t), x1 = pixel(line.until);
      if (px < x0 - gap || px > x1 + gap) continue;
      const y0 = yAt(line, 0), y1 = yAt(line, line.way), dx = x1 - x0, dy = y1 - y0;
      const along = Math.min(Math.max(((px - x0) * dx + (py - y0) * dy) / (dx * dx + dy * dy || 1), 0), 1);
      const away = Math.hypot(px - x0 - along * dx, py - y0 - along * dy);
      if (away < gap) { best = line; gap = away; }
    }
    return best ? { at: best.message.at, end: best.at } : null;
  }
  const same = (a, b) => (a && b ? a.at === b.at && a.fault === b.fault : a === b);

  // ---- pointer ----

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, from, top: stage.scrollTop, far: false };
    if (event.pointerType !== "touch") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.far ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (!drag.far) return;
      canvas.classList.add("drags");
      from = drag.from - dx / scale;
      stage.scrollTop = drag.top - dy;
      later();
      return;
    }
    const item = under(event.offsetX, event.offsetY);
    if (same(item, hovered)) return;
    hovered = item;
    canvas.style.cursor = item ? "pointer" : "";
    showDetail();
    later();
  });
  const drop = (event) => {
    if (drag && !drag.far && event.type === "pointerup") choose(under(event.offsetX, event.offsetY), true);
    drag = null;
    canvas.classList.remove("drags");
  };
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", drop);
  canvas.addEventListener("pointerleave", () => { hovered = null; showDetail(); later(); });
  canvas.addEventListener("dblclick", (event) => zoom(2, event.offsetX));
  const wheel = (event) => {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      from += (event.deltaX || event.deltaY) / scale;
      later();
    } else zoom(Math.exp(-Math.max(Math.min(event.deltaY, 120), -120) / 400), Math.max(event.offsetX, GUTTER));
    event.preventDefault();
  };
  canvas.addEventListener("wheel", wheel, { passive: false });

  const overviewTo = (event) => {
    const t = ((event.offsetX - GUTTER) / room()) * end * 1.02;
    from = t - room() / 2 / scale;
    later();
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); overviewTo(event); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons & 1) overviewTo(event); });

  // ---- keys and buttons ----

  const pan = (share) => { from += (room() * share) / scale; later(); };
  const KEYS = {
    ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), ArrowUp: () => step(-1), ArrowDown: () => step(1),
    PageUp: () => pan(-0.9), PageDown: () => pan(0.9), Home: () => { from = 0; later(); }, End: () => { from = end; later(); },
    "+": () => zoom(1.4, GUTTER + room() / 2), "=": () => zoom(1.4, GUTTER + room() / 2), "-": () => zoom(1 / 1.4, GUTTER + room() / 2),
    0: fit, f: fit, v: toViolation, Escape: () => choose(null, true), "/": () => $("filter").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const does = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (!does) return;
    event.preventDefault();
    does();
  });
  $("fit").addEventListener("click", fit);
  $("violation").addEventListener("click", toViolation);
  $("violation").hidden = broken === null;
  $("closer").addEventListener("click", () => zoom(1.5, GUTTER + room() / 2));
  $("farther").addEventListener("click", () => zoom(1 / 1.5, GUTTER + room() / 2));
  $("copy").addEventListener("click", async () => {
    const text = $("command").textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      // Without leave to write the clipboard, the command is marked, to be copied by hand.
      getSelection().selectAllChildren($("command"));
      $("copy").textContent = "Marked";
      return;
    }
    $("copy").textContent = "Copied";
  });
  $("filter").addEventListener("input", (event) => { filter(event.target.value); listAnew(); later(); });

  // ---- legend ----

  function legend() {
    const counts = new Map(data.kinds.map((kind) => [kind, 0]));
    for (const message of messages.values()) counts.set(kindOf(message), counts.get(kindOf(message)) + 1);
    const rows = data.kinds.map((kind, at) => [kind, colourName[at], counts.get(kind), "kind"]);
    const ticks = (what) => lanes.reduce((sum, lane) => sum + lane[what].length, 0);
    rows.push(["persisted", "persisted", ticks("persisted"), "tick"], ["applied", "applied", ticks("applied"), "tick"]);
    const buttons = rows.map(([kind, colour, count, sort]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = sort;
      button.style.setProperty("--colour", `var(--${colour})`);
      button.textContent = kind + " ";
      button.appendChild(document.createElement("small")).textContent = grouped(count);
      button.title = "Click hides or shows it, double click shows it alone";
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => { if (!hidden.delete(kind)) hidden.add(kind); pressed(); });
      button.addEventListener("dblclick", () => {
        const alone = rows.every(([other]) => (other === kind) !== hidden.has(other));
        hidden.clear();
        if (!alone) for (const [other] of rows) if (other !== kind) hidden.add(other);
        pressed();
      });
      return button;
    });
    const pressed = () => {
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(!hidden.has(rows[at][0]))));
      listAnew();
      later();
    };
    $("kinds").replaceChildren(...buttons);
  }

