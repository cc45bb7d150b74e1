// Asks how things stand, and shows the report again when there is a newer one, at the place the reader was.
"use strict";
const ASK_MS = 2000;
const words = JSON.parse(document.currentScript.dataset.words);
const line = document.getElementById("state");
const frame = document.getElementById("report");
let shown = 0;

const place = () => {
  const page = frame.contentDocument;
  return {
    top: frame.contentWindow.scrollY,
    open: [...page.querySelectorAll("details")].map((one) => one.open),
    axis: page.querySelector("button[data-axis][aria-pressed=true]")?.dataset.axis ?? "",
  };
};

const goBackTo = ({ top, open, axis }) => {
  const page = frame.contentDocument;
  const details = [...page.querySelectorAll("details")];
  if (details.length === open.length) details.forEach((one, index) => { one.open = open[index]; });
  frame.contentWindow.scrollTo({ top, behavior: "instant" });
  whenWhole(page.documentElement, () => {
    if (axis) page.querySelector(`button[data-axis="${CSS.escape(axis)}"]`)?.click();
    frame.contentWindow.scrollTo({ top, behavior: "instant" });
  });
};

// Charts answer, and every section has its height, from the moment on that the page calls itself whole.
const whenWhole = (root, act) => {
  const isWhole = () => root.classList.contains("whole");
  if (isWhole()) { act(); return; }
  const observer = new MutationObserver(() => {
    if (!isWhole()) return;
    observer.disconnect();
    act();
  });
  observer.observe(root, { attributes: true, attributeFilter: ["class"] });
};

const show = (version) => {
  const before = shown ? place() : null;
  frame.addEventListener("load", () => { if (before) goBackTo(before); }, { once: true });
  frame.hidden = false;
  shown = version;
  frame.contentWindow.location.replace(`report?${version}`);
};

const tell = (sentence, isTrouble) => {
  if (line.textContent !== sentence) line.textContent = sentence;
  line.classList.toggle("trouble", isTrouble);
};

const ask = async () => {
  try {
    const answer = await fetch("state", { cache: "no-store" });
    const state = await answer.json();
    if (state.version !== shown && state.version) show(state.version);
    if (state.trouble) tell(state.trouble, true);
    else if (state.version) {
      document.title = `${state.run} – traindoctor live`;
      const values = { ...state, status: words.status[state.status] ?? state.status,
        steps: state.steps.toLocaleString("en-US"), age: Math.round(state.age) };
      tell(words.told.replace(/\{(\w+)\}/g, (_, name) => values[name]), false);
    }
  } catch {
    tell(words.ended, true);
  }
  setTimeout(ask, ASK_MS);
};

ask();
