// A chart over time that can be drawn again: on another x axis, or zoomed. Places are told in steps throughout.

// The points of a path: only moves and straight lines, the latter told by places or by distances.
const pointsOf = (path) => {
  const points = [];
  let x = 0, y = 0;
  for (const [, command, rest] of path.getAttribute("d").matchAll(/([MLl])([^MLlz]*)/g)) {
    const numbers = (rest.match(/-?(?:\d+\.?\d*|\.\d+)/g) ?? []).map(Number);
    for (let at = 0; at < numbers.length; at += 2) {
      const isDistance = command === "l";
      [x, y] = [numbers[at] + (isDistance ? x : 0), numbers[at + 1] + (isDistance ? y : 0)];
      points.push([command === "M" ? "M" : "L", x, y]);
    }
  }
  return points;
};

// Move a stroke that goes on from its first point by relative distances; null leaves a coordinate as it is.
const startAt = (path, x, y = null) => path.setAttribute("d",
  path.getAttribute("d").replace(/^M(\S+) ([-\d.]+)/, (_, oldX, oldY) => `M${x ?? oldX} ${y ?? oldY}`));

const isClosed = (path) => /z\s*$/i.test(path.getAttribute("d"));

const keepAttributes = (element, ...names) => {
  const kept = names.map((name) => [name, element.getAttribute(name)]);
  return () => {
    for (const [name, value] of kept) {
      if (value === null) element.removeAttribute(name); else element.setAttribute(name, value);
    }
  };
};

class Chart {
  constructor(svg, data) {
    Object.assign(this, data);
    this.svg = svg;
    [this.left, this.top, this.right] = this.panels[0].area;
    this.groups = [...svg.querySelectorAll(".x-panel")];
    this.bottom = Math.max(...this.panels.map((panel) => panel.area[3]));
    this.axis = null;
    this.view = null;
    this.frame = this.panels[0].x;
  }

  // Everything that moves and how it was drawn, read at the first need: opening a page stays quick.
  get parts() {
    if (this.read) return this.read;
    const restore = [], known = new Set();
    const lines = this.groups.map((group) => this.linesOf(group, known, restore));
    for (const element of this.svg.querySelectorAll(".x-name text, .x-point-name text")) {
      restore.push(keepAttributes(element, "x", "y", "transform", "text-anchor", "display"));
    }
    for (const element of this.svg.querySelectorAll(".x-end text, .x-span path")) {
      restore.push(keepAttributes(element, "d", "x", "y", "transform", "display"));
    }
    this.read = { lines, restore };
    return this.read;
  }

  get lines() { return this.parts.lines; }

  // Paths and markers of a panel with the steps at which they were drawn. The last vertex of a band's path
  // stands in <defs>, far above; its `use` puts it in place.
  linesOf(group, known, restore) {
    const [first, last] = this.panels[0].x;
    const stepAt = (x) => first + (x - this.left) / (this.right - this.left) * (last - first);
    const found = [];
    for (const part of group.querySelectorAll(".x-curve, .x-band, .x-point")) {
      const uses = [...part.querySelectorAll("use")];
      const isBand = part.classList.contains("x-band");
      const shift = isBand ? Number(uses[0].getAttribute("y")) : 0;
      const paths = isBand ? part.querySelectorAll("defs path") : part.querySelectorAll(":scope > path");
      for (const path of paths) {
        if (known.has(path)) continue;
        known.add(path);
        const points = pointsOf(path).map(([command, x, y]) => [command, stepAt(x), y + shift]);
        found.push({ path, points, shift, isClosed: isClosed(path), isCurve: part.classList.contains("x-curve") });
        restore.push(keepAttributes(path, "d"));
      }
      if (isBand) continue;
      for (const use of uses) {
        const point = ["M", stepAt(Number(use.getAttribute("x"))), Number(use.getAttribute("y"))];
        found.push({ use, points: [point], isPoint: part.classList.contains("x-point") });
        restore.push(keepAttributes(use, "x", "y"));
      }
    }
    return found;
  }

  get isAsDrawn() { return this.axis === null && this.view === null; }

  // Value on the axis in use.
  value(step) { return this.axis ? interpolate(this.axis.steps, this.axis.values, step) : step; }

  step(value) { return this.axis ? interpolate(this.axis.values, this.axis.steps, value) : value; }

  // Ends of the axis, on the axis in use: a little air around the whole run, none around a part of it.
  newFrame() {
    if (this.isAsDrawn) return this.panels[0].x;
    const [from, to] = (this.view ?? this.limits).map((step) => this.value(step));
    const air = this.view ? 0 : 0.01 * (to - from);
    return to > from ? [from - air, to + air] : [from - 1, to + 1];
  }

  place(step) {
    const [from, to] = this.frame;
    return this.left + (this.value(step) - from) / (to - from) * (this.right - this.left);
  }

  stepUnder(x) {
    const [from, to] = this.frame;
    const step = this.step(from + (x - this.left) / (this.right - this.left) * (to - from));
    return Math.min(Math.max(step, this.limits[0]), this.limits[1]);
  }

  isVisible(step) {
    const x = this.place(step);
    return x >= this.left - 0.01 && x <= this.right + 0.01;
  }

  // A step as a sentence begins with it: on the axis in use, with the step beside it.
  sentence(step) {
    const shown = `${this.unit} ${digits(this.whole ? Math.round(step) : step)}`;
    if (!this.axis) return shown;
    return `${this.axis.prefix}${digits(this.value(step))}${this.axis.suffix} (${shown})`;
  }

  // Show part of the run (null: all of it) on an axis (null: the one it was drawn on).
  draw(axis, view) {
    this.axis = this.axes.find((one) => one.name === axis) ?? null;
    this.view = view && this.partOf(view);
    this.frame = this.newFrame();
    for (const undo of this.parts.restore) undo();
    for (const group of this.svg.querySelectorAll(".made")) group.remove();
    for (const group of this.svg.querySelectorAll(".x-axis > g, .y-axis > g")) group.removeAttribute("display");
    const title = this.svg.querySelector(".x-title text");
    if (title) title.textContent = this.axis ? this.axis.label : this.unit;
    if (this.isAsDrawn) return;
    this.groups.forEach((group, index) => {
      const panel = this.panels[index];
      const rise = panel && this.view ? this.riseOf(index) : (y) => y;
      this.moveLines(index, rise);
      this.moveTicks(group);
      if (panel && this.view) this.moveValues(group, panel, rise);
      if (panel && this.view) this.moveEnds(group, index, rise);
      for (const name of group.querySelectorAll(".x-name")) this.moveName(name);
      for (const name of group.querySelectorAll(".x-point-name")) this.movePointName(name, index, rise);
    });
    for (const span of this.svg.querySelectorAll(".x-span")) this.moveSpan(span);
  }

  // The part of a view that this chart can show; null where it shows nothing of it.
  partOf([first, last]) {
    const from = Math.max(first, this.limits[0]), to = Math.min(last, this.limits[1]);
    return to > from && this.value(to) > this.value(from) ? [from, to] : null;
  }

  // From the height at which a point was drawn to the height at which the visible part fills the panel.
  riseOf(index) {
    const [, top, , bottom] = this.panels[index].area;
    const heights = this.lines[index].flatMap((line) => (line.path ? this.visibleHeights(line) : []));
    const high = Math.min(...heights), low = Math.max(...heights);
    if (!(low - high > 0.5)) return (y) => y;
    const air = 0.08 * (low - high);
    return (y) => top + (y - high + air) / (low - high + 2 * air) * (bottom - top);
  }

  // Heights of a line between the ends of the view, those at the ends themselves between two points.
  visibleHeights({ points }) {
    const heights = [];
    points.forEach(([command, step, y], at) => {
      if (step >= this.view[0] && step <= this.view[1]) heights.push(y);
      if (command === "M" || at === 0) return;
      const [, before, yBefore] = points[at - 1];
      for (const end of this.view) {
        if ((before - end) * (step - end) < 0) heights.push(yBefore + (end - before) / (step - before) * (y - yBefore));
      }
    });
    return heights;
  }

  moveLines(index, rise) {
    for (const { path, use, points, shift, isClosed: closes } of this.lines[index]) {
      if (use) {
        use.setAttribute("x", this.place(points[0][1]).toFixed(2));
        use.setAttribute("y", rise(points[0][2]).toFixed(2));
        continue;
      }
      const parts = points.map(([command, step, y]) =>
        `${command} ${this.place(step).toFixed(2)} ${(rise(y) - shift).toFixed(2)}`);
      path.setAttribute("d", parts.join(" ") + (closes ? " z" : ""));
    }
  }

  // Copies of a drawn tick, each moved to a new place; the drawn ones are hidden.
  ticksLike(group, ticks, move) {
    const old = [...group.children].filter((child) => !child.matches(".x-title, .made"));
    const model = old.find((one) => one.querySelector("text")) ?? old.find((one) => one.querySelector(".tick"));
    const made = document.createElementNS("http://www.w3.org/2000/svg", "g");
    made.setAttribute("class", "made");
    for (const tick of model ? ticks : []) {
      const copy = model.cloneNode(true);
      copy.removeAttribute("display");
      copy.querySelector("text")?.removeAttribute("transform");
      move(copy, tick);
      made.append(copy);
    }
    for (const one of old) one.setAttribute("display", "none");
    group.append(made);
  }

  moveTicks(group) {
    const axis = group.querySelector(".x-axis");
    const [from, to] = this.frame;
    const ticks = roundTicks(from, to, this.whole && !this.axis);
    this.ticksLike(axis, ticks, (copy, tick) => {
      const x = (this.left + (tick - from) / (to - from) * (this.right - this.left)).toFixed(2);
      startAt(copy.querySelector(".tick"), x);
      const text = copy.querySelector("text");
      if (!text) return;
      text.setAttribute("x", x);
      text.textContent = tick.toLocaleString("en-US", { maximumFractionDigits: 8 }).replaceAll("-", "−");
    });
  }

  moveValues(group, panel, rise) {
    const [, top, , bottom] = panel.area;
    const [first, last] = panel.log ? panel.y.map(Math.log10) : panel.y;
    const height = (value) => rise(bottom - (value - first) / (last - first) * (bottom - top));
    // `rise` keeps straight lines straight: two heights tell which values stand at the edges now.
    const slope = (height(last) - height(first)) / (last - first);
    const from = first + (bottom - height(first)) / slope, to = first + (top - height(first)) / slope;
    const ticks = panel.log ? logTicks(from, to) : roundTicks(from, to, false);
    const significant = panel.log ? 3 : significantDigits(ticks);
    const isSmall = !panel.log && Math.max(Math.abs(from), Math.abs(to)) < 0.02;
    const axis = group.querySelector(".y-axis");
    this.ticksLike(axis, ticks, (copy, tick) => {
      const y = height(panel.log ? Math.log10(tick) : tick);
      copy.querySelector("path:not(.tick)")?.setAttribute("d", `M ${this.left} ${y.toFixed(2)} L ${this.right} ${y.toFixed(2)}`);
      startAt(copy.querySelector(".tick"), null, y.toFixed(2));
      const text = copy.querySelector("text");
      if (!text) return;
      text.setAttribute("y", (y + 3.04).toFixed(2));
      text.textContent = (isSmall ? powers(tick) : tickText(tick, significant)).replaceAll("-", "−");
    });
  }

  // Names at the right end: beside the last visible value of their curve, pushed apart.
  moveEnds(group, index, rise) {
    const curves = this.lines[index].filter((line) => line.isCurve);
    const placed = [...group.querySelectorAll(".x-end text")].map((text, at) => {
      const points = curves[at]?.points ?? [];
      const last = points.length ? indexBefore(points.map(([, step]) => step), this.view[1]) : -1;
      const heights = last < 0 ? [] : [points[last], ...points.slice(last + 1, last + 2)];
      if (!heights.length) return null;
      const [[, a, ya], [, b, yb] = [null, a, ya]] = heights;
      return { text, y: rise(b > a ? ya + (Math.max(this.view[1], a) - a) / (b - a) * (yb - ya) : ya) + 3 };
    }).filter((one) => one);
    let ceiling = Infinity;
    for (const { text, y } of placed.sort((one, other) => other.y - one.y)) {
      ceiling = Math.min(y, ceiling - 11, this.panels[index].area[3] + 3);
      text.removeAttribute("transform");
      text.setAttribute("y", Math.max(ceiling, this.panels[index].area[1] + 3).toFixed(2));
    }
  }

  ends(element) {
    const [first, last] = [Number(element.dataset.first), Number(element.dataset.last)].map((step) => this.place(step));
    const clamp = (x) => Math.min(Math.max(x, this.left), this.right);
    return { from: clamp(first), to: clamp(last), isShown: last >= this.left - 0.01 && first <= this.right + 0.01 };
  }

  moveSpan(span) {
    const path = span.querySelector("path");
    const { from, to, isShown } = this.ends(span);
    const heights = pointsOf(path).map(([, , y]) => y);
    const [top, bottom] = [Math.min(...heights), Math.max(...heights)];
    const right = Math.max(to, Math.min(from + 2, this.right)), left = Math.min(from, right - 2);
    path.setAttribute("d", `M ${left} ${bottom} L ${right} ${bottom} L ${right} ${top} L ${left} ${top} z`);
    if (!isShown) path.setAttribute("display", "none");
  }

  moveName(name) {
    const text = name.querySelector("text");
    const { from, to, isShown } = this.ends(name);
    const isRight = from > this.left + 0.6 * (this.right - this.left);
    text.removeAttribute("transform");
    text.setAttribute("text-anchor", isRight ? "end" : "start");
    text.setAttribute("x", (isRight ? to : from).toFixed(2));
    if (!isShown) text.setAttribute("display", "none");
  }

  // The name of a point keeps its distance from the point, inside the panel.
  movePointName(name, index, rise) {
    const text = name.querySelector("text");
    const { from, isShown } = this.ends(name);
    const [, top, , bottom] = this.panels[index].area;
    const share = (from - this.left) / (this.right - this.left);
    const y = this.lines[index].find((line) => line.isPoint).points[0][2];
    text.removeAttribute("transform");
    text.setAttribute("text-anchor", share < 0.12 ? "start" : share > 0.88 ? "end" : "middle");
    text.setAttribute("x", from.toFixed(2));
    const moved = Number(text.getAttribute("y")) + rise(y) - y;
    text.setAttribute("y", Math.min(Math.max(moved, top + 8), bottom - 3).toFixed(2));
    if (!isShown) text.setAttribute("display", "none");
  }
}
