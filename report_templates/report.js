// Copy buttons, and a crosshair shared by all charts over time. The report is complete without it.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  const digits = (value) => {
    if (value === null || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3).replace(/\.?0+e\+?/, "e");
    return Number(value.toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 8 });
  };

  for (const box of document.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy code";
    button.addEventListener("click", async () => {
      const code = box.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected, press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy code"; }, 2000);
    });
    box.append(button);
  }

  // Index of the last point at or before x, or the nearer neighbour where the line is not stepped.
  const indexAt = (xs, x, stepped) => {
    let low = 0, high = xs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (xs[middle] <= x) low = middle; else high = middle - 1;
    }
    if (!stepped && low + 1 < xs.length && xs[low + 1] - x < x - xs[low]) low += 1;
    return low;
  };

  const charts = [];
  const data = JSON.parse(document.getElementById("readouts").textContent);
  for (const [id, chart] of Object.entries(data)) {
    const svg = document.querySelector(`#figure-${id} svg.figure`);
    if (!svg) continue;
    const lines = chart.panels.map((panel) => {
      const line = document.createElementNS(SVG, "line");
      line.setAttribute("class", "crosshair");
      line.setAttribute("y1", panel.area[1]);
      line.setAttribute("y2", panel.area[3]);
      line.setAttribute("visibility", "hidden");
      svg.append(line);
      return line;
    });
    const readout = document.createElement("p");
    readout.className = "readout";
    svg.closest("figure").prepend(readout);
    svg.tabIndex = 0;
    charts.push({ ...chart, svg, lines, readout });
  }

  const show = (x) => {
    for (const chart of charts) {
      const parts = [];
      chart.panels.forEach((panel, index) => {
        const [first, last] = panel.x;
        const share = (x - first) / (last - first);
        const line = chart.lines[index];
        const isInside = share >= 0 && share <= 1;
        line.setAttribute("visibility", isInside ? "visible" : "hidden");
        if (!isInside) return;
        const at = panel.area[0] + share * (panel.area[2] - panel.area[0]);
        line.setAttribute("x1", at);
        line.setAttribute("x2", at);
        for (const curve of panel.curves) {
          if (curve.x.length) parts.push(`${curve.label} ${digits(curve.y[indexAt(curve.x, x, curve.stepped)])}`);
        }
      });
      chart.readout.textContent = parts.length ? `${chart.unit} ${digits(chart.whole ? Math.round(x) : x)}: ${parts.join(" · ")}` : "";
    }
  };

  const hide = () => {
    for (const chart of charts) {
      chart.readout.textContent = "";
      for (const line of chart.lines) line.setAttribute("visibility", "hidden");
    }
  };

  for (const chart of charts) {
    const panel = chart.panels[0];
    const [first, last] = panel.x;
    let position = null;
    const move = (x) => {
      position = Math.min(Math.max(x, chart.limits[0]), chart.limits[1]);
      show(position);
    };
    chart.svg.addEventListener("pointermove", (event) => {
      const box = chart.svg.getBoundingClientRect();
      const at = (event.clientX - box.left) / box.width * chart.svg.viewBox.baseVal.width;
      move(first + (at - panel.area[0]) / (panel.area[2] - panel.area[0]) * (last - first));
    });
    chart.svg.addEventListener("pointerleave", hide);
    chart.svg.addEventListener("blur", hide);
    chart.svg.addEventListener("keydown", (event) => {
      const stride = (last - first) / (event.shiftKey ? 10 : 100);
      if (event.key === "ArrowRight") move((position ?? first) + stride);
      else if (event.key === "ArrowLeft") move((position ?? last) - stride);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
  }
})();
