// Playback: the current sound and the original run on one clock, so that comparing them does not lose the place.
import { api, words, type Mark, type Sound } from "./api";
import { complain } from "./notices";
import type { Store } from "./store";

const BEFORE = 0.5; // seconds that are heard before a selection

export class Player {
  private readonly voices = new Map<string, HTMLAudioElement>();
  private readonly aside = new Audio();
  /** Second at which playback goes back or stops; infinite: the end. */
  private until = Infinity;
  private from = 0;

  constructor(
    private readonly store: Store,
    private readonly moved: () => void,
  ) {
    store.on(["sound", "compare"], () => this.change());
  }

  /** Seconds at which the sound is heard now. */
  get time(): number {
    const voice = this.voice();
    return this.store.playing && voice ? voice.currentTime : this.store.cursor / this.rate;
  }

  seek(sample: number): void {
    const frames = this.store.current?.frames ?? 0;
    this.store.cursor = Math.min(Math.max(sample, 0), frames);
    this.until = Infinity;
    this.from = this.store.cursor / this.rate;
    const voice = this.voice();
    if (this.store.playing && voice) voice.currentTime = this.from;
    this.moved();
    this.store.tell("play");
  }

  toggle(): void {
    if (this.store.playing) this.stop();
    else this.play(this.store.cursor / this.rate, Infinity);
  }

  /** The selection with a little before and after it; around and around when looping. */
  playSelection(): void {
    const marks = this.store.selection;
    if (!marks.length) return this.toggle();
    const start = Math.min(...marks.map((mark) => mark.start)) / this.rate;
    const stop = Math.max(...marks.map((mark) => mark.stop)) / this.rate;
    this.play(Math.max(start - BEFORE, 0), stop + BEFORE);
  }

  stop(): void {
    for (const voice of this.voices.values()) voice.pause();
    this.aside.pause();
    this.store.playing = false;
    this.store.tell("play");
    this.moved();
  }

  /** What lies inside a selection alone, or all but that. */
  async audition(sound: Sound, marks: Mark[], part: "inside" | "outside"): Promise<void> {
    try {
      const blob = await api.audition(sound.id, marks, part);
      this.stop();
      URL.revokeObjectURL(this.aside.src);
      this.aside.src = URL.createObjectURL(blob);
      this.aside.loop = this.store.loop;
      await this.aside.play();
    } catch (error) {
      complain(words(error));
    }
  }

  private get rate(): number {
    return this.store.current?.sample_rate ?? 1;
  }

  private play(from: number, until: number): void {
    const voice = this.voice();
    const sound = this.store.shown();
    if (!voice || !sound) return;
    this.aside.pause();
    [this.from, this.until] = [from >= sound.seconds - 0.01 ? 0 : from, until];
    this.store.cursor = this.from * this.rate;
    voice.currentTime = this.from;
    this.store.playing = true;
    voice.play().catch((error: unknown) => {
      if ((error as Error).name === "AbortError") return; // paused before it began
      complain(`The browser cannot play this: ${words(error)}`);
      this.stop();
    });
    this.store.tell("play");
    this.tick();
  }

  private tick(): void {
    if (!this.store.playing) return;
    const voice = this.voice();
    const sound = this.store.shown();
    if (!voice || !sound) return this.stop();
    if (voice.ended || voice.currentTime >= this.until) {
      if (!this.store.loop) return this.stop();
      voice.currentTime = this.from;
      if (voice.paused) void voice.play();
    }
    this.moved();
    requestAnimationFrame(() => this.tick());
  }

  /** Another sound is shown: go on at the same place. */
  private change(): void {
    if (!this.store.playing) {
      this.forget();
      return;
    }
    const heard = [...this.voices.values()].find((voice) => !voice.paused);
    const at = heard?.currentTime ?? this.from;
    heard?.pause();
    this.forget();
    const voice = this.voice();
    if (!voice) return;
    voice.currentTime = at;
    void voice.play().catch(() => this.stop());
  }

  private voice(): HTMLAudioElement | null {
    const sound = this.store.shown();
    if (!sound) return null;
    let voice = this.voices.get(sound.id);
    if (!voice) {
      voice = new Audio(api.play(sound.id));
      voice.preload = "auto";
      this.voices.set(sound.id, voice);
    }
    return voice;
  }

  /** Keep the players of the current sound and the original only. */
  private forget(): void {
    const current = this.store.current;
    const kept = new Set(current ? [current.id, this.store.original(current).id] : []);
    for (const [id, voice] of this.voices) {
      if (kept.has(id)) continue;
      voice.pause();
      voice.removeAttribute("src");
      this.voices.delete(id);
    }
  }
}
