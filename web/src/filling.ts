// Fill the selection: a method, its settings, a text or a guide, and several candidates to choose from.
import { api, words as sayable, type Candidate, type Method } from "./api";
import { field, fill, h, options } from "./dom";
import { obstacle, settingsForm, type Values } from "./form";
import { complain } from "./notices";
import type { Player } from "./player";
import type { Results } from "./results";
import { isBox } from "./shapes";
import type { Store } from "./store";
import { dark } from "./theme";
import { make } from "./work";

export class Filling {
  readonly element = h("section", { class: "panel", "aria-label": "Fill" });
  private readonly method = h("select", { id: "method", onchange: () => this.form() });
  private readonly why = h("p", { class: "hint", role: "status" });
  private readonly summary = h("p", { class: "hint" });
  private readonly settings = h("details", null);
  private readonly text = h("input", { type: "text", id: "fill-text", placeholder: "soft piano chords", oninput: () => this.show() });
  private readonly guide = h("select", { id: "fill-guide", onchange: () => this.show() });
  private readonly upload = h("input", { type: "file", accept: "audio/*", class: "hidden", "aria-label": "Guide file", onchange: () => void this.addGuide() });
  private readonly seed = h("input", { type: "number", min: 0, step: 1, value: 0 });
  private readonly count = h("input", { type: "number", min: 1, max: 8, step: 1, value: 1 });
  private readonly go = h("button", { type: "button", class: "main", id: "fill", onclick: () => void this.start() }, "Fill selection");
  private readonly candidates = h("div", { class: "candidates" });
  private readonly values = new Map<string, Values>();
  private made: Candidate[] = [];
  private shown = ""; // the method whose settings are shown

  constructor(
    private readonly store: Store,
    private readonly player: Player,
    private readonly results: Results,
  ) {
    const words = field("Text", this.text, "What should be heard, for methods that listen to words");
    fill(
      this.element, h("h2", null, "Fill"), field("Method", this.method), this.summary, words,
      h("div", { class: "row" }, field("Guide", this.guide, "Another sound that steers the fill"), h("button", { type: "button", onclick: () => this.upload.click() }, "Add file…"), this.upload),
      h("div", { class: "row" }, field("Seed", this.seed), field("Candidates", this.count)), this.settings, this.why, this.go,
      this.candidates,
    );
    store.on(["selection", "sound", "sounds", "job"], () => this.show());
    this.show();
  }

  /** Fill what is selected with what the form says. */
  async start(): Promise<void> {
    const { store } = this;
    const sound = store.current;
    const method = this.chosen();
    if (!sound || !store.selection.length || !method) return;
    const blocked = this.blocked(method);
    if (blocked) {
      complain(blocked);
      return;
    }
    const regions = store.selection;
    const [seed, candidates] = [Number(this.seed.value) || 0, Number(this.count.value) || 1];
    const made = await make(store, `Filling with ${method.name}`, () =>
      api.restore({
        sound: sound.id, regions, method: method.name, settings: this.values.get(method.name) ?? {},
        text: this.text.value.trim(), guide: this.guide.value || null, seed, candidates,
      }),
    );
    if (made.length) {
      this.made = made;
      this.results.take(made);
      this.seed.value = String(seed + candidates); // the next pass draws others
      this.showCandidates();
    }
  }

  /** Upload a sound as the guide; the current sound stays open. */
  private async addGuide(): Promise<void> {
    const file = this.upload.files?.[0];
    this.upload.value = "";
    if (!file) return;
    try {
      const sound = await api.upload(file, file.name, "upload");
      this.store.add(sound);
      this.guide.value = sound.id;
      this.show();
    } catch (error) {
      complain(sayable(error));
    }
  }

  private chosen(): Method | undefined {
    return this.store.methods.find((one) => one.name === this.method.value);
  }

  private blocked(method: Method): string {
    const boxes = this.store.selection.some(isBox);
    const gaps = this.store.selection.some((mark) => !isBox(mark));
    return obstacle(method, { gaps, boxes, text: this.text.value.trim(), guide: this.guide.value !== "" });
  }

  private show(): void {
    const { store } = this;
    const before = this.method.value || "auto";
    fill(
      this.method,
      ...store.methods.map((method) => {
        const blocked = this.blocked(method);
        return h("option", { value: method.name, selected: method.name === before, title: blocked || method.summary }, blocked ? `${method.name} (cannot)` : method.name);
      }),
    );
    const guide = this.guide.value;
    const others = [...store.sounds.values()].map((sound) => [sound.id, sound.name] as const);
    fill(this.guide, ...options([["", "none"], ...others], guide));
    const method = this.chosen();
    this.summary.textContent = method?.summary ?? "";
    const blocked = method && store.selection.length ? this.blocked(method) : "";
    this.why.textContent = blocked;
    this.go.disabled = !store.current || !store.selection.length || store.running !== null || blocked !== "";
    this.showSettings(method);
    this.showCandidates();
  }

  private form(): void {
    this.shown = "";
    this.show();
  }

  private showSettings(method: Method | undefined): void {
    if (!method || this.shown === method.name) return;
    this.shown = method.name;
    const values = this.values.get(method.name) ?? {};
    this.values.set(method.name, values);
    this.settings.hidden = method.settings.length === 0;
    fill(this.settings, h("summary", null, `Settings of ${method.name}`), settingsForm(method.settings, values));
  }

  private showCandidates(): void {
    const current = this.store.current?.id;
    const shown = this.made.some((one) => one.sound.id === current) && this.made.length > 1;
    this.candidates.hidden = !shown;
    if (!shown) return;
    fill(
      this.candidates, h("h3", null, "Candidates"),
      h(
        "div", { class: "cards", role: "radiogroup", "aria-label": "Candidates" },
        ...this.made.map((one, k) =>
          h(
            "button",
            {
              type: "button", class: "card", role: "radio", "aria-checked": String(one.sound.id === current),
              onclick: () => {
                this.store.open(one.sound);
                this.player.playSelection();
              },
            },
            h("img", { src: api.thumbnail(one.sound.id, dark() ? "magma" : "ink"), alt: "", width: 120, height: 36 }),
            h("span", null, `${k + 1}: seed ${one.seed}`),
          ),
        ),
      ),
    );
  }
}
