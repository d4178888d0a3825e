"use strict";
// Draws the history that stands in the element `data`. One program in three files, put together by `mod.rs`: this one holds the state and
// says what is shown where, `drawing.js` draws it, `pointing.js` answers to pointer and keys. Everything is drawn anew for the
// window that is seen, so that the work of one frame depends on the window and not on the history.
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

