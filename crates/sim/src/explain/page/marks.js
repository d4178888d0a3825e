  // ---- what lies on a lane ----

  /** The periods that are seen, each with its ends in pixels. */
  function seenPeriods(lane) {
    const until = shownUntil(), found = [];
    for (let at = Math.max(firstAt(lane.periods, from) - 1, 0); at < lane.periods.length && lane.periods[at].t <= until; at++) {
      const period = lane.periods[at], left = Math.max(pixel(period.t), GUTTER - 1), right = Math.min(pixel(period.until), width + 1);
      if (right >= GUTTER) found.push({ period, before: lane.periods[at - 1], left, right });
    }
    return found;
  }

  function drawBand(lane) {
    const top = lane.y - BAND / 2;
    pen.fillStyle = colours.card;
    pen.fillRect(GUTTER, top, pixel(end) - GUTTER, BAND);
    for (const { period, left, right } of seenPeriods(lane)) {
      const wide = Math.max(right - left, 1), down = period.role === "down";
      pen.fillStyle = down ? hatches.down : colours[ROLE_COLOURS[period.role]];
      pen.fillRect(left, top, wide, BAND);
      if (wide > 3) {
        pen.fillStyle = down ? colours["down-edge"] : colours.faint;
        pen.globalAlpha = 0.7;
        pen.fillRect(left, top, 1, BAND);
        pen.globalAlpha = 1;
      }
    }
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.strokeRect(GUTTER - 2, top - 0.5, Math.min(pixel(end), width + 4) - GUTTER + 2, BAND + 1);
    for (const fault of lane.paused) {
      const left = Math.max(pixel(fault.from), GUTTER), right = Math.min(fault.until === null ? pixel(fault.from) + 2 : pixel(fault.until), width);
      if (right <= left) continue;
      pen.globalAlpha = 0.35;
      pen.fillStyle = hatches.paused;
      pen.fillRect(left, top, right - left, BAND);
      pen.globalAlpha = 1;
    }
  }

  function drawNode(lane) {
    const top = lane.y - BAND / 2;
    if (!hidden.has("persisted")) drawTicks(lane.persisted, top, -1, colours.persisted);
    if (!hidden.has("applied")) drawTicks(lane.applied, top + BAND, 1, colours.applied);
    let labelled = -1e9;
    for (const { period, before, left, right } of seenPeriods(lane)) {
      drawPeriodName(lane, period, left, right);
      const isNew = period.term !== null && (!before || before.term !== period.term);
      if (!isNew || left < GUTTER || left <= labelled) continue;
      const text = "term " + period.term;
      pen.font = SMALL;
      halo(text, left + 1, top - 17, colours.ink);
      pen.fillStyle = colours.ink;
      pen.fillRect(left, top - 11, 1, 11);
      pen.font = FONT;
      labelled = left + text.length * 6.1 + 6;
    }
    for (const fault of lane.paused) {
      const left = Math.max(pixel(fault.from), GUTTER), right = Math.min(fault.until === null ? left : pixel(fault.until), width);
      if (right - left > 110) badge("paused", right - 32, lane.y);
    }
  }
  function drawPeriodName(lane, period, left, right) {
    // A mark at its beginning keeps its room.
    const start = Math.max(left, GUTTER) + (nearest(lane.marks, left, 10) ? 18 : 6), space = Math.min(right, width) - start - 4;
    if (space < 14) return;
    const down = period.role === "down";
    const words = down ? ["down"] : period.term === null ? [period.role] : [
      `${period.role} · term ${period.term}${period.role !== "leader" && period.leader !== null ? " · of node " + period.leader : ""}`,
      `${period.role} · term ${period.term}`, period.role, period.role[0].toUpperCase() + period.term];
    const text = words.find((one) => one.length * charWidth <= space);
    if (!text) return;
    // Messages may cross the band here: the words stand on a ground of their own.
    pen.fillStyle = down ? colours.card : colours[ROLE_COLOURS[period.role]];
    pen.fillRect(start - 3, lane.y - 7, text.length * charWidth + 6, 14);
    pen.fillStyle = period.role === "leader" ? colours["on-leader"] : colours.ink;
    pen.fillText(text, start, lane.y + 0.5);
  }
  function badge(text, x, y) {
    const wide = text.length * charWidth + 8;
    pen.fillStyle = colours.card;
    pen.fillRect(x - wide / 2, y - 7, wide, 14);
    pen.fillStyle = colours.ink;
    pen.textAlign = "center";
    pen.fillText(text, x, y + 0.5);
    pen.textAlign = "left";
  }

  /** How far the log is on disk, above, and how far it is applied, below; with numbers where there is room. */
  function drawTicks(list, y, way, colour) {
    const until = shownUntil();
    let last = -10, labelled = -100;
    pen.fillStyle = colour;
    pen.font = SMALL;
    const labels = [];
    for (let at = firstAt(list, from); at < list.length && list[at].t <= until; at++) {
      const x = pixel(list[at].t);
      if (x - last < 1) continue;
      last = x;
      if (matching !== null && !matching[list[at].at]) continue;
      pen.fillRect(x - 0.75, way < 0 ? y - 5 : y, 1.5, 5);
      const text = String(list[at].index), half = text.length * 3.1;
      const next = list[at + 1] ? pixel(list[at + 1].t) : 1e9;
      if (x - half > labelled && (next - x > half + 8 || x - labelled > 70)) { labels.push([text, x]); labelled = x + half + 8; }
    }
    pen.textAlign = "center";
    if (seen.length < room() * 0.35) for (const [text, x] of labels) halo(text, x, y + way * 11, colour);
    pen.textAlign = "left";
    pen.font = FONT;
  }

  function drawCalls(lane) {
    const until = shownUntil(), y = lane.top + 4, high = lane.height - 8;
    let covered = -1;
    for (const call of lane.calls) {
      if (call.until < from || call.t > until) continue;
      const left = pixel(call.t), right = Math.max(pixel(call.until), left + 2), wide = right - left;
      if (right < covered + 0.7) continue;
      covered = right;
      const kind = call.outcome === null ? "unknown" : OUTCOMES[call.outcome], open = kind === "unknown";
      const met = matching === null || matching[call.at] || (call.ended !== null && matching[call.ended]);
      pen.globalAlpha = met ? 1 : 0.2;
      if (open) {
        const fade = pen.createLinearGradient(left, 0, right, 0);
        fade.addColorStop(0, colours.unknown);
        fade.addColorStop(1, colours.unknown + "00");
        pen.fillStyle = fade;
      } else pen.fillStyle = kind === "failed" ? hatches.failed : colours.done;
      pen.fillRect(left, y, wide, high);
      if (wide > 3) {
        pen.strokeStyle = colours[kind + "-edge"];
        pen.lineWidth = 1;
        pen.setLineDash(open ? [4, 3] : []);
        pen.strokeRect(left + 0.5, y + 0.5, wide - 1, high - 1);
        pen.setLineDash([]);
      }
      const start = Math.max(left, GUTTER) + 5, space = Math.min(right, width) - start - 3;
      const sign = call.outcome === null ? "… " : kind === "failed" ? "✕ " : kind === "unknown" ? "? " : "";
      const text = cut(sign + call.words + (call.result && kind !== "failed" ? " → " + call.result : ""), space);
      if (text) {
        if (kind === "failed") { pen.fillStyle = colours.failed; pen.fillRect(start - 2, y + 3, text.length * charWidth + 4, high - 6); }
        pen.fillStyle = colours.ink;
        pen.fillText(text, start, lane.y + 0.5);
      }
      pen.globalAlpha = 1;
    }
  }

  function drawMarks(lane) {
    const until = shownUntil();
    for (const { t, at, what } of lane.marks) {
      if (t < from || t > until) continue;
      if (matching !== null && !matching[at]) continue;
      const x = pixel(t), y = lane.y;
      pen.lineWidth = 3;
      pen.beginPath();
      if (what === STARTED) { pen.moveTo(x - 6, y + 7); pen.lineTo(x, y - 7); pen.lineTo(x + 6, y + 7); pen.closePath(); fillMark(colours.good); }
      else if (what === INSTALLED) { pen.moveTo(x, y - 8); pen.lineTo(x + 7, y); pen.lineTo(x, y + 8); pen.lineTo(x - 7, y); pen.closePath(); fillMark(colours.snapshot); }
      else if (what === CRASHED) {
        for (const sign of [1, -1]) { pen.moveTo(x - 7, y - 7 * sign); pen.lineTo(x + 7, y + 7 * sign); }
        strokeMark(colours.bad);
      } else if (what === REFUSED) {
        pen.arc(x, y, 7, 0, 7);
        pen.moveTo(x - 5, y + 5);
        pen.lineTo(x + 5, y - 5);
        strokeMark(colours.bad);
      } else { pen.arc(x, y, 4, 0, 7); fillMark(colours.mark); }
    }
  }
  function fillMark(colour) {
    pen.strokeStyle = colours.card;
    pen.stroke();
    pen.fillStyle = colour;
    pen.fill();
  }
  function strokeMark(colour) {
    pen.lineWidth = 6;
    pen.strokeStyle = colours.card;
    pen.stroke();
    pen.lineWidth = 3;
    pen.strokeStyle = colour;
    pen.stroke();
  }

  function drawViolation() {
    if (broken === null) return;
    const x = pixel(broken);
    if (x < GUTTER - 3 || x > width + 3) return;
    pen.fillStyle = colours.violated;
    pen.fillRect(x - 1.5, RULER - 4, 3, height);
    pen.font = BOLD;
    const most = Math.floor(Math.max(x - GUTTER, width - x) / 7) - 3, all = "broken: " + violation.words;
    const text = all.length > Math.min(most, 90) ? all.slice(0, Math.min(most, 90) - 1) + "…" : all;
    const wide = pen.measureText(text).width + 14;
    // On the side where there is more room, below the faults.
    const left = x + wide < width ? x : x - wide;
    const y = lanes[0].top + lanes[0].height - SAYS + 2;
    pen.fillRect(left, y, wide, 20);
    pen.fillStyle = colours.on;
    pen.fillText(text, left + 7, y + 10.5);
    pen.font = FONT;
  }

  /** Rings about what is chosen and what the pointer is at. */
  function drawPointed() {
    for (const [item, colour] of [[hovered, colours.focus], [chosen, colours.mark]]) {
      if (!item) continue;
      pen.strokeStyle = colour;
      pen.lineWidth = 2.5;
      if (item.fault) {
        const flag = flags.find((one) => one.fault === item.fault);
        if (flag) pen.strokeRect(flag.left - 1, flag.top - 1, flag.right - flag.left + 2, flag.bottom - flag.top + 2);
        continue;
      }
      const event = events[item.at];
      if (!event) continue;
      const [t, laneAt, what] = event, lane = lanes[laneAt], x = pixel(t);
      const message = what <= LOST ? messages.get(event[3]) : null;
      if (message) for (const line of lines.filter((one) => one.message === message)) {
        if (line.from === line.to) continue;
        pen.lineWidth = 3.5;
        pen.beginPath();
        pen.moveTo(pixel(line.t), yAt(line, 0));
        pen.lineTo(pixel(line.until), yAt(line, line.way));
        pen.stroke();
      }
      const call = what === INVOKED || what === RETURNED ? calls.get(event[3]) : null;
      if (call) pen.strokeRect(pixel(call.t) - 1, lane.top + 3, Math.max(pixel(call.until) - pixel(call.t), 2) + 2, lane.height - 6);
      else if (lane.sort === 0) { pen.beginPath(); pen.moveTo(x, lane.top); pen.lineTo(x, lane.top + lane.height); pen.stroke(); }
      else {
        pen.lineWidth = 2.5;
        pen.beginPath();
        if (what === PERSISTED || what === APPLIED) pen.arc(x, lane.y + (what === APPLIED ? 1 : -1) * (BAND / 2 + 3), 6, 0, 7);
        else pen.arc(x, lane.y, what <= LOST ? 5 : 11, 0, 7);
        pen.stroke();
      }
    }
  }

  // ---- the whole run, small ----

  function drawOverview() {
    const brush = overviewPen, nodes = lanes.filter((lane) => lane.sort === 1), each = (OVERVIEW - 8) / Math.max(nodes.length, 1);
    const place = (t) => GUTTER + (t / (end * 1.02)) * room();
    brush.clearRect(0, 0, width, OVERVIEW);
    brush.fillStyle = colours.faint;
    brush.font = FONT;
    brush.textAlign = "right";
    brush.textBaseline = "middle";
    brush.fillText("whole run", GUTTER - 8, OVERVIEW / 2);
    nodes.forEach((lane, row) => {
      for (const period of lane.periods) {
        brush.fillStyle = colours[ROLE_COLOURS[period.role]];
        if (period.role === "down") brush.fillStyle = colours["down-edge"];
        brush.fillRect(place(period.t), 4 + row * each, Math.max(place(period.until) - place(period.t), 1), Math.max(each - 1, 1));
      }
    });
    brush.fillStyle = colours.fault;
    for (const fault of faults) {
      brush.fillRect(place(fault.from), 0, Math.max(fault.until === null ? 0 : place(fault.until) - place(fault.from), 2), 3);
    }
    if (broken !== null) { brush.fillStyle = colours.violated; brush.fillRect(place(broken) - 1.5, 0, 3, OVERVIEW); }
    const left = place(from), right = Math.max(place(Math.min(shownUntil(), end * 1.02)), left + 4);
    brush.fillStyle = colours.back;
    brush.globalAlpha = 0.55;
    brush.fillRect(GUTTER, 0, left - GUTTER, OVERVIEW);
    brush.fillRect(right, 0, width - right, OVERVIEW);
    brush.globalAlpha = 1;
    brush.strokeStyle = colours.focus;
    brush.lineWidth = 2;
    brush.strokeRect(left, 1, right - left, OVERVIEW - 2);
  }

