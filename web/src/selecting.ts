// The selection in numbers, to be read and typed: what a hand draws on the plane can be set by keys as well.
import { clock, fill, h, hertz, icon } from "./dom";
import type { Player } from "./player";
import { isBox } from "./shapes";
import type { Store } from "./store";

const SHOWN = 12; // rows of regions; a brush stroke may have hundreds

export function selectionPanel(store: Store, player: Player): HTMLElement {
  const said = h("p", { class: "hint", role: "status" });
  const rows = h("div", { class: "regions" });
  const tools = h("div", { class: "row" });
  const add = h("button", { type: "button", onclick: addRegion, title: "A tenth of a second at the cursor" }, "Add at cursor");
  let shown = "";

  function addRegion(): void {
    const sound = store.current;
    if (!sound) return;
    const start = Math.min(Math.round(store.cursor), sound.frames - 1);
    const stop = Math.min(start + Math.round(sound.sample_rate / 10), sound.frames);
    store.select([{ start, stop, low: null, high: null, channel: null, kind: "gap", confidence: null, text: "" }], true);
  }

  function number(label: string, value: number | null, set: (value: number | null) => void): HTMLLabelElement {
    const input = h("input", {
      type: "number", step: "any", min: 0, value: value === null ? "" : String(Number(value.toFixed(value < 100 ? 6 : 1))), placeholder: "all",
      onchange: () => set(input.value === "" ? null : Number(input.value)),
    });
    return h("label", { class: "small" }, h("span", null, label), input);
  }

  function row(index: number): HTMLElement {
    const sound = store.current!;
    const mark = store.selection[index]!;
    const rate = sound.sample_rate;
    const change = (patch: Partial<typeof mark>): void => {
      const next = { ...mark, ...patch };
      if (next.stop <= next.start || next.stop > sound.frames) return show(true); // put back what was there
      next.kind = isBox(next) ? "box" : "gap";
      store.select(store.selection.map((one, k) => (k === index ? next : one)));
    };
    const channels = h(
      "select", {
        "aria-label": "Channel",
        onchange: () => change({ channel: channels.value ? Number(channels.value) : null }),
      },
      h("option", { value: "" }, "all channels"),
      ...Array.from({ length: sound.channels }, (_, k) => h("option", { value: k, selected: mark.channel === k }, `channel ${k + 1}`)),
    );
    return h(
      "div", { class: "region", role: "group", "aria-label": `Region ${index + 1}` },
      number("from s", mark.start / rate, (value) => change({ start: Math.round((value ?? 0) * rate) })),
      number("to s", mark.stop / rate, (value) => change({ stop: Math.round((value ?? sound.seconds) * rate) })),
      number("from Hz", mark.low ?? null, (value) => change({ low: value })),
      number("to Hz", mark.high ?? null, (value) => change({ high: value })),
      sound.channels > 1 && channels,
      icon("✕", `Remove region ${index + 1}`, () => store.select(store.selection.filter((_, k) => k !== index))),
    );
  }

  function show(force = false): void {
    add.disabled = !store.current;
    const key = JSON.stringify([store.current?.id, store.selection]);
    if (key === shown && !force) return;
    shown = key;
    const { selection } = store;
    const rate = store.current?.sample_rate ?? 1;
    if (!selection.length) said.textContent = "Nothing is selected. Drag on the spectrogram, or add a region.";
    else {
      const [start, stop] = [Math.min(...selection.map((m) => m.start)), Math.max(...selection.map((m) => m.stop))];
      const bands = selection.filter(isBox);
      const low = Math.min(...bands.map((m) => m.low ?? 0));
      said.textContent =
        `${selection.length} region${selection.length > 1 ? "s" : ""}, ${clock(start / rate)} to ${clock(stop / rate)}` +
        ` (${(((stop - start) / rate) * 1000).toFixed(1)} ms)${bands.length ? `, from ${hertz(low)}` : ", full band"}`;
    }
    fill(rows, ...selection.slice(0, SHOWN).map((_, index) => row(index)));
    if (selection.length > SHOWN) rows.append(h("p", { class: "hint" }, `and ${selection.length - SHOWN} more`));
    fill(
      tools,
      add,
      selection.length > 0 && h("button", { type: "button", onclick: () => player.playSelection() }, "Play"),
      selection.length > 0 && h("button", { type: "button", onclick: () => store.current && void player.audition(store.shown()!, selection, "inside") }, "Solo"),
      selection.length > 0 && h("button", { type: "button", onclick: () => store.current && void player.audition(store.shown()!, selection, "outside") }, "Mute"),
      selection.length > 0 && h("button", { type: "button", onclick: () => store.lookAt({ start: Math.min(...selection.map((m) => m.start)), stop: Math.max(...selection.map((m) => m.stop)) }) }, "Zoom"),
      selection.length > 0 && h("button", { type: "button", onclick: () => store.select([]) }, "Clear"),
    );
  }

  store.on(["selection", "sound"], () => show());
  show();
  return h("section", { class: "panel", "aria-label": "Selection" }, h("h2", null, "Selection"), said, tools, rows);
}
