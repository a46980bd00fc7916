// Keyboard shortcuts, in one table that the help dialog shows; Ctrl and Cmd do the same.
import { fill, h } from "./dom";

export interface Shortcut {
  /** As `event.key`; letters in lower case. */
  key: string;
  command?: boolean;
  shift?: boolean;
  does: string;
  act: () => void;
}

const NAMES: Record<string, string> = { " ": "Space", Escape: "Esc", ArrowLeft: "←", ArrowRight: "→" };

export function listen(shortcuts: readonly Shortcut[]): void {
  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    const typing = event.target instanceof HTMLElement && event.target.matches("input:not([type=range], [type=checkbox]), select, textarea");
    const pressing = event.target instanceof HTMLElement && event.target.matches("button, a, summary");
    if (event.altKey || document.querySelector("dialog[open]")) return;
    if (typing && !(command && event.key !== "z" && event.key !== "a")) return;
    if (pressing && (event.key === " " || event.key === "Enter")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const found = shortcuts.find((one) => one.key === key && Boolean(one.command) === command && (one.shift === undefined || one.shift === event.shiftKey));
    if (!found) return;
    event.preventDefault();
    found.act();
  });
}

export function helpDialog(shortcuts: readonly Shortcut[]): { element: HTMLDialogElement; open: () => void } {
  const mac = navigator.platform.startsWith("Mac");
  const rows = shortcuts.map((one) => {
    const name = NAMES[one.key] ?? (one.key.length === 1 ? one.key.toUpperCase() : one.key);
    const keys = [one.command && (mac ? "⌘" : "Ctrl"), one.shift && "Shift", name].filter((part): part is string => Boolean(part));
    return h("tr", null, h("td", null, ...keys.map((key) => h("kbd", null, key))), h("td", null, one.does));
  });
  const mouse = [
    ["drag", "select with the tool; with Shift, add to the selection"],
    ["click", "set the cursor"],
    ["wheel", "zoom in time; with Shift, scroll; with Alt, zoom the frequencies"],
    ["two fingers", "pinch to zoom, drag to scroll"],
    ["←  →", "on the spectrogram: move the cursor; with Shift, select"],
  ].map(([what, does]) => h("tr", null, h("td", null, what), h("td", null, does)));
  const element = h("dialog", { class: "dialog", "aria-labelledby": "help-title" });
  fill(
    element, h("h2", { id: "help-title" }, "Keys and gestures"), h("table", null, h("tbody", null, ...rows, ...mouse)),
    h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")),
  );
  return { element, open: () => element.showModal() };
}
