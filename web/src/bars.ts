// The bar on top (transport, comparing, history, zoom) and the rail of tools; the line that tells of running work.
import { clock, fill, h, icon, options } from "./dom";
import type { Player } from "./player";
import type { ScaleName } from "./scale";
import type { Store, Tool } from "./store";
import { cancel } from "./work";

export interface Actions {
  open: () => void;
  export: () => void;
  help: () => void;
  theme: () => void;
  /** Whether it is on now. */
  piano: () => Promise<boolean>;
}

export function topBar(store: Store, player: Player, actions: Actions): HTMLElement {
  const name = h("span", { class: "name" });
  const time = h("output", { class: "time", "aria-label": "Position" });
  const play = icon("▶", "Play (Space)", () => player.toggle(), { id: "play" });
  const loop = icon("⟳", "Loop", () => { store.loop = !store.loop; store.tell("play"); }, { "aria-pressed": "false" });
  const undo = icon("↶", "Undo (Ctrl Z)", () => store.undo(), { id: "undo" });
  const redo = icon("↷", "Redo (Ctrl Shift Z)", () => store.again(), { id: "redo" });
  const compare = h("button", { type: "button", id: "compare", class: "toggle", onclick: () => toggleCompare(store) });
  const scale = h(
    "select", { "aria-label": "Frequency scale", onchange: () => { store.scale = scale.value as ScaleName; store.tell("view"); } },
    ...options([["mel", "mel"], ["log", "log"], ["linear", "linear"]], store.scale),
  );
  const piano = icon("♪", "Play the sound with MIDI or the computer's keyboard", () => {
    void actions.piano().then((on) => piano.setAttribute("aria-pressed", String(on)));
  }, { "aria-pressed": "false", id: "piano" });
  const exporting = h("button", { type: "button", class: "main", id: "export", onclick: actions.export }, "Export");

  function show(): void {
    const { current } = store;
    name.textContent = current?.name ?? "";
    undo.disabled = !current?.parent;
    redo.disabled = store.redo.length === 0;
    exporting.disabled = play.disabled = compare.disabled = !current;
    const original = store.compare === "original";
    compare.textContent = original ? "A  original" : "B  current";
    compare.setAttribute("aria-pressed", String(original));
    compare.setAttribute("aria-label", `Compare: ${original ? "the original" : "the current sound"} is heard and seen (X)`);
    play.textContent = store.playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", store.playing ? "Pause (Space)" : "Play (Space)");
    loop.setAttribute("aria-pressed", String(store.loop));
    tick();
  }

  function tick(): void {
    const { current } = store;
    time.textContent = current ? `${clock(player.time)} / ${clock(current.seconds, 1)}` : "";
    if (store.playing) requestAnimationFrame(tick);
  }

  store.on(["sound", "sounds", "compare", "play"], show);
  show();
  return h(
    "header", { class: "top" },
    h("strong", { class: "brand" }, "caesura"), h("button", { type: "button", onclick: actions.open, id: "open" }, "Open…"), name,
    h("span", { class: "group" }, play, loop, time, compare),
    h("span", { class: "group" }, undo, redo),
    h("span", { class: "group" },
      icon("−", "Zoom out (-)", () => store.zoom(2)), icon("+", "Zoom in (+)", () => store.zoom(0.5)),
      icon("⤢", "Show everything (0)", () => { store.showAll(); [store.low, store.high] = [0, 0]; store.tell("view"); }), scale),
    h("span", { class: "group end" }, piano, icon("◐", "Light or dark", actions.theme), icon("?", "Keys and gestures (?)", actions.help), exporting),
  );
}

export function toggleCompare(store: Store): void {
  store.compare = store.compare === "original" ? "current" : "original";
  store.tell("compare");
}

export const TOOLS: readonly (readonly [Tool, string, string, string])[] = [
  ["time", "⇔", "Time: all frequencies", "t"],
  ["box", "▭", "Box: time and frequency", "b"],
  ["brush", "●", "Brush", "p"],
  ["lasso", "◌", "Lasso", "l"],
  ["harmonic", "≡", "Harmonics of the frequency where you begin", "h"],
  ["hand", "✥", "Scroll by dragging", "g"],
];

export function toolRail(store: Store): HTMLElement {
  const buttons = TOOLS.map(([tool, symbol, label, key]) =>
    icon(symbol, `${label} (${key.toUpperCase()})`, () => { store.tool = tool; store.tell("tool"); }, { role: "radio", "data-tool": tool }),
  );
  const show = (): void => {
    for (const button of buttons) button.setAttribute("aria-checked", String(button.dataset["tool"] === store.tool));
  };
  store.on(["tool"], show);
  show();
  return h("div", { class: "rail", role: "radiogroup", "aria-label": "Selection tool" }, ...buttons);
}

export function workLine(store: Store): HTMLElement {
  const text = h("span", { role: "status" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const stop = h("button", { type: "button", id: "cancel", onclick: () => void cancel(store) }, "Cancel (Esc)");
  const line = h("div", { class: "work", id: "work" });
  let said = "";
  store.on(["job"], () => {
    const { running } = store;
    line.hidden = running === null;
    if (!running) return;
    const { job, title } = running;
    const words = job.state === "queued" && job.position > 0 ? `${title}: waiting, ${job.position} before it` : `${title} …`;
    if (words !== said) text.textContent = said = words; // a screen reader hears each message once
    bar.value = job.progress;
  });
  line.hidden = true;
  fill(line, text, bar, stop);
  return line;
}
