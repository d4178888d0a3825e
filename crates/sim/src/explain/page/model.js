"use strict";
// Draws the run that stands in the element `data`. One program in five files, put together by `mod.rs`: `model.js` makes messages, roles and
// calls of the events, `draw.js` draws the lanes, `marks.js` what lies on them, `view.js` answers to pointer and keys, `list.js` holds the
// event list and the panel. Everything is drawn anew for the window that is seen, so that a frame costs what is seen and not what happened.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const SENT = 0, DELIVERED = 1, LOST = 2, BECAME = 3, PERSISTED = 4, APPLIED = 5, INSTALLED = 6, STARTED = 7, CRASHED = 8, REFUSED = 9,
    FAULT = 10, FAULT_ENDED = 11, INVOKED = 12, RETURNED = 13, NOTE = 14;
  const ROLES = ["follower", "pre-candidate", "candidate", "leader", "learner"];
  const OUTCOMES = ["done", "failed", "unknown"];
  const HOW = ["is done", "failed", "may have been done"];

  const lanes = data.lanes.map(([name, sort, id], at) => ({
    at, name, sort, id, periods: [], calls: [], persisted: [], applied: [], marks: [], top: 0, y: 0, height: 0,
  }));
  const events = data.events;
  for (const event of events) event[0] = Number(event[0]);
  // Time runs on in a run; this only guards the searches below.
  if (events.some((event, at) => at > 0 && event[0] < events[at - 1][0])) events.sort((a, b) => a[0] - b[0]);
  const violation = data.violation;
  let end = Math.max(Number(data.end), 1);
  const broken = violation ? Number(violation.at) : null;
  const faults = data.faults.map((fault) => ({
    ...fault, from: Number(fault.from), until: fault.until === null ? null : Number(fault.until),
  }));
  const leaderLane = (id) => lanes.find((lane) => lane.sort === 1 && lane.id === id);

  // ---- messages: each arrival, loss, or lack of both is one line ----

  const messages = new Map(), lines = [];
  const WHOLE = 0, AGAIN = 1, GONE = 2, UNDERWAY = 3;
  events.forEach((event, at) => {
    const [t, lane, what, id] = event;
    if (what === SENT) messages.set(id, { id, at, t, from: lane, to: event[4], kind: event[5], term: event[6], words: event[7], ends: [] });
    else if (what === DELIVERED || what === LOST) messages.get(id)?.ends.push({ at, t, lost: what === LOST, why: event[4] });
  });
  const typical = (() => {
    const took = [];
    for (const { t, ends } of messages.values()) if (ends.length && !ends[0].lost) took.push(ends[0].t - t);
    took.sort((a, b) => a - b);
    return took[took.length >> 1] || end / 500;
  })();
  // What happens last is seen only if time goes on a little.
  end += typical * 0.6;
  for (const message of messages.values()) {
    const { t, from, to, ends } = message;
    const add = (until, way, style, at) => lines.push({ message, t, until, from, to, way, style, at });
    let arrived = false;
    for (const { at, t: then, lost } of ends) {
      // What is lost at once gets a length, so that it is seen; what is lost late has come far.
      if (lost) add(Math.max(then, t + typical / 2), then - t < typical / 3 ? 0.45 : 0.8, GONE, at);
      else add(then, 1, arrived ? AGAIN : WHOLE, at);
      arrived ||= !lost;
    }
    if (!ends.length) add(Math.max(Math.min(t + typical, end), t + typical / 3), 0.55, UNDERWAY, message.at);
  }
  lines.sort((a, b) => a.t - b.t);
  // Few lines are very long: they are kept apart, so that the search for the others stays short.
  const LONG = typical * 8;
  const longLines = lines.filter((line) => line.until - line.t > LONG);
  const shortLines = lines.filter((line) => line.until - line.t <= LONG);

  // ---- roles, calls, marks ----

  const calls = new Map();
  events.forEach((event, at) => {
    const [t, laneAt, what] = event, lane = lanes[laneAt];
    const begin = (role, term, leader) => {
      const last = lane.periods.at(-1);
      if (last) last.until = t;
      lane.periods.push({ t, until: end, role, term, leader, at });
    };
    if (what === BECAME) begin(ROLES[event[3]], event[4], event[5]);
    else if (what === STARTED) begin("follower", null, null);
    else if (what === CRASHED || what === REFUSED) begin("down", null, null);
    else if (what === PERSISTED) lane.persisted.push({ t, at, index: event[3] });
    else if (what === APPLIED) lane.applied.push({ t, at, index: event[3] });
    else if (what === INVOKED) {
      const call = { id: event[3], lane: laneAt, t, until: end, outcome: null, words: event[4], result: "", at, ended: null };
      calls.set(call.id, call);
      lane.calls.push(call);
    } else if (what === RETURNED) {
      const call = calls.get(event[3]);
      if (call && call.ended === null) Object.assign(call, { until: t, outcome: event[4], result: event[5], ended: at });
    }
    if ([INSTALLED, STARTED, CRASHED, REFUSED].includes(what) || (what === NOTE && lane.sort > 0)) lane.marks.push({ t, at, what });
  });
  for (const lane of lanes) {
    if (lane.sort !== 1) continue;
    const first = lane.periods[0];
    const until = first ? first.t : end;
    // Before the first that is known: down if the first is a start, else somehow alive.
    if (until > 0) lane.periods.unshift({ t: 0, until, role: first && events[first.at][2] === STARTED ? "down" : "follower", term: null, leader: null, at: first ? first.at : -1 });
    lane.paused = faults.filter((fault) => fault.name === "pause" && fault.lanes.includes(lane.at));
  }
  const notes = events.map((event, at) => ({ t: event[0], at, event })).filter(({ event }) => event[2] === NOTE && lanes[event[1]].sort === 0);

  // ---- words ----

  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
  const stamp = (t, digits = 3) => (t / 1e6).toFixed(digits) + " ms";
  const lasted = (t) => (t < 1e6 ? Math.round(t / 1e3) + " µs" : (t / 1e6).toFixed(t < 1e7 ? 2 : 1) + " ms");
  const name = (lane) => lanes[lane].name;
  const kindOf = (message) => data.kinds[message.kind];
  const about = (message) => `${kindOf(message)} in term ${message.term}${message.words ? " " + message.words : ""}`;

  function words(event) {
    const [, , what, a, b, c, d, e] = event;
    const message = what <= LOST ? messages.get(a) : null;
    switch (what) {
      case SENT: return `sends #${a} to ${name(b)}: ${data.kinds[c]} in term ${d}${e ? " " + e : ""}`;
      case DELIVERED: return `gets #${a} from ${name(b)}${message ? ": " + about(message) : ""}`;
      case LOST: return `#${a}${message ? ` from ${name(message.from)} to ${name(message.to)}` : ""} is lost (${b})${message ? ": " + about(message) : ""}`;
      case BECAME: return `is ${ROLES[a]} in term ${b}, ${c === null ? "no known leader" : "leader node " + c}`;
      case PERSISTED: return `has its log on disk up to ${a}`;
      case APPLIED: return `applied up to ${a} of term ${b}`;
      case INSTALLED: return `installed a snapshot at ${a}`;
      case STARTED: return `starts${a ? ": " + a : ""}`;
      case CRASHED: return `crashes: ${a}`;
      case REFUSED: return `refuses to start: ${a}`;
      case FAULT: return `fault ${a} begins: ${b}`;
      case FAULT_ENDED: return `fault ${a} ends`;
      case INVOKED: return `calls ${a}: ${b}`;
      case RETURNED: return `call ${a} ${HOW[b]}${c ? ": " + c : ""}`;
      default: return a;
    }
  }

  // ---- what is shown: kinds that are switched on, and the filter ----

  const hidden = new Set(); // Names of kinds, and `persisted`, `applied`.
  let terms = [], matching = null; // By event whether it meets the filter; null: all do.
  const kindName = (event) => {
    if (event[2] === PERSISTED) return "persisted";
    if (event[2] === APPLIED) return "applied";
    if (event[2] > LOST) return "";
    const message = messages.get(event[3]);
    return message ? kindOf(message) : "";
  };
  const haystacks = new Array(events.length);
  const haystack = (at) => (haystacks[at] ??= `${name(events[at][1])} ${words(events[at])}`.toLowerCase());

  /** `node:2`, `client:1`, `kind:append`, words, "several words"; a minus before any of them turns it round. */
  function parse(text) {
    return (text.match(/-?(?:\w+:)?(?:"[^"]*"?|\S+)/g) || []).map((part) => {
      const not = part.length > 1 && part[0] === "-";
      const [, key, word] = /^(?:(node|client|kind):)?(.*)$/i.exec(not ? part.slice(1) : part);
      return { not, key: (key || "").toLowerCase(), word: word.replace(/"/g, "").toLowerCase() };
    }).filter(({ word }) => word !== "");
  }
  function meets(at, { key, word }) {
    const event = events[at];
    if (key === "kind") return kindName(event).toLowerCase().startsWith(word);
    if (!key) return haystack(at).includes(word);
    const is = (lane) => lanes[lane].sort === (key === "node" ? 1 : 2) && String(lanes[lane].id) === word;
    const message = event[2] <= LOST ? messages.get(event[3]) : null;
    return is(event[1]) || (message ? is(message.from) || is(message.to) : false);
  }
  function filter(text) {
    terms = parse(text);
    matching = terms.length === 0 ? null : Uint8Array.from(events, (_, at) => (terms.every((term) => meets(at, term) !== term.not) ? 1 : 0));
  }
  const isShown = (at) => (matching === null || matching[at] === 1) && !hidden.has(kindName(events[at]));
  /** A line counts as met if its sending or its end is. */
  const stands = (line) => matching === null || matching[line.message.at] === 1 || matching[line.at] === 1;

  /** The first place in a list in order of `t` that is at or after it. */
  function firstAt(list, t, time = (item) => item.t) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (time(list[middle]) < t) low = middle + 1; else high = middle;
    }
    return low;
  }
  const timeOfEvent = (event) => event[0];

