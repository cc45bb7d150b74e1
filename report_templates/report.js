// The words of the controls, numbers as text, and copy buttons. The report is complete without any script.
"use strict";
const { words, charts: chartData, lists } = JSON.parse(document.getElementById("readouts").textContent);

const powers = (value) => (value ? value.toExponential(3).replace(/\.?0*e\+?/, "e") : "0");

const digits = (value) => {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e6)) return powers(value);
  return Number(value.toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 8 });
};

const newButton = (text, action) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => action(button));
  return button;
};

// Once the page has been shown and the browser has time, the charts begin to answer, and the rest is laid out:
// whoever prints or photographs the page finds it whole.
addEventListener("load", () => {
  (globalThis.requestIdleCallback ?? setTimeout)(() => {
    answer();
    document.documentElement.classList.add("whole");
  }, { timeout: 1000 });
});

for (const box of document.querySelectorAll(".code")) {
  const button = newButton(words.copy, async () => {
    const code = box.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = words.copied;
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = words.selected;
    }
    setTimeout(() => { button.textContent = words.copy; }, 2000);
  });
  button.className = "copy";
  box.append(button);
}
