  // ---- the event list: only the rows that are seen exist ----

  const ROW = 20;
  const list = $("list"), rowsBox = $("rows");
  let listed = [], leads = 0; // Until when the list, and not the diagram, says what is seen.

  function listAnew() {
    listed = [];
    for (let at = 0; at < events.length; at++) if (isShown(at)) listed.push(at);
    rowsBox.style.height = listed.length * ROW + "px";
    const all = events.length;
    $("matches").textContent = listed.length === all ? `${grouped(all)} events` : `${grouped(listed.length)} of ${grouped(all)} events`;
    drawList();
  }
  const timeOfListed = (at) => events[at][0];
  function colourOf(event) {
    if (event[2] <= LOST) { const message = messages.get(event[3]); return message ? colours[colourName[message.kind]] : colours.faint; }
    return { [PERSISTED]: colours.persisted, [APPLIED]: colours.applied, [CRASHED]: colours.bad, [REFUSED]: colours.bad, [STARTED]: colours.good,
      [INSTALLED]: colours.snapshot, [FAULT]: colours.fault, [FAULT_ENDED]: colours.fault, [BECAME]: colours.leader,
      [INVOKED]: colours["done-edge"], [RETURNED]: colours[(OUTCOMES[event[4]] || "done") + "-edge"] }[event[2]] || colours.mark;
  }
  function drawList() {
    const first = Math.max(Math.floor(list.scrollTop / ROW) - 4, 0), last = Math.min(first + Math.ceil(list.clientHeight / ROW) + 8, listed.length);
    const until = shownUntil(), rows = [];
    // The promise is found broken after this row: a line is drawn below it.
    const lastBefore = broken === null ? -1 : firstAt(listed, broken + 1, timeOfListed) - 1;
    for (let place = first; place < last; place++) {
      const at = listed[place], event = events[at], row = document.createElement("div");
      row.className = "row" + (event[0] >= from && event[0] <= until ? " in" : "") + (chosen && chosen.at === at ? " chosen" : "") + (place === lastBefore ? " last" : "");
      row.style.top = place * ROW + "px";
      row.dataset.at = at;
      row.id = "row-" + at;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(Boolean(chosen && chosen.at === at)));
      row.setAttribute("aria-setsize", listed.length);
      row.setAttribute("aria-posinset", place + 1);
      for (const [kind, text] of [["t", stamp(event[0]).slice(0, -3)], ["who", name(event[1])], ["what", words(event)]]) {
        const part = row.appendChild(document.createElement("span"));
        part.className = kind;
        part.textContent = text;
        if (kind === "what") row.title = text;
      }
      row.style.setProperty("--colour", colourOf(event));
      rows.push(row);
    }
    if (!listed.length) rows.push(Object.assign(document.createElement("p"), { className: "none", textContent: "Nothing meets the filter." }));
    rowsBox.replaceChildren(...rows);
    if (chosen && chosen.at !== undefined) list.setAttribute("aria-activedescendant", "row-" + chosen.at);
  }
  /** The list goes where the diagram goes: to what is chosen if that is seen, else to the window's last third. */
  function followWindow() {
    if (performance.now() < leads) { drawList(); return; }
    const seenChosen = chosen && chosen.at !== undefined && events[chosen.at][0] >= from && events[chosen.at][0] <= shownUntil();
    const t = seenChosen ? events[chosen.at][0] : Math.min(from + (room() / scale) * 0.7, broken !== null && broken > from && broken < shownUntil() ? broken : Infinity);
    let place = firstAt(listed, t, timeOfListed);
    if (seenChosen) { const exact = listed.indexOf(chosen.at, place); if (exact >= 0) place = exact; }
    const top = place * ROW;
    const inside = seenChosen && top >= list.scrollTop && top + ROW <= list.scrollTop + list.clientHeight;
    if (!inside) list.scrollTop = top - list.clientHeight * (seenChosen ? 0.4 : 0.75);
    drawList();
  }
  list.addEventListener("scroll", drawList);
  list.addEventListener("wheel", () => { leads = performance.now() + 800; }, { passive: true });
  list.addEventListener("pointerdown", () => { leads = performance.now() + 800; });
  rowsBox.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    leads = performance.now() + 800;
    const at = Number(row.dataset.at);
    choose({ at }, false);
    bring(events[at][0], events[at][1]);
  });
  /** To the next or the earlier event of the list. */
  function step(by) {
    if (!listed.length) return;
    const start = chosen && chosen.at !== undefined ? chosen.at : null;
    let place;
    if (start === null) place = Math.min(firstAt(listed, broken ?? from, timeOfListed), listed.length - 1);
    else {
      place = firstAt(listed, start, (at) => at);
      place = listed[place] === start || by < 0 ? place + by : place;
    }
    place = Math.min(Math.max(place, 0), listed.length - 1);
    const at = listed[place];
    choose({ at }, false);
    bring(events[at][0], events[at][1]);
  }

  // ---- details of what is chosen or pointed at ----

  function choose(item) {
    chosen = item;
    showDetail();
    later();
  }
  function detailsOf(item) {
    const rows = [];
    const add = (key, text) => { if (text !== null && text !== undefined && text !== "") rows.push([key, String(text)]); };
    if (item.fault) {
      const { fault, name: sort, words, from, until, lanes: struck } = item.fault;
      add("fault", `${fault}${sort ? ", " + sort : ""}`);
      add("what", words);
      add("begins", stamp(from));
      if (until === null) add("ends", "at once");
      else { add("ends", stamp(until)); add("lasts", lasted(until - from)); }
      add("strikes", struck.map(name).join(", ") || "the whole network");
      return rows;
    }
    const event = events[item.at], [t, lane, what] = event;
    add("time", stamp(t, 6));
    add("who", name(lane));
    const message = what <= LOST ? messages.get(event[3]) : null;
    const call = what === INVOKED || what === RETURNED ? calls.get(event[3]) : null;
    if (message) messageDetails(message, add);
    else if (call) {
      add("call", `${call.id}: ${call.words}`);
      add("ends", call.outcome === null ? "never: it has no answer" : `${HOW[call.outcome]}${call.result ? ": " + call.result : ""}`);
      add("from", stamp(call.t));
      if (call.ended !== null) { add("until", stamp(call.until)); add("took", lasted(call.until - call.t)); }
    } else add("what", words(event));
    const period = lanes[lane].periods?.find((one) => one.at === item.at);
    if (period) { add("until", stamp(period.until)); add("lasts", lasted(period.until - period.t)); }
    const state = lanes[lane].sort === 1 && !period ? stateAt(lanes[lane], t) : null;
    if (state) add("role", state.role === "down" ? "down" : state.role + (state.term === null ? "" : ` in term ${state.term}`));
    const during = faults.filter((fault) => fault.from <= t && (fault.until === null ? fault.from === t : fault.until >= t));
    for (const fault of during.slice(0, 4)) add("under fault", fault.words);
    return rows;
  }
  function messageDetails(message, add) {
    add("message", `#${message.id}: ${kindOf(message)} in term ${message.term}`);
    add("says", message.words);
    add("sent", `${stamp(message.t)} by ${name(message.from)}`);
    add("to", name(message.to));
    let arrived = 0;
    for (const { t, lost, why } of message.ends) {
      if (lost) add("lost", `${stamp(t)}: ${why}`);
      else add(arrived++ ? "again" : "arrived", `${stamp(t)}, after ${lasted(t - message.t)}`);
    }
    if (!message.ends.length) add("arrived", "not before the run's end");
  }
  const stateAt = (lane, t) => lane.periods[Math.max(firstAt(lane.periods, t + 1) - 1, 0)];

  function showDetail() {
    const item = hovered || chosen, box = $("detail");
    if (!item) {
      const hint = document.createElement("p");
      hint.className = "none";
      hint.textContent = "Point at anything in the diagram, or click an event in the list.";
      box.replaceChildren(hint);
      return;
    }
    const table = document.createElement("dl");
    for (const [key, text] of detailsOf(item)) {
      table.appendChild(document.createElement("dt")).textContent = key;
      table.appendChild(document.createElement("dd")).textContent = text;
    }
    box.replaceChildren(table);
  }

  // ---- the beginning ----

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); later(); });
  let sizedOnce = false;
  const onSize = () => {
    const whole = sizedOnce && scale <= fitScale() * 1.01, middle = timeAt(GUTTER + room() / 2);
    arrange();
    if (!sizedOnce) { sizedOnce = true; toViolation(); } else if (whole) fit(); else from = middle - room() / 2 / scale;
    draw();
  };
  new ResizeObserver(onSize).observe(stage);
  readColours();
  legend();
  listAnew();
  showDetail();
})();
