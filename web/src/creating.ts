// Make sound: from words, past the end, as a variation, over a sound, and on the way between two prompts, without end if wanted.
import { api, follow, words, type Creation, type Sound, type Way } from "./api";
import { field, fill, h, options } from "./dom";
import { complain } from "./notices";
import type { Store } from "./store";
import { make } from "./work";

const KINDS = [["generate", "from nothing"], ["continue", "continue this sound"], ["vary", "vary this sound"], ["morph", "between two prompts"], ["add", "add to this sound"]] as const;
const FROM_SOUND = ["continue", "vary", "add"]; // kinds that begin with the sound that is open
const OVERLAP = 0.25; // seconds over which one stretch gives way to the next

export class Creating {
  readonly element = h("section", { class: "panel", "aria-label": "Create" });
  private readonly kind = h("select", { id: "create-kind", onchange: () => this.show() }, ...options(KINDS, "generate"));
  private readonly method = h("select", { id: "create-method" });
  private readonly text = h("input", { type: "text", id: "create-text", placeholder: "slow low strings" });
  private readonly seed = h("input", { type: "number", min: 0, value: 0 });
  private readonly endText = h("input", { type: "text", placeholder: "bright fast bells" });
  private readonly endSeed = h("input", { type: "number", min: 0, value: 1 });
  private readonly alpha = h("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, "aria-label": "Between the two prompts" });
  private readonly seconds = h("input", { type: "number", min: 0.5, max: 120, step: 0.5, value: 5 });
  private readonly length = field("Seconds", this.seconds);
  private readonly count = h("input", { type: "number", min: 1, max: 8, value: 1 });
  private readonly why = h("p", { class: "hint", role: "status" });
  private readonly go = h("button", { type: "button", class: "main", id: "create", onclick: () => void this.start() }, "Make");
  private readonly endless = h("button", { type: "button", id: "endless", onclick: () => void this.toggleEndless() }, "Play without end");
  private readonly second = h("div", { class: "row" }, field("End text", this.endText), field("Seed", this.endSeed));
  private readonly slider = field("Between", this.alpha);
  private playing: AudioContext | null = null;

  constructor(private readonly store: Store) {
    fill(
      this.element, h("h2", null, "Create"), field("What", this.kind), field("Method", this.method), this.why,
      h("div", { class: "row" }, field("Text", this.text), field("Seed", this.seed)), this.second, this.slider,
      h("div", { class: "row" }, this.length, field("Candidates", this.count)),
      h("div", { class: "row" }, this.go, this.endless),
    );
    store.on(["sound", "job"], () => this.show());
    this.show();
  }

  private way(): Way | undefined {
    return this.store.ways.find((way) => way.kind === this.kind.value);
  }

  private show(): void {
    const way = this.way();
    const chosen = this.method.value;
    fill(this.method, ...options((way?.methods ?? []).map((name) => [name, name] as const), chosen));
    const morph = this.kind.value === "morph";
    this.second.hidden = this.slider.hidden = !morph;
    this.length.hidden = this.kind.value === "vary" || this.kind.value === "add"; // as long as the sound itself
    const needs = FROM_SOUND.includes(this.kind.value) && !this.store.current;
    this.why.textContent = !way ? "" : !way.available ? way.reason : needs ? "Open a sound first." : "";
    this.go.disabled = !way?.available || needs || this.store.running !== null;
    this.endless.hidden = !morph && this.kind.value !== "generate";
    this.endless.disabled = !way?.available;
    this.endless.textContent = this.playing ? "Stop" : "Play without end";
    this.endless.setAttribute("aria-pressed", String(this.playing !== null));
  }

  private wanted(seed = Number(this.seed.value) || 0): Creation {
    const kind = this.kind.value as Creation["kind"];
    const sound = FROM_SOUND.includes(kind) ? (this.store.current?.id ?? null) : null;
    return {
      kind, method: this.method.value, text: this.text.value.trim(), seed, sound, seconds: Number(this.seconds.value) || 5,
      ...(kind === "morph"
        ? { end: { text: this.endText.value.trim(), seed: Number(this.endSeed.value) || 0 }, alpha: Number(this.alpha.value) }
        : {}),
    };
  }

  async start(): Promise<void> {
    const candidates = Number(this.count.value) || 1;
    await make(this.store, "Making sound", () => api.create({ ...this.wanted(), candidates }));
  }

  /** One stretch is computed while the one before it plays; the slider is read anew for each. */
  private async toggleEndless(): Promise<void> {
    if (this.playing) {
      await this.stop();
      return;
    }
    const context = new AudioContext();
    this.playing = context;
    this.show();
    let [end, seed] = [0, Number(this.seed.value) || 0];
    try {
      while (this.playing === context) {
        const sound = await this.stretch(seed);
        if (this.playing !== context) break;
        if (!sound) break;
        if (this.kind.value !== "morph") seed += 1;
        const buffer = await context.decodeAudioData(await (await fetch(api.play(sound.id))).arrayBuffer());
        const fade = Math.min(OVERLAP, buffer.duration / 4);
        const start = Math.max(end - fade, context.currentTime + 0.05);
        this.schedule(context, buffer, start, fade);
        end = start + buffer.duration;
        // the next stretch is asked for when this one is half played, so that the slider is heard soon
        await pause(Math.max(start + buffer.duration / 2 - context.currentTime, 0) * 1000);
      }
    } catch (error) {
      complain(words(error));
    }
    if (this.playing === context) await this.stop();
  }

  private async stretch(seed: number): Promise<Sound | null> {
    const ended = await follow(await api.create({ ...this.wanted(seed), candidates: 1 }), () => undefined);
    const sound = ended.candidates?.[0]?.sound ?? null;
    if (ended.state === "failed") complain(ended.error);
    if (sound) this.store.add(sound);
    return sound;
  }

  private schedule(context: AudioContext, buffer: AudioBuffer, start: number, fade: number): void {
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = buffer;
    source.connect(gain).connect(context.destination);
    const curve = Float32Array.from({ length: 33 }, (_, k) => Math.sin((Math.PI / 2) * (k / 32)));
    gain.gain.setValueCurveAtTime(curve, start, fade);
    gain.gain.setValueCurveAtTime(Float32Array.from(curve).reverse(), start + buffer.duration - fade, fade);
    source.start(start);
  }

  private async stop(): Promise<void> {
    const context = this.playing;
    this.playing = null;
    await context?.close();
    this.show();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
