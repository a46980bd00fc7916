// What the page knows: sounds and how they came about, what is selected, what was found, and the view. Panels listen.
import type { Job, Mark, Method, Notes, Session, Sound, Tiles, Way } from "./api";
import type { ScaleName } from "./scale";

export type Tool = "time" | "box" | "brush" | "lasso" | "harmonic" | "hand";
export type Topic = "sound" | "sounds" | "selection" | "damage" | "view" | "tool" | "compare" | "job" | "codes" | "play";

/** A region that detection found, and what the user made of it. */
export interface Found {
  mark: Mark;
  accepted: boolean;
}

/** What a pass over the models is about; one at a time is shown. */
export interface Running {
  job: Job;
  title: string;
}

export class Store {
  sounds = new Map<string, Sound>();
  current: Sound | null = null;
  tiles: Tiles | null = null;
  redo: string[] = [];
  selection: Mark[] = [];
  damage: Found[] = [];
  searched = false;
  compare: "current" | "original" = "current";
  tool: Tool = "time";
  scale: ScaleName = "mel";
  /** First sample at the left edge, and samples per pixel. */
  start = 0;
  per = 1;
  width = 1000;
  /** Band that is shown in hertz; a high of 0 is the whole of it. */
  low = 0;
  high = 0;
  /** Where playback starts, a sample. */
  cursor = 0;
  playing = false;
  loop = false;
  running: Running | null = null;
  methods: Method[] = [];
  ways: Way[] = [];
  notes: Notes | null = null;
  session: Session | null = null;

  private readonly listeners = new Map<Topic, Set<() => void>>();

  /** Call `listener` whenever one of the topics changes. */
  on(topics: readonly Topic[], listener: () => void): void {
    for (const topic of topics) {
      const set = this.listeners.get(topic) ?? new Set();
      this.listeners.set(topic, set.add(listener));
    }
  }

  /** Tell those who listen; each hears once, however many topics changed. */
  tell(...topics: Topic[]): void {
    const heard = new Set(topics.flatMap((topic) => [...(this.listeners.get(topic) ?? [])]));
    heard.forEach((listener) => listener());
  }

  /** The recording that a sound goes back to. */
  original(sound: Sound): Sound {
    let root = sound;
    for (let parent = this.parent(root); parent; parent = this.parent(root)) root = parent;
    return root;
  }

  parent(sound: Sound): Sound | null {
    return (sound.parent && this.sounds.get(sound.parent)) || null;
  }

  /** From the first recording to a sound. */
  line(sound: Sound): Sound[] {
    const line = [sound];
    for (let parent = this.parent(sound); parent; parent = this.parent(parent)) line.unshift(parent);
    return line;
  }

  /** The sound that is heard and seen: the current one, or what it was made from. */
  shown(): Sound | null {
    return this.current && this.compare === "original" ? this.original(this.current) : this.current;
  }

  /** Make `sound` the current one. The view stays where it is within one line of history. */
  open(sound: Sound, { keepRedo = false } = {}): void {
    const before = this.current;
    const related = before !== null && this.original(before).id === this.original(sound).id;
    this.current = sound;
    this.compare = "current";
    if (!keepRedo) this.redo = [];
    if (!related) {
      [this.selection, this.damage, this.searched, this.cursor, this.low, this.high] = [[], [], false, 0, 0, 0];
      this.showAll();
    }
    this.tell("sound", "sounds", "selection", "damage", "view", "compare", "codes");
  }

  add(...sounds: Sound[]): void {
    for (const sound of sounds) this.sounds.set(sound.id, sound);
    this.tell("sounds");
  }

  undo(): void {
    const parent = this.current && this.parent(this.current);
    if (!this.current || !parent) return;
    this.redo.push(this.current.id);
    this.open(parent, { keepRedo: true });
  }

  again(): void {
    const next = this.sounds.get(this.redo.at(-1) ?? "");
    if (!next) return;
    this.redo.pop();
    this.open(next, { keepRedo: true });
  }

  /** Go to a sound of the history, forwards or back, so that undo and redo go on from there; or open any other. */
  revisit(sound: Sound): void {
    const chain = [...(this.current ? this.line(this.current).map((one) => one.id) : []), ...[...this.redo].reverse()];
    const place = chain.indexOf(sound.id);
    this.redo = place < 0 ? [] : chain.slice(place + 1).reverse();
    this.open(sound, { keepRedo: true });
  }

  select(marks: Mark[], more = false): void {
    this.selection = more ? [...this.selection, ...marks] : marks;
    this.tell("selection");
  }

  showAll(): void {
    this.start = 0;
    this.per = Math.max((this.current?.frames ?? this.width) / this.width, 1 / 16);
  }

  /** Zoom by a factor around a sample, or show a span; kept within the sound. */
  look(start: number, per: number): void {
    const frames = this.current?.frames ?? 0;
    this.per = Math.min(Math.max(per, 1 / 16), Math.max(frames / this.width, 1 / 16));
    this.start = Math.min(Math.max(start, 0), Math.max(frames - this.width * this.per, 0));
    this.tell("view");
  }

  zoom(factor: number, around = this.start + (this.width * this.per) / 2): void {
    const per = Math.min(Math.max(this.per * factor, 1 / 16), Math.max((this.current?.frames ?? 1) / this.width, 1 / 16));
    this.look(around - ((around - this.start) * per) / this.per, per);
  }

  lookAt(mark: { start: number; stop: number }): void {
    const around = Math.max((mark.stop - mark.start) * 1.5, (this.current?.sample_rate ?? 1) * 0.25);
    this.look((mark.start + mark.stop) / 2 - around, (2 * around) / this.width);
  }
}
