// What a reader does with the charts over time: point, zoom, switch the x axis. All charts go together.
const answer = () => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEAST_SHARE = 1 / 400;
  const LEAST_DRAG = 6;
  const state = { axis: null, view: null, position: null, isShown: false };

  // Index of the last point at or before x, or the nearer neighbour where the line is not stepped.
  const indexAt = (xs, x, stepped) => {
    const low = indexBefore(xs, x);
    return !stepped && low + 1 < xs.length && xs[low + 1] - x < x - xs[low] ? low + 1 : low;
  };

  const shape = (svg, kind, name, attributes) => {
    const made = document.createElementNS(SVG, kind);
    made.setAttribute("class", name);
    made.setAttribute("visibility", "hidden");
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    svg.append(made);
    return made;
  };

  const charts = [];
  for (const [id, data] of Object.entries(chartData)) {
    const svg = document.querySelector(`#figure-${id} svg.figure`);
    if (!svg) continue;
    // Lists of numbers are told by their place: the same curve stands in several charts.
    for (const curve of data.panels.flatMap((panel) => panel.curves)) {
      Object.assign(curve, { x: lists[curve.x], y: lists[curve.y] });
    }
    for (const axis of data.axes) Object.assign(axis, { steps: lists[axis.steps], values: lists[axis.values] });
    const chart = new Chart(svg, data);
    chart.crosshairs = chart.panels.map(({ area }) => shape(svg, "line", "crosshair", { y1: area[1], y2: area[3] }));
    chart.selection = shape(svg, "rect", "selection", { y: chart.top, height: chart.bottom - chart.top });
    chart.values = chart.groups.slice(0, chart.panels.length).map((group) => {
      const heading = group.querySelector(".x-heading text");
      const text = shape(svg, "text", "values", { y: heading.getAttribute("y"), "font-size": "8px" });
      return { text, heading };
    });
    chart.readout = document.createElement("p");
    chart.readout.className = "readout";
    chart.readout.setAttribute("aria-live", "off");
    // Seen is the place only: the values stand in the plots.
    chart.told = [document.createElement("span"), document.createElement("span")];
    chart.told[1].className = "unseen";
    chart.readout.append(...chart.told);
    svg.closest("figure").prepend(chart.readout);
    svg.classList.add("live");
    svg.tabIndex = 0;
    charts.push(chart);
  }

  // Values of a panel's curves at a step, each in the colour of its curve, beside the panel's heading.
  const writeValues = (chart, index, step) => {
    const { text, heading } = chart.values[index];
    const strokes = chart.lines[index].filter((line) => line.isCurve).map(({ path }) => path.getAttribute("stroke"));
    const parts = [];
    chart.panels[index].curves.forEach((curve, at) => {
      const part = document.createElementNS(SVG, "tspan");
      part.setAttribute("fill", strokes[at] ?? "currentColor");
      part.setAttribute("dx", at ? 8 : 0);
      part.textContent = `${curve.label} ${digits(curve.y[indexAt(curve.x, step, curve.stepped)])}`;
      parts.push(part);
    });
    text.setAttribute("x", (chart.left + heading.getComputedTextLength() + 12).toFixed(2));
    text.replaceChildren(...parts);
    return [chart.panels[index].label, parts.map((part) => part.textContent).join(" · ")].join(" ").trim();
  };

  // The crosshair at the position, or nowhere; the position is kept for the keyboard.
  const drawCrosshair = () => {
    const step = state.position;
    for (const chart of charts) {
      const isShown = state.isShown && chart.isVisible(step) && chart.svg.getClientRects().length > 0;
      for (const one of [...chart.crosshairs, ...chart.values.map(({ text }) => text)]) {
        one.setAttribute("visibility", isShown ? "visible" : "hidden");
      }
      const x = isShown ? chart.place(step).toFixed(2) : "0";
      for (const line of chart.crosshairs) {
        line.setAttribute("x1", x);
        line.setAttribute("x2", x);
      }
      const told = isShown ? chart.panels.map((_, index) => writeValues(chart, index, step)) : [];
      chart.told[0].textContent = isShown ? chart.sentence(step) : "";
      chart.told[1].textContent = isShown ? `: ${told.join(" · ")}` : "";
    }
  };

  const show = (step) => {
    Object.assign(state, { position: step, isShown: true });
    drawCrosshair();
  };

  const hide = () => {
    state.isShown = false;
    drawCrosshair();
  };

  const redraw = () => {
    for (const chart of charts) if (!chart.fixed) chart.draw(state.axis, state.view);
    tellControls();
    drawCrosshair();
  };

  const tellControls = () => {
    for (const chart of charts) {
      if (chart.resetButton) chart.resetButton.hidden = chart.view === null;
      for (const button of chart.buttons ?? []) {
        button.setAttribute("aria-pressed", String((button.dataset.axis || null) === state.axis));
      }
    }
  };

  // Show the steps between two, if that is a part of the chart worth a look of its own.
  const zoom = (chart, first, last) => {
    const [from, to] = chart.limits;
    const least = Math.max((to - from) * LEAST_SHARE, chart.whole ? 2 : 0);
    const middle = (first + last) / 2;
    const half = Math.max(last - first, least) / 2;
    const start = Math.min(Math.max(middle - half, from), Math.max(from, to - 2 * half));
    state.view = 2 * half >= (to - from) * 0.999 ? null : [start, start + 2 * half];
    redraw();
  };

  const reset = () => {
    state.view = null;
    redraw();
  };

  // One key press moves by a hundredth of what is shown, and takes the view along at its edge.
  const stride = (chart, sign, isLong) => {
    const [first, last] = chart.view ?? chart.limits;
    const from = chart.value(first), to = chart.value(last);
    const now = state.position ?? (sign > 0 ? first : last);
    let next = chart.step(chart.value(now) + sign * (to - from) / (isLong ? 10 : 100));
    if (chart.whole && Math.abs(next - now) < 1) next = Math.round(now) + sign;
    next = Math.min(Math.max(next, chart.limits[0]), chart.limits[1]);
    const beyond = Math.max(next - last, 0) + Math.min(next - first, 0);
    if (chart.view && beyond) {
      state.view = [first + beyond, last + beyond];
      redraw();
    }
    show(next);
  };

  const scale = (chart, factor) => {
    const [first, last] = chart.view ?? chart.limits;
    const isInside = state.position !== null && state.position >= first && state.position <= last;
    const middle = isInside ? state.position : (first + last) / 2;
    zoom(chart, middle - (last - first) * factor / 2, middle + (last - first) * factor / 2);
  };

  const keys = {
    ArrowRight: (chart, event) => stride(chart, 1, event.shiftKey),
    ArrowLeft: (chart, event) => stride(chart, -1, event.shiftKey),
    Escape: () => { hide(); reset(); },
  };

  // A plot inside a finding is a zoom already: there is nothing to zoom in it.
  const zoomKeys = {
    "+": (chart) => scale(chart, 0.5),
    "=": (chart) => scale(chart, 0.5),
    "-": (chart) => scale(chart, 2),
    0: () => reset(),
  };

  const listen = (chart) => {
    const { svg } = chart;
    const keysOf = chart.fixed ? keys : { ...keys, ...zoomKeys };
    let start = null;
    const under = (event) => {
      const box = svg.getBoundingClientRect();
      return (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    };
    const inside = (x) => Math.min(Math.max(x, chart.left), chart.right);
    const stop = () => {
      start = null;
      chart.selection.setAttribute("visibility", "hidden");
    };
    svg.addEventListener("pointerdown", (event) => {
      // A finger scrolls the page; it zooms with nothing, and reads by a tap.
      if (event.button === 0 && event.pointerType !== "touch" && !chart.fixed) start = under(event);
      chart.readout.setAttribute("aria-live", "off");
      show(chart.stepUnder(under(event)));
    });
    svg.addEventListener("pointermove", (event) => {
      const x = under(event);
      show(chart.stepUnder(x));
      if (start === null || Math.abs(x - start) < LEAST_DRAG) return;
      if (!svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
      const [from, to] = [inside(start), inside(x)].sort((a, b) => a - b);
      chart.selection.setAttribute("x", from);
      chart.selection.setAttribute("width", to - from);
      chart.selection.setAttribute("visibility", "visible");
    });
    svg.addEventListener("pointerup", (event) => {
      const [from, to] = [start ?? 0, under(event)].sort((a, b) => a - b);
      const isDrag = start !== null && to - from >= LEAST_DRAG;
      stop();
      if (isDrag) zoom(chart, chart.stepUnder(from), chart.stepUnder(to));
    });
    svg.addEventListener("pointercancel", stop);
    if (!chart.fixed) svg.addEventListener("dblclick", reset);
    svg.addEventListener("pointerleave", () => { if (start === null) hide(); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keysOf, event.key)) return;
      chart.readout.setAttribute("aria-live", "polite");
      keysOf[event.key](chart, event);
      event.preventDefault();
    });
  };

  // Buttons below a chart, beside the axis they change.
  const addControls = (chart, hasHint) => {
    const bar = document.createElement("div");
    bar.className = "controls";
    if (chart.axes.length) {
      const group = document.createElement("div");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", words.axis);
      group.className = "switch";
      chart.buttons = [{ name: "", label: chart.name }, ...chart.axes.map(({ name }) => ({ name, label: name }))]
        .map(({ name, label }) => {
          const button = newButton(label, () => { state.axis = name || null; redraw(); });
          button.dataset.axis = name;
          return button;
        });
      group.append(...chart.buttons);
      bar.append(group);
    }
    chart.resetButton = newButton(words.reset, reset);
    bar.append(chart.resetButton);
    if (hasHint) {
      const hint = document.createElement("span");
      hint.className = "hint";
      hint.textContent = words.hint;
      bar.append(hint);
    }
    chart.svg.closest(".canvas").after(bar);
  };

  const controlled = charts.filter((chart) => chart.has_controls);
  for (const chart of charts) listen(chart);
  controlled.forEach((chart, index) => addControls(chart, index === controlled.length - 1));
  tellControls();
};
