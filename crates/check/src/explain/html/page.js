"use strict";
// Draws the history that stands in the element `data`. Everything is drawn anew for the window that is seen, so that the work of
// one frame depends on the window and not on the history.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const ENDS = ["ok", "fail", "info"];
  const ops = data.ops.map(([id, row, call, ret, end, f, key, input, output, node, session, lines, times]) => ({
    id, row, call, ret, end: ENDS[end], f, key, input, output, node, session, lines, times,
  }));
  const byId = new Map(ops.map((op) => [op.id, op]));

  const GUTTER = 118, RULER = 24, LANE = 17, MAX_LANES = 3, MAX_SCALE = 260;
  const FONT = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
  const lines = $("lines"), head = $("head"), scroll = $("scroll"), tip = $("tip");
  const pen = lines.getContext("2d"), headPen = head.getContext("2d");

  let view = null; // What is explained: one of data.views.
  let scope = 0; // Which of the view's orders is drawn.
  let names = new Map(), emphasised = new Set(), blocked = new Set(), numbers = new Map();
  let chosen = null, hovered = null;
  const info = new Map(); // By rank: line and time.
  let hasLines = false;
  let path = []; // Where the operations of the order take effect.
  let rows = [], points = [], shown = [], faults = [];
  let from = 0, scale = 1, width = 800, rowHeight = 30, charWidth = 6.6, colours = {}, hatch = null;

  // ---- words ----

  const callOf = (op) => [op.f, op.key, op.input].filter((part) => part !== "").join(" ");
  const resultOf = (op) => (op.end === "ok" ? (op.output === "" ? "ok" : "→ " + op.output) : op.end === "fail" ? "failed" : "unknown");
  const shortOf = (op) => {
    if (op.end !== "ok" || op.output === "" || op.output === "nil") return callOf(op) + (op.output === "nil" && op.input === "" ? " nil" : "");
    return op.input === op.output ? callOf(op) : op.input !== "" && op.f === "txn" ? op.output : callOf(op) + " → " + op.output;
  };
  const linesOf = ([call, ret]) => (call && ret && call !== ret ? `${call}, ${ret}` : String(call || ret || ""));
  const timeOf = (ns) => {
    if (ns === null || typeof ns === "string") return ns;
    const micros = Math.round(ns / 1000);
    return micros < 1000000 ? `${(micros / 1000).toFixed(3)} ms` : `${(micros / 1000000).toFixed(6)} s`;
  };
  const detailsOf = (op) => {
    const list = [];
    const add = (name, text) => { if (text !== "" && text !== null && text !== undefined) list.push([name, text]); };
    add("operation", (names.has(op.id) ? names.get(op.id) + ", " : "") + "#" + op.id);
    add("process", data.rows[op.row]);
    if (op.session !== data.rows[op.row]) add("session", op.session);
    add("node", op.node);
    add("call", callOf(op));
    add("result", resultOf(op));
    add("lines", linesOf(op.lines));
    if (op.times) add("time", op.times.filter((t) => t !== null).map(timeOf).join(" to "));
    if (numbers.has(op.id)) add("place in order", numbers.get(op.id).join(", "));
    const why = view && view.blocked.find(([id]) => id === op.id);
    if (why) add("cannot be next", why[1]);
    return list;
  };

  // ---- what is shown, and where ----

  const lowerBound = (sorted, value) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  };

  /** Ranks become places 0, 1, 2, … of the ends of what is shown, so that stretches where nothing happens collapse. */
  function arrange() {
    const only = $("only").checked && emphasised.size > 0;
    shown = only ? ops.filter((op) => emphasised.has(op.id)) : ops;
    for (const op of ops) op.shown = false;
    const ends = [];
    for (const { call, ret } of shown) ends.push(call, ret);
    if (!only) for (const { from, until } of data.faults) ends.push(from, until);
    points = [...new Set(ends)].filter((rank) => rank >= 0).sort((a, b) => a - b);
    const end = points.length;
    const used = only ? new Set(shown.map((op) => op.row)) : null;
    rows = data.rows.map((name, row) => ({ name, row, ops: [] })).filter(({ row }) => !used || used.has(row));
    const byRow = new Map(rows.map((row, at) => [row.row, at]));
    for (const op of shown) {
      op.shown = true;
      op.y = byRow.get(op.row);
      op.x = lowerBound(points, op.call);
      op.until = op.ret >= 0 ? lowerBound(points, op.ret) : end;
      const before = rows[op.y].ops.at(-1);
      if (before && before.ret < 0) before.until = op.x;
      rows[op.y].ops.push(op);
    }
    faults = data.faults.map((fault) => ({
      ...fault, x: lowerBound(points, fault.from) - 0.5, end: fault.until >= 0 ? lowerBound(points, fault.until) - 0.5 : end,
    })).filter((fault) => !only || fault.end > fault.x);
    info.clear();
    for (const op of shown) {
      info.set(op.call, [op.lines[0], op.times && op.times[0]]);
      if (op.ret >= 0) info.set(op.ret, [op.lines[1], op.times && op.times[1]]);
    }
    hasLines = shown.some((op) => op.lines[0]);
    number();
    resize();
  }

  /** Where in its bar each operation of the order takes effect: as early as it may after the one before it. */
  function number() {
    numbers = new Map();
    path = [];
    const order = orderDrawn();
    if (!order) return;
    let at = -1;
    const same = new Map();
    order.ops.forEach((id, place) => {
      const op = byId.get(id);
      if (!op) return;
      numbers.set(id, [...(numbers.get(id) || []), place + 1]);
      if (!op.shown) return;
      const moves = order.timed;
      at = moves ? Math.max(at, op.x) : op.x;
      same.set(at, (same.get(at) || 0) + 1);
      path.push({ op, base: at, nth: same.get(at), number: place + 1 });
    });
    for (const point of path) {
      const room = Math.min(1, Math.max(point.op.until - point.base, 0.2));
      point.x = point.base + (room * point.nth) / (same.get(point.base) + 1);
    }
  }
  const orderDrawn = () => (view && view.orders.length ? view.orders[Math.min(scope, view.orders.length - 1)] : null);

  const lengthShown = () => Math.max(points.length, 1);
  const room = () => Math.max(width - GUTTER - 12, 50);
  const pixel = (x) => GUTTER + (x - from) * scale;
  const place = (px) => from + (px - GUTTER) / scale;
  const fitScale = () => room() / (lengthShown() + 0.5);

  function keepInside() {
    scale = Math.min(Math.max(scale, Math.min(fitScale(), MAX_SCALE)), MAX_SCALE);
    const most = lengthShown() + 0.5 - room() / scale;
    from = Math.min(Math.max(from, -0.3), Math.max(most, -0.3));
  }
  function fit(list) {
    if (!list || !list.length) { from = -0.3; scale = fitScale(); }
    else {
      const low = list.reduce((least, op) => Math.min(least, op.x), Infinity);
      const high = list.reduce((most, op) => Math.max(most, Math.min(op.until, op.x + 40)), 0);
      scale = room() / Math.max(high - low + 2, 4);
      from = low - 1;
      const top = list.reduce((least, op) => Math.min(least, op.y), Infinity) * rowHeight;
      if (scroll.scrollHeight > scroll.clientHeight) scroll.scrollTop = Math.max(top - 40, 0);
    }
    later();
  }
  function zoom(by, px) {
    const at = place(px);
    scale *= by;
    scale = Math.min(Math.max(scale, Math.min(fitScale(), MAX_SCALE)), MAX_SCALE);
    from = at - (px - GUTTER) / scale;
    later();
  }
  const emphasisedShown = () => shown.filter((op) => emphasised.has(op.id));

  // ---- drawing ----

  let waits = false;
  function later() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; draw(); });
  }

  function resize() {
    width = Math.max($("time").clientWidth, 300);
    rowHeight = rows.length <= 6 ? 46 : rows.length <= 12 ? 38 : rows.length <= 30 ? 30 : 24;
    const size = (canvas, height) => {
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + "px";
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    };
    size(lines, Math.max(rows.length, 1) * rowHeight + 6);
    size(head, RULER + lanesUsed() * LANE);
    later();
  }
  const lanesUsed = () => (faults.length === 0 ? 0 : Math.min(faults.length, MAX_LANES));

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["back", "card", "ink", "faint", "line", "stripe", "ok", "ok-edge", "info", "info-edge", "fail", "fail-edge",
      "fault", "order", "mark", "focus", "on", "so", "rt", "wr", "ww", "rw", "derived", "violated"]) {
      colours[name] = style.getPropertyValue("--" + name).trim();
    }
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const brush = tile.getContext("2d");
    brush.fillStyle = colours.fail;
    brush.fillRect(0, 0, 8, 8);
    brush.strokeStyle = colours["fail-edge"];
    brush.beginPath();
    for (const shift of [-8, 0, 8]) { brush.moveTo(shift, 8); brush.lineTo(shift + 8, 0); }
    brush.stroke();
    hatch = pen.createPattern(tile, "repeat");
    pen.font = FONT;
    charWidth = pen.measureText("mmmmmmmmmm").width / 10;
  }

  const cut = (text, px) => {
    const most = Math.floor(px / charWidth);
    return text.length <= most ? text : most < 2 ? "" : text.slice(0, most - 1) + "…";
  };

  function draw() {
    keepInside();
    drawHead();
    const height = lines.clientHeight;
    pen.clearRect(0, 0, width, height);
    pen.font = FONT;
    pen.textBaseline = "middle";
    rows.forEach((_, at) => {
      if (at % 2) { pen.fillStyle = colours.stripe; pen.fillRect(0, at * rowHeight, width, rowHeight); }
    });
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, width - GUTTER, height);
    pen.clip();
    let shaded = -1;
    for (const fault of faults) {
      const left = Math.max(pixel(fault.x), GUTTER), right = Math.min(pixel(fault.end), width);
      if (right < GUTTER || left > width) continue;
      // Many within one pixel would pile up to one dark block.
      if (right < shaded + 1) continue;
      if (right - left < 3) shaded = right;
      pen.globalAlpha = 0.13;
      pen.fillStyle = colours.fault;
      pen.fillRect(left, 0, Math.max(right - left, 1), height);
      pen.globalAlpha = 1;
    }
    const top = scroll.scrollTop, bottom = top + scroll.clientHeight;
    rows.forEach((row, at) => {
      if ((at + 1) * rowHeight >= top && at * rowHeight <= bottom) drawRow(row, at);
    });
    drawEdges();
    drawOrder();
    pen.restore();
    rows.forEach((row, at) => {
      pen.fillStyle = colours.faint;
      pen.textAlign = "right";
      pen.fillText(cut(row.name, GUTTER - 18), GUTTER - 10, (at + 0.5) * rowHeight);
    });
    pen.fillStyle = colours.line;
    pen.fillRect(GUTTER - 1, 0, 1, height);
  }

  function drawRow(row, at) {
    const first = place(GUTTER), last = place(width);
    let index = firstAfter(row.ops, first), covered = -1;
    pen.textAlign = "left";
    for (; index < row.ops.length && row.ops[index].x <= last; index++) {
      const op = row.ops[index];
      const left = pixel(op.x), right = Math.max(pixel(op.until), left + 2);
      const stands = emphasised.size === 0 || emphasised.has(op.id);
      // What would lie within one pixel of what is drawn already is not seen.
      if (right < covered + 0.7 && !(stands && emphasised.size) && op !== chosen) continue;
      covered = right;
      drawBar(op, left, right, at * rowHeight + 5, rowHeight - 10, stands);
    }
  }
  function firstAfter(list, x) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].until < x) low = middle + 1; else high = middle;
    }
    return low;
  }

  function drawBar(op, left, right, y, height, stands) {
    const wide = right - left, edge = blocked.has(op.id) ? colours.violated : colours[op.end + "-edge"];
    pen.globalAlpha = stands ? 1 : 0.28;
    if (op.end === "info") {
      const fade = pen.createLinearGradient(left, 0, Math.min(right, left + Math.max(wide, 20)), 0);
      fade.addColorStop(0, colours.info);
      fade.addColorStop(1, "transparent");
      pen.fillStyle = fade;
    } else pen.fillStyle = op.end === "fail" ? hatch : colours.ok;
    pen.fillRect(left, y, wide, height);
    pen.strokeStyle = edge;
    pen.lineWidth = blocked.has(op.id) ? 2.5 : 1;
    if (wide > 4) {
      pen.beginPath();
      if (op.end === "info") { pen.moveTo(right, y + 0.5); pen.lineTo(left + 0.5, y + 0.5); pen.lineTo(left + 0.5, y + height - 0.5); pen.lineTo(right, y + height - 0.5); }
      else pen.rect(left + 0.5, y + 0.5, wide - 1, height - 1);
      pen.stroke();
    }
    if (op === chosen || op === hovered) {
      pen.lineWidth = 2.5;
      pen.strokeStyle = op === chosen ? colours.mark : colours.focus;
      pen.strokeRect(left - 1, y - 1, wide + 2, height + 2);
    }
    const start = Math.max(left, GUTTER) + 5, space = Math.min(right, width) - start - 3;
    if (space > 2 * charWidth) {
      const name = names.get(op.id);
      let text = (blocked.has(op.id) ? "✕ " : "") + (name ? name + " " : "") + shortOf(op) + (op.end === "info" ? " ?" : "");
      text = cut(text, space);
      if (op.end === "fail" && text) {
        pen.fillStyle = colours.fail;
        pen.fillRect(start - 2, y + 3, text.length * charWidth + 4, height - 6);
      }
      pen.fillStyle = colours.ink;
      // With an order drawn, the bar's lower half belongs to its points.
      const raised = path.length && height >= 24 ? y + 8 : y + height / 2;
      pen.fillText(text, start, raised);
    }
    pen.globalAlpha = 1;
  }

  function drawOrder() {
    if (!path.length) return;
    const order = orderDrawn();
    const visible = path.filter((point) => { const px = pixel(point.x); return px > GUTTER - 400 && px < width + 400; });
    if (!visible.length) return;
    const yOf = (point) => point.op.y * rowHeight + (rowHeight >= 34 ? rowHeight - 13 : rowHeight / 2);
    pen.strokeStyle = pen.fillStyle = colours.order;
    if (order.timed) {
      pen.lineWidth = 1.5;
      pen.globalAlpha = 0.65;
      pen.beginPath();
      visible.forEach((point, at) => (at ? pen.lineTo(pixel(point.x), yOf(point)) : pen.moveTo(pixel(point.x), yOf(point))));
      pen.stroke();
      pen.globalAlpha = 1;
    }
    let last = -100;
    pen.textAlign = "center";
    for (const point of visible) {
      const x = pixel(point.x), y = yOf(point), text = String(point.number);
      const half = Math.max(7, (text.length * charWidth) / 2 + 3);
      const roomy = Math.abs(x - last) > half * 2;
      pen.fillStyle = colours.order;
      pen.beginPath();
      if (roomy || path.length < 60) {
        pen.roundRect(x - half, y - 7, 2 * half, 14, 7);
        pen.fill();
        pen.fillStyle = colours.on;
        pen.fillText(text, x, y + 0.5);
        last = x;
      } else { pen.arc(x, y, 2.5, 0, 7); pen.fill(); }
    }
  }

  function drawEdges() {
    if (!view || !view.edges.length || view.edges.length > 60) return;
    for (const edge of view.edges) {
      const a = byId.get(edge.from), b = byId.get(edge.to);
      if (!a || !b || !a.shown || !b.shown) continue;
      const middle = (op) => pixel((op.x + Math.min(op.until, op.x + 40)) / 2);
      const [ax, bx] = [middle(a), middle(b)], ay = (a.y + 0.5) * rowHeight, by = (b.y + 0.5) * rowHeight;
      if (Math.max(ax, bx) < GUTTER || Math.min(ax, bx) > width) continue;
      const down = by >= ay ? 1 : -1, lift = rowHeight / 2 - 5;
      const flat = a.y === b.y;
      const [sy, ty] = flat ? [ay - lift, by - lift] : [ay + down * lift, by - down * lift];
      // Ways down keep to the right and ways up to the left, so that two between the same bars stay apart.
      const [sx, tx] = flat ? [ax, bx] : [ax, bx].map((x) => Math.min(x + 22 * down, width - 34));
      const long = Math.hypot(tx - sx, ty - sy) || 1, bend = flat ? 24 * Math.sign(bx - ax || 1) : 22;
      const cx = (sx + tx) / 2 + ((ty - sy) / long) * bend, cy = (sy + ty) / 2 - ((tx - sx) / long) * bend;
      pen.strokeStyle = pen.fillStyle = colours[edge.kind];
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(sx, sy);
      pen.quadraticCurveTo(cx, cy, tx, ty);
      pen.stroke();
      const angle = Math.atan2(ty - cy, tx - cx);
      pen.beginPath();
      pen.moveTo(tx, ty);
      pen.lineTo(tx - 9 * Math.cos(angle - 0.4), ty - 9 * Math.sin(angle - 0.4));
      pen.lineTo(tx - 9 * Math.cos(angle + 0.4), ty - 9 * Math.sin(angle + 0.4));
      pen.fill();
      const mx = (sx + 2 * cx + tx) / 4 + (flat ? 0 : 11 * down), my = (sy + 2 * cy + ty) / 4;
      pen.textAlign = "center";
      pen.lineWidth = 4;
      pen.strokeStyle = colours.card;
      pen.strokeText(edge.rel, mx, my);
      pen.fillText(edge.rel, mx, my);
    }
  }

  function drawHead() {
    const height = head.clientHeight;
    headPen.clearRect(0, 0, width, height);
    headPen.font = FONT;
    headPen.textBaseline = "middle";
    headPen.fillStyle = colours.faint;
    const known = hasLines;
    headPen.textAlign = "right";
    headPen.fillText(known ? "line" : "event", GUTTER - 10, RULER / 2);
    let step = 1;
    while (step * scale < 64) step *= [2, 2.5, 2][String(step)[0] === "1" ? 0 : String(step)[0] === "2" ? 1 : 2];
    step = Math.max(1, Math.round(step));
    headPen.textAlign = "center";
    headPen.strokeStyle = colours.line;
    for (let at = Math.max(0, Math.ceil(from / step) * step); at < points.length && pixel(at) < width - 10; at += step) {
      const [line, time] = info.get(points[at]) || [];
      const x = pixel(at);
      if (x < GUTTER + 6) continue;
      const clock = time !== null && time !== undefined && step * scale > 120 ? " · " + timeOf(time) : "";
      const text = known ? (line ? line + clock : "") : String(points[at]);
      headPen.fillText(text, Math.max(x, GUTTER + 4 + (text.length * charWidth) / 2), RULER / 2);
      headPen.beginPath();
      headPen.moveTo(x, RULER - 5);
      headPen.lineTo(x, RULER);
      headPen.stroke();
    }
    headPen.fillStyle = colours.line;
    headPen.fillRect(0, height - 1, width, 1);
    headPen.textAlign = "left";
    const ends = new Array(MAX_LANES).fill(-1);
    for (const fault of faults) {
      fault.lane = -1;
      const left = Math.max(pixel(fault.x), GUTTER), right = Math.min(pixel(fault.end), width);
      if (right < GUTTER || left > width) continue;
      const text = fault.f + (fault.value ? " " + fault.value : "");
      const wide = Math.max(right - left, Math.min(text.length * charWidth + 10, 230));
      const lane = ends.findIndex((end) => end < left);
      // Where faults stand closer than their labels, one label in a row is enough.
      if (lane < 0 || lane >= lanesUsed() || (lane > 0 && right - left < 8)) continue;
      ends[lane] = left + wide + 4;
      Object.assign(fault, { lane, left, right: left + wide });
      const y = RULER + lane * LANE;
      headPen.globalAlpha = 0.22;
      headPen.fillStyle = colours.fault;
      headPen.fillRect(left, y + 1, Math.max(right - left, 2), LANE - 3);
      headPen.globalAlpha = 1;
      headPen.fillStyle = colours.fault;
      headPen.fillRect(left, y + 1, 2, LANE - 3);
      headPen.fillStyle = colours.ink;
      headPen.fillText(cut(text, Math.min(wide, width - left) - 8), left + 6, y + LANE / 2);
    }
  }

  // ---- pointing ----

  function opAt(px, py) {
    const row = rows[Math.floor(py / rowHeight)];
    if (!row || px < GUTTER) return null;
    const x = place(px);
    let best = null, gap = 5;
    for (let at = Math.max(firstAfter(row.ops, x) - 1, 0); at < row.ops.length && row.ops[at].x <= x + 6 / scale; at++) {
      const op = row.ops[at];
      const away = Math.max(pixel(op.x) - px, px - Math.max(pixel(op.until), pixel(op.x) + 2), 0);
      if (away < gap) { best = op; gap = away; }
    }
    return best;
  }
  function tell(text, x, y) {
    tip.hidden = text === null;
    if (text === null) return;
    tip.textContent = text;
    const { width: w, height: h } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, window.innerWidth - w - 6)) + "px";
    tip.style.top = (y + 18 + h < window.innerHeight ? y + 18 : Math.max(4, y - h - 12)) + "px";
  }
  const inLines = (list) => list.map(([name, text]) => `${name}: ${text}`).join("\n");

  let drag = null;
  lines.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, from, top: scroll.scrollTop, far: false };
    if (event.pointerType !== "touch") lines.setPointerCapture(event.pointerId);
  });
  lines.addEventListener("pointermove", (event) => {
    if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.far ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (drag.far) {
        lines.classList.add("drags");
        from = drag.from - dx / scale;
        scroll.scrollTop = drag.top - dy;
        tell(null);
        later();
      }
      return;
    }
    const op = opAt(event.offsetX, event.offsetY);
    if (op !== hovered) { hovered = op; later(); }
    tell(op ? inLines(detailsOf(op)) : null, event.clientX, event.clientY);
  });
  const drop = (event) => {
    if (drag && !drag.far && event.type === "pointerup") choose(opAt(event.offsetX, event.offsetY));
    drag = null;
    lines.classList.remove("drags");
  };
  lines.addEventListener("pointerup", drop);
  lines.addEventListener("pointercancel", drop);
  lines.addEventListener("pointerleave", () => { hovered = null; tell(null); later(); });
  lines.addEventListener("dblclick", (event) => zoom(2, event.offsetX));
  const wheel = (event) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      from += (event.deltaX || event.deltaY) / scale;
      later();
    } else zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, Math.max(event.offsetX, GUTTER));
  };
  lines.addEventListener("wheel", wheel, { passive: false });
  head.addEventListener("wheel", wheel, { passive: false });
  head.addEventListener("pointermove", (event) => {
    const lane = Math.floor((event.offsetY - RULER) / LANE);
    const fault = faults.find((f) => f.lane === lane && event.offsetX >= f.left && event.offsetX <= f.right);
    tell(fault ? inLines([["fault", fault.f], ["value", fault.value || "nil"], ["lines", linesOf(fault.lines)]]) : null, event.clientX, event.clientY);
  });
  head.addEventListener("pointerleave", () => tell(null));
  scroll.addEventListener("scroll", later);

  function bring(op) {
    if (op.x < place(GUTTER) || op.x > place(width - 20)) from = op.x - room() / scale / 2;
    const y = op.y * rowHeight;
    if (y < scroll.scrollTop) scroll.scrollTop = y;
    if (y + rowHeight > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = y + rowHeight - scroll.clientHeight;
  }
  function choose(op) {
    chosen = op;
    const list = document.createElement("dl");
    for (const [name, text] of op ? detailsOf(op) : []) {
      list.appendChild(document.createElement("dt")).textContent = name;
      list.appendChild(document.createElement("dd")).textContent = text;
    }
    $("chosen").replaceChildren(op ? list : "None. Click a bar, or move through them with the arrow keys.");
    for (const element of document.querySelectorAll("[data-op]")) {
      element.classList.toggle("chosen", op !== null && Number(element.dataset.op) === op.id);
    }
    later();
  }
  const pick = (id) => {
    const op = byId.get(id);
    if (!op || !op.shown) return;
    bring(op);
    choose(op);
  };

  lines.addEventListener("keydown", (event) => {
    const step = (op) => { if (op) { bring(op); choose(op); } };
    const moves = {
      ArrowRight: () => event.shiftKey ? (from += 60 / scale) : step(neighbour(1)),
      ArrowLeft: () => event.shiftKey ? (from -= 60 / scale) : step(neighbour(-1)),
      ArrowDown: () => step(across(1)),
      ArrowUp: () => step(across(-1)),
      "+": () => zoom(1.4, width / 2),
      "=": () => zoom(1.4, width / 2),
      "-": () => zoom(1 / 1.4, width / 2),
      0: () => fit(),
      f: () => fit(),
      v: () => fit(emphasisedShown()),
      Escape: () => choose(null),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
    later();
  });
  function neighbour(by) {
    if (!chosen || !chosen.shown) return emphasisedShown()[0] || shown[0];
    const list = rows[chosen.y].ops;
    return list[list.indexOf(chosen) + by];
  }
  function across(by) {
    if (!chosen || !chosen.shown) return emphasisedShown()[0] || shown[0];
    for (let at = chosen.y + by; rows[at]; at += by) {
      const list = rows[at].ops;
      if (list.length) return list[Math.min(firstAfter(list, chosen.x), list.length - 1)];
    }
    return null;
  }

  // ---- the circle ----

  const svg = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  function wrapped(text, most, rowsMost) {
    const parts = text.match(/\[[^[\]]*(?:\[[^[\]]*\][^[\]]*)*\]/g);
    const inner = text.startsWith("[[") ? text.slice(1, -1) : null;
    const list = inner ? inner.match(/\[[^[\]]*(?:\[[^[\]]*\][^[\]]*)*\]/g) || parts || [text] : [text];
    const kept = list.slice(0, rowsMost).map((row) => (row.length > most ? row.slice(0, most - 1) + "…" : row));
    if (list.length > rowsMost) kept[rowsMost - 1] = `… ${list.length - rowsMost + 1} more`;
    return kept;
  }
  function drawCircle() {
    const box = $("circle");
    box.replaceChildren();
    const ids = view ? [...new Set(view.edges.flatMap((edge) => [edge.from, edge.to]))] : [];
    box.hidden = ids.length === 0 || ids.length > 24;
    if (box.hidden) return;
    const boxWidth = 196, most = 24;
    const texts = ids.map((id) => wrapped(byId.has(id) ? shortOf(byId.get(id)) : "", most, 5));
    const boxHeight = (at) => 26 + texts[at].length * 15;
    const tall = Math.max(...ids.map((_, at) => boxHeight(at)));
    const across = ids.length <= 2 ? 0 : Math.max(150, ids.length * 42);
    const along = ids.length <= 2 ? tall / 2 + 70 : Math.max(tall + 40, (ids.length * (tall + 46)) / 5);
    const W = 2 * across + boxWidth + 90, H = 2 * along + tall + 24;
    const centre = ids.map((_, at) => {
      const angle = -Math.PI / 2 + (2 * Math.PI * at) / ids.length;
      return [W / 2 + across * Math.cos(angle), H / 2 + along * Math.sin(angle)];
    });
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": "The circle" });
    const kinds = [...new Set(view.edges.map((edge) => edge.kind))];
    root.append(svg("defs", {}, ...kinds.map((kind) => svg("marker",
      { id: "tip-" + kind, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      svg("path", { d: "M0 0L10 5L0 10z", fill: `var(--${kind})` })))));
    const border = (at, toX, toY) => {
      const [x, y] = centre[at], dx = toX - x, dy = toY - y;
      const by = Math.min(boxWidth / 2 / Math.abs(dx || 1e-9), (boxHeight(at) / 2) / Math.abs(dy || 1e-9));
      return [x + dx * by, y + dy * by];
    };
    const edges = svg("g", {}), boxes = svg("g", {});
    for (const edge of view.edges) {
      const a = ids.indexOf(edge.from), b = ids.indexOf(edge.to);
      const [ax, ay] = centre[a], [bx, by] = centre[b];
      const long = Math.hypot(bx - ax, by - ay) || 1;
      const bend = ids.length <= 2 ? 84 : 40;
      // To the left of the way, which is outward as the circle runs.
      const cx = (ax + bx) / 2 + ((by - ay) / long) * bend, cy = (ay + by) / 2 - ((bx - ax) / long) * bend;
      const [sx, sy] = border(a, cx, cy), [tx, ty] = border(b, cx, cy);
      const label = `${names.get(edge.from) || "#" + edge.from} < ${names.get(edge.to) || "#" + edge.to}: ${edge.why} (${edge.rel})`;
      const text = svg("text", { x: (sx + 2 * cx + tx) / 4, y: (sy + 2 * cy + ty) / 4 + 4, "text-anchor": "middle", style: `fill:var(--${edge.kind})` }, edge.rel);
      const d = `M${sx} ${sy}Q${cx} ${cy} ${tx} ${ty}`;
      const line = svg("path", { d, fill: "none", style: `stroke:var(--${edge.kind})`, "stroke-width": 2.2, "marker-end": `url(#tip-${edge.kind})` });
      const wide = svg("path", { d, fill: "none", stroke: "transparent", style: "stroke:transparent;stroke-width:18" });
      const group = svg("g", { class: "edge", tabindex: 0, role: "img", "aria-label": label }, wide, line, text);
      group.addEventListener("pointermove", (event) => tell(label, event.clientX, event.clientY));
      group.addEventListener("pointerleave", () => tell(null));
      group.addEventListener("focus", () => { const at = text.getBoundingClientRect(); tell(label, at.right, at.bottom); });
      group.addEventListener("blur", () => tell(null));
      edges.append(group);
    }
    ids.forEach((id, at) => {
      const op = byId.get(id), [x, y] = centre[at], high = boxHeight(at);
      const title = `${names.get(id) || "#" + id}  ${op ? "process " + data.rows[op.row] : ""}`;
      const node = svg("g", { class: "node", tabindex: 0, role: "button", "data-op": id, "aria-label": title },
        svg("rect", { x: x - boxWidth / 2, y: y - high / 2, width: boxWidth, height: high, rx: 7 }),
        svg("text", { x: x - boxWidth / 2 + 8, y: y - high / 2 + 17, class: "name" }, title.length > most ? title.slice(0, most - 1) + "…" : title),
        ...texts[at].map((row, line) => svg("text", { x: x - boxWidth / 2 + 8, y: y - high / 2 + 33 + 15 * line }, row)));
      node.addEventListener("click", () => pick(id));
      node.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(id); } });
      if (op) {
        node.addEventListener("pointermove", (event) => tell(inLines(detailsOf(op)), event.clientX, event.clientY));
        node.addEventListener("pointerleave", () => tell(null));
      }
      boxes.append(node);
    });
    root.append(edges, boxes);
    root.style.maxWidth = W + "px";
    box.style.width = `min(${W + 14}px, 42vw)`;
    box.append(root);
  }

  // ---- what is explained ----

  function explain(index) {
    view = data.views[index] || null;
    scope = 0;
    names = new Map(view ? view.names : []);
    emphasised = new Set(view ? view.ops : []);
    blocked = new Set(view ? view.blocked.map(([id]) => id) : []);
    $("view").value = String(index);
    $("why").textContent = view ? view.text : "Every level holds; there is nothing to explain.";
    $("only-label").hidden = emphasised.size === 0 || emphasised.size === ops.length;
    $("only").checked = emphasised.size > 0 && ops.length > 120;
    $("near").hidden = emphasised.size === 0;
    const orders = view ? view.orders : [];
    $("scope-label").hidden = orders.length < 2;
    $("scope").replaceChildren(...orders.map((order, at) => new Option(order.scope || "all", String(at))));
    const listed = [...names.keys()].slice(0, 200).filter((id) => byId.has(id));
    $("ops").replaceChildren(...listed.map((id) => {
      const op = byId.get(id), item = document.createElement("li"), button = document.createElement("button");
      button.dataset.op = id;
      const name = document.createElement("b");
      name.textContent = names.get(id);
      const at = linesOf(op.lines);
      button.append(name, ` process ${data.rows[op.row]}: ${callOf(op)} ${resultOf(op)}${at && ` (lines ${at})`}`);
      button.addEventListener("click", () => pick(id));
      item.append(button);
      return item;
    }));
    for (const button of document.querySelectorAll("button.level")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.own) === index));
    }
    drawCircle();
    arrange();
    const near = emphasisedShown();
    choose(null);
    fit($("only").checked || near.length === 0 || shown.length <= 120 ? null : near);
  }

  $("view").replaceChildren(...data.views.map((one, at) => new Option(one.name, String(at))));
  $("view-label").hidden = data.views.length === 0;
  $("view").addEventListener("change", (event) => explain(Number(event.target.value)));
  $("scope").addEventListener("change", (event) => { scope = Number(event.target.value); number(); later(); });
  $("only").addEventListener("change", () => { arrange(); fit(); });
  $("fit").addEventListener("click", () => fit());
  $("near").addEventListener("click", () => fit(emphasisedShown()));
  $("closer").addEventListener("click", () => zoom(1.5, width / 2));
  $("farther").addEventListener("click", () => zoom(1 / 1.5, width / 2));
  for (const button of document.querySelectorAll("button.level")) {
    button.addEventListener("click", () => explain(Number(button.dataset.view)));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); later(); });
  new ResizeObserver(() => { if ($("time").clientWidth !== width) { const whole = scale <= fitScale() * 1.01; resize(); if (whole) fit(); } }).observe($("time"));
  new ResizeObserver(later).observe(scroll); // A taller window shows more rows.
  readColours();
  explain(data.views.length ? data.first : -1);
})();
