// Damage that the server found: shown on the plane, accepted or rejected one by one or all, then repaired.
import { api, words, type Mark } from "./api";
import { clock, fill, h, icon } from "./dom";
import { complain } from "./notices";
import type { Player } from "./player";
import { refusal, regionsOf, type Results } from "./results";
import type { Store } from "./store";
import { make, run } from "./work";

const SHOWN = 200; // rows of the list; the plane shows all of them
const NAMES: Record<string, string> = {
  gap: "gap", silence: "digital silence", held: "held sample", dropout: "dropout", click: "click",
  clipping: "clipping", nan: "not a number", loss: "packet loss", box: "box",
};

export function damagePanel(store: Store, player: Player, results: Results): HTMLElement {
  const list = h("ul", { class: "damage", "aria-label": "Damage found" });
  const summary = h("p", { class: "hint", role: "status" });
  const sensitivity = h("input", { type: "range", min: 0.3, max: 3, step: 0.1, value: 1, "aria-label": "Sensitivity" });
  const find = h("button", { type: "button", class: "main", id: "find-damage", onclick: () => void detect() }, "Find damage");
  const repair = h("button", { type: "button", class: "main", id: "repair-damage", onclick: () => void restore() }, "Repair accepted");
  const all = h("button", { type: "button", onclick: () => acceptAll(true) }, "Accept all");
  const none = h("button", { type: "button", onclick: () => acceptAll(false) }, "Reject all");
  const long = h("input", { type: "checkbox", id: "long-gaps" });
  const labels = h("input", { type: "file", accept: ".txt,.csv,.json", class: "hidden", "aria-label": "Label file", onchange: () => void load() });
  const open = h("button", { type: "button", onclick: () => labels.click() }, "Open labels…");

  async function detect(): Promise<void> {
    const sound = store.current;
    if (!sound) return;
    const job = await run(store, "Looking for damage", () => api.detect({ sound: sound.id, sensitivity: Number(sensitivity.value) }));
    if (job?.regions && store.current === sound) take(job.regions);
  }

  async function load(): Promise<void> {
    const file = labels.files?.[0];
    labels.value = "";
    if (!file || !store.current) return;
    try {
      take(await api.readLabels(store.current.id, file));
    } catch (error) {
      complain(words(error));
    }
  }

  function take(marks: Mark[]): void {
    store.damage = marks.map((mark) => ({ mark, accepted: mark.kind !== "clipping" }));
    store.searched = true;
    store.tell("damage");
  }

  function acceptAll(accepted: boolean): void {
    for (const found of store.damage) found.accepted = accepted && found.mark.kind !== "clipping";
    store.tell("damage");
  }

  async function restore(): Promise<void> {
    const sound = store.current;
    const regions = store.damage.filter((found) => found.accepted).map((found) => found.mark);
    if (!sound || !regions.length) return;
    const made = await make(store, `Repairing ${regions.length} region${regions.length > 1 ? "s" : ""}`, () =>
      api.restore({ sound: sound.id, regions, settings: long.checked ? { policy: "fill" } : {} }),
    );
    if (!made.length) return;
    results.take(made);
    const done = regionsOf(made[0]!);
    store.damage = store.damage.flatMap((found) => {
      if (!found.accepted) return [found];
      const why = refusal(found.mark, done);
      return why === undefined ? [] : [{ mark: { ...found.mark, text: why }, accepted: false }];
    });
    store.tell("damage");
  }

  function row(index: number): HTMLElement {
    const found = store.damage[index]!;
    const { mark } = found;
    const rate = store.current?.sample_rate ?? 1;
    const fixed = mark.kind === "clipping";
    const box = h("input", {
      type: "checkbox", checked: found.accepted, disabled: fixed,
      "aria-label": `Accept the ${NAMES[mark.kind ?? "gap"]} at ${clock(mark.start / rate)}`,
      onchange: () => {
        found.accepted = box.checked;
        store.tell("damage");
      },
    });
    const look = h(
      "button",
      {
        type: "button", class: "plain", title: fixed ? "Clipped peaks are shown; they are not repaired" : "Show and select",
        onclick: () => {
          store.select([mark]);
          store.lookAt(mark);
        },
      },
      `${clock(mark.start / rate)}  ${NAMES[mark.kind ?? "gap"]}, ${(((mark.stop - mark.start) / rate) * 1000).toFixed(1)} ms`,
      mark.confidence != null && h("span", { class: "hint" }, ` ${Math.round(mark.confidence * 100)} %`),
      mark.text && h("span", { class: "hint refused" }, ` ${mark.text}`),
    );
    const hear = icon("▶", `Listen around ${clock(mark.start / rate)}`, () => {
      store.select([mark]);
      player.playSelection();
    });
    return h("li", null, box, look, hear);
  }

  function show(): void {
    const count = store.damage.length;
    const accepted = store.damage.filter((found) => found.accepted).length;
    summary.textContent = !store.searched && !count ? "" : count ? `${count} found, ${accepted} accepted.` : "Nothing found.";
    fill(list, ...store.damage.slice(0, SHOWN).map((_, index) => row(index)));
    if (count > SHOWN) list.append(h("li", { class: "hint" }, `and ${count - SHOWN} more, on the plane`));
    for (const button of [all, none]) button.hidden = count === 0;
    repair.hidden = count === 0;
    repair.disabled = accepted === 0 || store.running !== null;
    find.disabled = !store.current || store.running !== null;
  }

  store.on(["damage", "sound", "job"], show);
  show();
  return h(
    "section", { class: "panel", "aria-label": "Damage" },
    h("h2", null, "Damage"),
    h("div", { class: "row" }, find, open, labels),
    h("label", { class: "field" }, h("span", null, "Sensitivity"), sensitivity),
    summary, list,
    h("label", { class: "check" }, long, "Fill gaps over 0.1 s too: a guess at what was there"),
    h("div", { class: "row" }, all, none, repair),
  );
}
