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
