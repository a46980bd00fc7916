// Notes: made from a pitch and a family, and repainted cell by cell on NOTONO's two maps of codes.
import { api, type Cell, type Grid, type Layer } from "./api";
import { field, fill, h, options } from "./dom";
import type { Plane } from "./plane";
import type { Store } from "./store";
import { make, run } from "./work";

type Asked = Pick<Cell, "pitch" | "family" | "velocity">;
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];

/** A MIDI number as C4. */
export function pitchName(pitch: number): string {
  return `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

export class NotesPanel {
  readonly element = h("section", { class: "panel", "aria-label": "Notes" });
  private readonly pitch = h("select", { id: "note-pitch", "aria-label": "Pitch" });
  private readonly family = h("select", { id: "note-family", "aria-label": "Family" });
  private readonly velocity = h("input", { type: "number", min: 1, max: 127, placeholder: "any" });
  private readonly count = h("input", { type: "number", min: 1, max: 8, value: 1 });
  private readonly seed = h("input", { type: "number", min: 0, value: 0 });
  private readonly layer = h("select", { onchange: () => this.changed() }, ...options([["top", "coarse cells"], ["bottom", "fine cells"]], "top"));
  private readonly why = h("p", { class: "hint", role: "status" });
  private readonly painted = h("p", { class: "hint", role: "status" });
  private readonly buttons = h("div", { class: "row" });
  private readonly cells = new Map<string, Cell>();
  private grid: Grid | null = null;
  private of = "";
  /** Row and column that the keys are at. */
  private focus: [number, number] = [0, 0];
  private erasing = false;

  constructor(
    private readonly store: Store,
    private readonly plane: Plane,
  ) {
    store.on(["sound"], () => this.leave());
    store.on(["job", "sound"], () => this.show());
    plane.overlays.push((context) => this.paint(context));
    plane.canvas.addEventListener("pointerdown", (event) => this.press(event), { capture: true });
    plane.canvas.addEventListener("pointermove", (event) => this.drag(event), { capture: true });
    plane.canvas.addEventListener("keydown", (event) => this.key(event), { capture: true });
    fill(
      this.element, h("h2", null, "Notes"), this.why,
      h("div", { class: "row" }, field("Pitch", this.pitch), field("Family", this.family)),
      h("div", { class: "row" }, field("Velocity", this.velocity), field("Seed", this.seed), field("Candidates", this.count)),
      this.buttons, field("Paint", this.layer), this.painted,
      h("p", { class: "hint" }, "Cells take the pitch and family chosen above when they are painted; different cells may ask for different notes. Shift erases. With the keys: arrows move, Space paints, Enter draws."),
    );
    this.show();
  }

  /** Whether the grid is on the plane, where it takes the pointer. */
  get active(): boolean {
    return this.grid !== null;
  }

  async generate(): Promise<void> {
    const [seed, candidates] = [Number(this.seed.value) || 0, Number(this.count.value) || 1];
    await make(this.store, "Making a note", () => api.note({ ...this.asked(), seed, candidates, seconds: 4 }));
    this.seed.value = String(seed + candidates);
  }

  async open(): Promise<void> {
    const sound = this.store.current;
    if (!sound) return;
    const job = await run(this.store, "Reading codes", () => api.codes(sound.id));
    if (!job?.grid || this.store.current !== sound) return;
    [this.grid, this.of] = [job.grid, sound.id];
    this.changed();
    this.plane.canvas.focus();
  }

  async redraw(): Promise<void> {
    const sound = this.store.current;
    if (!sound || !this.cells.size) return;
    const [seed, candidates] = [Number(this.seed.value) || 0, Number(this.count.value) || 1];
    const made = await make(this.store, `Repainting ${this.cells.size} cells`, () =>
      api.edit({ sound: sound.id, cells: [...this.cells.values()], seed, candidates }),
    );
    if (!made.length) return;
    this.seed.value = String(seed + candidates);
    await this.open();
  }

  private asked(): Asked {
    return {
      pitch: this.pitch.value ? Number(this.pitch.value) : null,
      family: this.family.value || null,
      velocity: this.velocity.value ? Number(this.velocity.value) : null,
    };
  }

  private leave(): void {
    if (this.grid && this.of !== this.store.current?.id) {
      this.grid = null;
      this.cells.clear();
    }
  }

  private changed(): void {
    this.cells.clear();
    this.focus = [0, 0];
    this.show();
    this.plane.draw();
  }

  private show(): void {
    const { notes } = this.store;
    if (notes && !this.pitch.options.length) {
      const pitches = Array.from({ length: notes.highest - notes.lowest + 1 }, (_, k) => notes.lowest + k);
      fill(this.pitch, ...options([["", "any"], ...pitches.map((p) => [String(p), `${pitchName(p)} (${p})`] as const)], "60"));
      fill(this.family, ...options([["", "any"], ...notes.families.map((name) => [name, name.replaceAll("_", " ")] as const)], "organ"));
    }
    this.why.textContent = notes && !notes.available ? notes.reason : "";
    const off = !notes?.available || this.store.running !== null;
    const button = (label: string, id: string, act: () => void, disabled: boolean, main = false): HTMLElement =>
      h("button", { type: "button", id, class: main ? "main" : undefined, disabled, onclick: act }, label);
    fill(
      this.buttons,
      button("Make note", "make-note", () => void this.generate(), off, !this.grid),
      this.grid
        ? button("Hide cells", "hide-cells", () => { this.grid = null; this.changed(); }, false)
        : button("Show cells", "show-cells", () => void this.open(), off || !this.store.current),
      this.grid && button(`Redraw ${this.cells.size} cells`, "redraw-cells", () => void this.redraw(), off || !this.cells.size, true),
    );
    this.painted.textContent = this.grid ? `${this.cells.size} cells painted.` : "";
  }

  private map(): Layer | null {
    return this.grid ? this.grid[this.layer.value as "top" | "bottom"] : null;
  }

  private at(event: { clientX: number; clientY: number }): [number, number] | null {
    const layer = this.map();
    if (!layer) return null;
    const box = this.plane.canvas.getBoundingClientRect();
    const sample = this.store.start + (event.clientX - box.left) * this.store.per;
    const frequency = this.plane.scale.frequency(1 - (event.clientY - box.top) / box.height);
    const column = layer.starts.findLastIndex((start) => start <= sample);
    const row = layer.edges.findLastIndex((edge) => edge <= frequency);
    return column >= 0 && column < layer.starts.length - 1 && row >= 0 && row < layer.edges.length - 1 ? [row, column] : null;
  }

  private press(event: PointerEvent): void {
    if (!this.grid || this.store.tool === "hand" || event.button > 0) return;
    event.stopImmediatePropagation();
    this.plane.canvas.setPointerCapture(event.pointerId);
    this.erasing = event.shiftKey;
    this.touch(this.at(event));
  }

  private drag(event: PointerEvent): void {
    if (!this.grid || this.store.tool === "hand" || !event.buttons) return;
    event.stopImmediatePropagation();
    // a quick hand passes over cells between two events: those are painted as well
    const [x, y] = [event.clientX - event.movementX, event.clientY - event.movementY];
    const steps = Math.max(Math.ceil(Math.hypot(event.movementX, event.movementY) / 4), 1);
    for (let k = 1; k <= steps; k++) {
      this.touch(this.at({ clientX: x + (event.movementX * k) / steps, clientY: y + (event.movementY * k) / steps }));
    }
  }

  private touch(place: [number, number] | null): void {
    if (!place) return;
    const [row, column] = place;
    const name = `${row} ${column}`;
    if (this.erasing) this.cells.delete(name);
    else this.cells.set(name, { layer: this.layer.value as "top" | "bottom", row, column, ...this.asked() });
    this.focus = place;
    this.show();
    this.plane.draw();
  }

  private key(event: KeyboardEvent): void {
    const layer = this.map();
    if (!layer || event.ctrlKey || event.metaKey) return;
    const step = ({ ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] } as Record<string, [number, number]>)[event.key];
    if (step) {
      const [rows, columns] = [layer.edges.length - 1, layer.starts.length - 1];
      this.focus = [Math.min(Math.max(this.focus[0] + step[0], 0), rows - 1), Math.min(Math.max(this.focus[1] + step[1], 0), columns - 1)];
      this.plane.draw();
    } else if (event.key === " ") {
      this.erasing = this.cells.has(this.focus.join(" "));
      this.touch(this.focus);
    } else if (event.key === "Enter") void this.redraw();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  private paint(context: CanvasRenderingContext2D): void {
    const layer = this.map();
    if (!layer) return;
    const { plane } = this;
    const style = getComputedStyle(plane.canvas);
    context.save();
    context.strokeStyle = style.getPropertyValue("--grid");
    context.lineWidth = 1;
    context.beginPath();
    const end = plane.x(layer.starts.at(-1)!);
    for (const start of layer.starts) {
      context.moveTo(plane.x(start), 0);
      context.lineTo(plane.x(start), plane.height);
    }
    for (const edge of layer.edges) {
      context.moveTo(plane.x(0), plane.y(edge));
      context.lineTo(end, plane.y(edge));
    }
    context.stroke();
    for (const cell of this.cells.values()) {
      const [x, y, width, height] = this.box(layer, cell.row, cell.column);
      context.fillStyle = style.getPropertyValue("--selected-fill");
      context.fillRect(x, y, width, height);
      context.strokeStyle = style.getPropertyValue("--selected");
      context.strokeRect(x + 1, y + 1, width - 2, height - 2);
      if (width > 40 && height > 11) {
        context.fillStyle = style.getPropertyValue("--label");
        context.font = "10px system-ui, sans-serif";
        context.fillText([cell.pitch == null ? "" : pitchName(cell.pitch), cell.family ?? ""].join(" "), x + 3, y + height / 2);
      }
    }
    context.strokeStyle = style.getPropertyValue("--focus");
    context.lineWidth = 2;
    context.strokeRect(...this.box(layer, ...this.focus));
    context.restore();
  }

  private box(layer: Layer, row: number, column: number): [number, number, number, number] {
    const [left, right] = [this.plane.x(layer.starts[column]!), this.plane.x(layer.starts[column + 1]!)];
    const [bottom, top] = [this.plane.y(layer.edges[row]!), this.plane.y(layer.edges[row + 1]!)];
    return [left, top, right - left, bottom - top];
  }
}
