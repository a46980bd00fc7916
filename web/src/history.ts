// History: every result has a parent and replaces nothing; the line to the current sound, and all sounds of the session.
import { api, words } from "./api";
import { clock, fill, h, icon } from "./dom";
import { complain } from "./notices";
import type { Store } from "./store";
import { dark } from "./theme";

export function historyPanel(store: Store): HTMLElement {
  const steps = h("ol", { class: "history" });
  const others = h("ul", { class: "history" });

  function card(id: string, label: string, name: string, current: boolean): HTMLElement {
    const sound = store.sounds.get(id)!;
    return h(
      "button",
      {
        type: "button", class: "card wide", "aria-current": current ? "step" : undefined, title: name,
        onclick: () => store.revisit(sound),
      },
      h("img", { src: api.thumbnail(id, dark() ? "magma" : "ink"), alt: "", width: 120, height: 36, loading: "lazy" }),
      h("span", null, label),
    );
  }

  async function remove(id: string): Promise<void> {
    try {
      await api.remove(id);
      store.sounds.delete(id);
      store.tell("sounds");
    } catch (error) {
      complain(words(error));
    }
  }

  function show(): void {
    const line = store.current ? store.line(store.current) : [];
    const ahead = [...store.redo].reverse().flatMap((id) => store.sounds.get(id) ?? []);
    fill(
      steps,
      ...line.map((sound) => {
        const step = sound.step;
        const what = step ? `${step.method}, ${step.regions.length} region${step.regions.length === 1 ? "" : "s"}` : `${sound.origin}: ${sound.name}`;
        return h("li", null, card(sound.id, what, sound.name, sound.id === store.current?.id));
      }),
      ...ahead.map((sound) => h("li", { class: "ahead" }, card(sound.id, `${sound.step?.method ?? sound.origin} (undone)`, sound.name, false))),
    );
    const shown = new Set([...line, ...ahead].map((sound) => sound.id));
    const rest = [...store.sounds.values()].filter((sound) => !shown.has(sound.id)).sort((a, b) => b.created - a.created);
    fill(
      others,
      ...rest.map((sound) =>
        h(
          "li", null,
          card(sound.id, `${sound.name}, ${clock(sound.seconds, 1)}${sound.step ? ` (${sound.step.method})` : ""}`, sound.name, false),
          icon("✕", `Remove ${sound.name}`, () => void remove(sound.id)),
        ),
      ),
    );
  }

  store.on(["sound", "sounds"], show);
  show();
  return h(
    "section", { class: "panel", "aria-label": "History" },
    h("h2", null, "History"), steps, h("h2", null, "Other sounds"), others,
  );
}
