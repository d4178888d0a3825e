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

