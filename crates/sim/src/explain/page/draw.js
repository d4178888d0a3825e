  // ---- the canvas and its window ----

  const GUTTER = 78, RULER = 24, FLAG = 18, FLAGS = 4, SAYS = 24, BAND = 20, CALL = 26, OVERVIEW = 40;
  const FONT = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
  const SMALL = "10px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
  const BOLD = "600 12px system-ui, sans-serif";
  const canvas = $("lanes"), stage = $("stage"), overview = $("overview");
  const pen = canvas.getContext("2d"), overviewPen = overview.getContext("2d");
  let width = 800, height = 400, from = 0, scale = 1e-4, colours = {}, hatches = {}, charWidth = 6.6;
  let chosen = null, hovered = null; // {at}: an event; {fault}: one of `faults`.
  let seen = []; // The lines of the last frame.
  let flags = []; // What stood in the world's lane in the last frame.

  const pixel = (t) => GUTTER + (t - from) * scale;
  const timeAt = (px) => from + (px - GUTTER) / scale;
  const room = () => Math.max(width - GUTTER - 10, 100);
  const shownUntil = () => timeAt(width);
  const fitScale = () => room() / (end * 1.02);
  const MOST = 0.2; // Pixels of a nanosecond.

  function keepInside() {
    scale = Math.min(Math.max(scale, fitScale()), MOST);
    const most = end * 1.02 - room() / scale;
    from = Math.min(Math.max(from, 0), Math.max(most, 0));
  }

  const STYLES = ["back", "card", "ink", "faint", "line", "stripe", "done", "done-edge", "failed", "failed-edge", "unknown", "unknown-edge",
    "fault", "violated", "mark", "focus", "on", "good", "bad", "snapshot", "follower", "pre", "candidate", "leader", "learner", "down",
    "down-edge", "on-leader", "k-append", "k-accepted", "k-rejected", "k-vote", "k-votereply", "k-prevote", "k-prevotereply", "k-heartbeat",
    "k-heartbeatreply", "k-snapshot", "k-snapshotreply", "k-forward", "k-read", "k-other", "persisted", "applied"];
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of STYLES) colours[name] = style.getPropertyValue("--" + name).trim();
    hatches = {
      failed: hatch(colours.failed, colours["failed-edge"]), down: hatch(colours.down, colours["down-edge"]),
      paused: hatch("transparent", colours.ink), fault: hatch("transparent", colours.fault),
    };
    pen.font = FONT;
    charWidth = pen.measureText("mmmmmmmmmm").width / 10;
  }
  function hatch(back, ink) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const brush = tile.getContext("2d");
    brush.fillStyle = back;
    brush.fillRect(0, 0, 8, 8);
    brush.strokeStyle = ink;
    brush.beginPath();
    for (const shift of [-8, 0, 8]) { brush.moveTo(shift, 8); brush.lineTo(shift + 8, 0); }
    brush.stroke();
    return pen.createPattern(tile, "repeat");
  }
  const KINDS = [[/^appendacc/i, "accepted"], [/^appendrej/i, "rejected"], [/^append/i, "append"], [/^prevote.*reply/i, "prevotereply"],
    [/^prevote/i, "prevote"], [/^vote.*reply/i, "votereply"], [/^vote/i, "vote"], [/^heartbeat.*reply/i, "heartbeatreply"],
    [/^heartbeat/i, "heartbeat"], [/^snapshotprog/i, "snapshotreply"], [/^snapshot/i, "snapshot"], [/^forward/i, "forward"], [/^read/i, "read"]];
  const colourName = data.kinds.map((kind) => "k-" + ((KINDS.find(([name]) => name.test(kind)) || [null, "other"])[1]));
  const ROLE_COLOURS = { "follower": "follower", "pre-candidate": "pre", "candidate": "candidate", "leader": "leader", "learner": "learner", "down": "down" };

  /** Nodes share what room there is; clients have thin lanes. */
  function arrange() {
    width = Math.max(stage.clientWidth, 300);
    const room = Math.max(stage.clientHeight, 240);
    const nodes = lanes.filter((lane) => lane.sort === 1).length, clients = lanes.filter((lane) => lane.sort === 2).length;
    const top = RULER + (faults.length + notes.length ? FLAGS * FLAG + 4 : 4) + (broken === null ? 0 : SAYS);
    const each = Math.min(Math.max((room - top - clients * CALL - 8) / Math.max(nodes, 1), 62), 150);
    let y = RULER;
    for (const lane of lanes) {
      lane.top = y;
      lane.height = lane.sort === 0 ? top - RULER : lane.sort === 1 ? each : CALL;
      lane.y = y + lane.height / 2;
      y += lane.height;
    }
    height = Math.max(y + 8, room);
    sized(canvas, width, height);
    sized(overview, width, OVERVIEW);
    later();
  }
  function sized(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = height + "px";
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  let waits = false;
  function later() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; draw(); });
  }

  const cut = (text, px) => {
    const most = Math.floor(px / charWidth);
    return text.length <= most ? text : most < 3 ? "" : text.slice(0, most - 1) + "…";
  };
  /** Text that is read on whatever lies below it. */
  function halo(text, x, y, ink) {
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = colours.card;
    pen.strokeText(text, x, y);
    pen.fillStyle = ink;
    pen.fillText(text, x, y);
  }

  // ---- one frame ----

  function draw() {
    keepInside();
    pen.clearRect(0, 0, width, height);
    pen.font = FONT;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, width - GUTTER, height);
    pen.clip();
    drawRuler();
    drawFaults();
    seen = visible();
    // Few lines cross lanes in full view; many would bury them.
    const crowded = seen.length / room() > 0.35, nodes = lanes.filter((lane) => lane.sort === 1);
    if (crowded) drawLines();
    nodes.forEach(drawBand);
    if (!crowded) drawLines();
    drawLabels();
    nodes.forEach(drawNode);
    for (const lane of lanes) if (lane.sort === 2) drawCalls(lane);
    for (const lane of lanes) drawMarks(lane);
    drawViolation();
    drawPointed();
    pen.restore();
    drawGutter();
    drawOverview();
    followWindow();
  }

  function drawGutter() {
    pen.textAlign = "right";
    for (const lane of lanes) {
      if (lane.sort === 0 && !(faults.length + notes.length)) continue;
      pen.font = lane.sort === 1 ? BOLD : FONT;
      pen.fillStyle = lane.sort === 1 ? colours.ink : colours.faint;
      const text = lane.sort === 0 ? "faults" : lane.name;
      pen.fillText(text.length > 11 ? text.slice(0, 10) + "…" : text, GUTTER - 8, lane.sort === 0 ? lane.top + FLAG / 2 + 3 : lane.y);
    }
    pen.fillStyle = colours.line;
    pen.fillRect(GUTTER - 1, 0, 1, height);
    pen.textAlign = "left";
    pen.font = FONT;
  }

  /** Steps of 1, 2 or 5 that stand at least so many pixels apart. */
  function stepOf(pixels) {
    const least = pixels / scale, power = 10 ** Math.floor(Math.log10(least));
    return power * [1, 2, 5, 10].find((times) => times * power >= least * 0.999);
  }
  function drawRuler() {
    const step = Math.max(stepOf(95), 1), digits = Math.min(Math.max(0, Math.ceil(6 - Math.log10(step) - 1e-9)), 6);
    pen.fillStyle = colours.faint;
    pen.textAlign = "center";
    for (let t = Math.ceil(from / step) * step; t <= Math.min(shownUntil(), end * 1.02); t += step) {
      const x = pixel(t), text = stamp(t, digits);
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(x), RULER - 5, 1, height);
      pen.fillStyle = colours.faint;
      pen.fillText(text, Math.max(x, GUTTER + 4 + (text.length * charWidth) / 2), RULER / 2 - 1);
    }
    pen.textAlign = "left";
    for (const lane of lanes) {
      if (lane.sort !== 2) continue;
      pen.fillStyle = colours.stripe;
      if (lane.at % 2) pen.fillRect(GUTTER, lane.top, width, lane.height);
    }
    pen.fillStyle = colours.line;
    for (const lane of lanes) if (lane.sort === 0 || lane.sort === 2) pen.fillRect(GUTTER, lane.sort === 0 ? lane.top + lane.height : lane.top, width, 1);
  }

  function drawFaults() {
    const until = shownUntil();
    const wanted = [];
    for (const fault of faults) {
      const left = pixel(fault.from), right = fault.until === null ? left + 1.5 : Math.max(pixel(fault.until), left + 1.5);
      if (right < GUTTER || fault.from > until) continue;
      wanted.push({ fault, left, right, text: fault.words });
      const clipped = [Math.max(left, GUTTER), Math.min(right, width + 1)];
      for (const lane of fault.lanes.length ? fault.lanes.map((at) => lanes[at]) : lanes.filter((lane) => lane.sort === 1)) {
        const high = Math.min(lane.height - 8, 64);
        pen.globalAlpha = fault.lanes.length ? 0.13 : 0.06;
        pen.fillStyle = colours.fault;
        pen.fillRect(clipped[0], lane.y - high / 2, clipped[1] - clipped[0], high);
        pen.globalAlpha = fault.lanes.length ? 0.55 : 0.2;
        pen.fillRect(left, lane.y - high / 2, 1, high);
        if (fault.until !== null) pen.fillRect(right, lane.y - high / 2, 1, high);
        pen.globalAlpha = 1;
      }
    }
    for (const { t, at, event } of notes) {
      const left = pixel(t);
      if (left >= GUTTER - 200 && t <= until) wanted.push({ at, left, right: left + 1.5, text: event[3] });
    }
    drawFlags(wanted);
  }

  /** Faults and notes in words, in the world's lane; what finds no room is still seen as a short mark. */
  function drawFlags(wanted) {
    flags = [];
    const ends = new Array(FLAGS).fill(-1);
    const top = lanes[0].top + 3;
    wanted.sort((a, b) => a.left - b.left);
    for (const flag of wanted) {
      const left = Math.max(flag.left, GUTTER), right = Math.min(flag.right, width);
      const label = Math.min(flag.text.length * charWidth + 12, 420);
      const free = ends.findIndex((end) => end < left);
      const row = free < 0 ? FLAGS - 1 : free;
      const next = free < 0 ? 3 : Math.max(right - left, label);
      const isFault = flag.fault !== undefined, y = top + row * FLAG;
      const ink = isFault ? colours.fault : colours.mark;
      pen.globalAlpha = 0.22;
      pen.fillStyle = ink;
      pen.fillRect(left, y, Math.max(right - left, 2), FLAG - 3);
      pen.globalAlpha = 1;
      pen.fillRect(left, y, 2, FLAG - 3);
      if (free >= 0) {
        ends[row] = left + next + 4;
        // Words may run on past a short fault's end, but not into what comes next.
        pen.fillStyle = colours.ink;
        pen.fillText(cut(flag.text, Math.min(next, width - left) - 8), left + 6, y + (FLAG - 3) / 2 + 0.5);
      }
      flags.push({ fault: flag.fault, at: flag.at, left, right: left + next, top: y, bottom: y + FLAG - 3 });
    }
  }

  // ---- messages ----

  const yAt = (line, way) => {
    const a = lanes[line.from], b = lanes[line.to], down = b.y >= a.y ? 1 : -1;
    const start = a.y + (down * BAND) / 2, stop = b.y - (down * BAND) / 2;
    return start + (stop - start) * way;
  };
  function visible() {
    const until = shownUntil();
    const found = longLines.filter((line) => line.t <= until && line.until >= from);
    for (let at = firstAt(shortLines, from - LONG); at < shortLines.length && shortLines[at].t <= until; at++) {
      if (shortLines[at].until >= from) found.push(shortLines[at]);
    }
    return found.filter((line) => line.from !== line.to && !hidden.has(kindOf(line.message)));
  }

  /** All lines of one look in one path: a stroke costs more than what it strokes. */
  function drawLines() {
    const busy = seen.length / room();
    const strong = busy < 0.35 ? 0.95 : busy < 1 ? 0.7 : busy < 4 ? 0.4 : 0.22;
    const looks = new Map();
    for (const line of seen) {
      const key = line.message.kind * 8 + line.style * 2 + (stands(line) ? 1 : 0);
      if (!looks.has(key)) looks.set(key, []);
      looks.get(key).push(line);
    }
    for (const [key, list] of [...looks].sort((a, b) => (a[0] & 1) - (b[0] & 1))) {
      const style = (key >> 1) & 3;
      pen.strokeStyle = pen.fillStyle = colours[colourName[key >> 3]];
      pen.globalAlpha = key & 1 ? strong : 0.08;
      pen.lineWidth = busy < 0.35 ? 1.5 : 1;
      pen.setLineDash(style === AGAIN ? [6, 4] : style === UNDERWAY ? [2, 3] : []);
      pen.beginPath();
      for (const line of list) { pen.moveTo(pixel(line.t), yAt(line, 0)); pen.lineTo(pixel(line.until), yAt(line, line.way)); }
      pen.stroke();
      pen.setLineDash([]);
      if (style === GONE) drawCrosses(list, busy);
      else if (busy < 0.35 && style !== UNDERWAY) drawHeads(list);
    }
    pen.globalAlpha = 1;
  }
  function drawHeads(list) {
    pen.beginPath();
    for (const line of list) {
      const x = pixel(line.until), y = yAt(line, 1), angle = Math.atan2(y - yAt(line, 0), x - pixel(line.t));
      pen.moveTo(x, y);
      pen.lineTo(x - 8 * Math.cos(angle - 0.35), y - 8 * Math.sin(angle - 0.35));
      pen.lineTo(x - 8 * Math.cos(angle + 0.35), y - 8 * Math.sin(angle + 0.35));
    }
    pen.fill();
  }
  function drawCrosses(list, busy) {
    const half = busy < 1 ? 4 : 2;
    pen.strokeStyle = colours.bad;
    pen.lineWidth = busy < 1 ? 2 : 1;
    pen.beginPath();
    for (const line of list) {
      const x = pixel(line.until), y = yAt(line, line.way);
      pen.moveTo(x - half, y - half);
      pen.lineTo(x + half, y + half);
      pen.moveTo(x - half, y + half);
      pen.lineTo(x + half, y - half);
    }
    pen.stroke();
  }

  /** Along the lines that are long enough, where no other label stands. */
  function drawLabels() {
    if (seen.length > 260) return;
    const taken = [];
    pen.font = SMALL;
    pen.textAlign = "center";
    for (const line of seen) {
      if (!stands(line)) continue;
      const [x0, y0, x1, y1] = [pixel(line.t), yAt(line, 0), pixel(line.until), yAt(line, line.way)];
      const text = `${kindOf(line.message)} ${line.message.words}`.trim().slice(0, 34);
      const long = Math.hypot(x1 - x0, y1 - y0);
      const label = [text, kindOf(line.message)].find((one) => one.length * 6.1 + 26 < long);
      const x = (x0 + x1) / 2, y = (y0 + y1) / 2;
      if (!label || x < GUTTER || x > width) continue;
      const slope = Math.atan2(y1 - y0, x1 - x0), half = (label.length * 6.1) / 2;
      const box = [x - half * Math.cos(slope) - 6, y - Math.abs(half * Math.sin(slope)) - 6, x + half * Math.cos(slope) + 6, y + Math.abs(half * Math.sin(slope)) + 6];
      if (taken.some((other) => other[0] < box[2] && other[2] > box[0] && other[1] < box[3] && other[3] > box[1])) continue;
      taken.push(box);
      pen.save();
      pen.translate(x, y);
      pen.rotate(slope);
      halo(label, 0, 0, colours[colourName[line.message.kind]]);
      pen.restore();
    }
    pen.font = FONT;
    pen.textAlign = "left";
  }

