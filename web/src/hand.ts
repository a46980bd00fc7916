// What fingers, mouse and keys do on the plane: select with the chosen tool, scroll, zoom, pinch.
import type { Mark } from "./api";
import type { Plane } from "./plane";
import { boxMark, brushMarks, harmonicMarks, lassoMarks, timeMark, type Point } from "./shapes";
import type { Store } from "./store";

const STILL = 4; // pixels within which a press is a click and not a drag
const BRUSH = 14; // pixels, radius
const STEP = 20; // pixels that an arrow key moves the cursor

export class Hand {
  private stroke: Point[] = [];
  private more = false;
  private kept: Mark[] = [];
  private readonly touching = new Map<number, { x: number; y: number }>();

  constructor(
    private readonly plane: Plane,
    private readonly store: Store,
    private readonly seek: (sample: number) => void,
  ) {
    const { canvas } = plane;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event, true));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    plane.overlays.push((context) => this.paintStroke(context));
  }

  private point(event: MouseEvent): Point {
    const box = this.plane.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const sample = this.store.start + x * this.store.per;
    return {
      sample: Math.min(Math.max(sample, 0), this.store.current?.frames ?? 0),
      height: Math.min(Math.max(1 - (event.clientY - box.top) / box.height, 0), 1),
    };
  }

  private down(event: PointerEvent): void {
    if (!this.store.current || event.button > 0) return;
    this.plane.canvas.setPointerCapture(event.pointerId);
    this.touching.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.touching.size > 1) {
      this.stroke = []; // a second finger zooms
      return;
    }
    this.more = event.shiftKey;
    this.kept = this.more ? this.store.selection : [];
    this.stroke = [this.point(event)];
  }

  private move(event: PointerEvent): void {
    const before = this.touching.get(event.pointerId);
    if (!before) return;
    if (this.touching.size === 2) this.pinch(event);
    else if (this.store.tool === "hand") this.store.look(this.store.start - (event.clientX - before.x) * this.store.per, this.store.per);
    else if (this.stroke.length) {
      const points = event.getCoalescedEvents?.() ?? [event];
      this.stroke.push(...(points.length ? points : [event]).map((one) => this.point(one)));
      if (this.dragged()) this.preview();
    }
    this.touching.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  private up(event: PointerEvent, cancelled = false): void {
    this.touching.delete(event.pointerId);
    const stroke = this.stroke;
    if (!stroke.length || cancelled) {
      this.stroke = [];
      return;
    }
    if (this.dragged() || this.store.tool === "brush") {
      const marks = this.marks();
      this.stroke = [];
      this.store.select([...this.kept, ...marks]);
    } else if (this.store.tool !== "hand") {
      this.stroke = [];
      if (!this.more) this.store.select([]);
      this.seek(stroke[0]!.sample);
    }
    this.stroke = [];
    this.plane.draw();
  }

  private dragged(): boolean {
    const first = this.stroke[0]!;
    return this.stroke.some(
      (point) =>
        Math.abs(point.sample - first.sample) > STILL * this.store.per ||
        Math.abs(point.height - first.height) * this.plane.height > STILL,
    );
  }

  /** Spans, boxes and harmonics are shown as they grow; brushes and lassos as strokes. */
  private preview(): void {
    if (this.store.tool === "brush" || this.store.tool === "lasso") this.plane.draw();
    else this.store.select([...this.kept, ...this.marks()]);
  }

  private marks(): Mark[] {
    const [first, last] = [this.stroke[0]!, this.stroke.at(-1)!];
    const { scale } = this.plane;
    const frames = this.store.current?.frames ?? 0;
    const one = (mark: Mark | null): Mark[] => (mark ? [mark] : []);
    switch (this.store.tool) {
      case "box":
        return one(boxMark(first, last, frames, scale));
      case "brush": {
        const radius = { sample: BRUSH * this.store.per, height: BRUSH / this.plane.height };
        return brushMarks(this.stroke, radius, frames, scale);
      }
      case "lasso":
        return lassoMarks(this.stroke, frames, scale);
      case "harmonic":
        return harmonicMarks(first, last, frames, scale.frequency(first.height), scale);
      default:
        return one(timeMark(first, last, frames));
    }
  }

  private pinch(event: PointerEvent): void {
    const other = [...this.touching].find(([id]) => id !== event.pointerId)?.[1];
    const before = this.touching.get(event.pointerId);
    if (!other || !before) return;
    const left = this.plane.canvas.getBoundingClientRect().left;
    const apart = Math.max(Math.abs(before.x - other.x), 20);
    const now = Math.max(Math.abs(event.clientX - other.x), 20);
    const middle = this.store.start + ((before.x + other.x) / 2 - left) * this.store.per;
    this.store.zoom(apart / now, middle);
    this.store.look(this.store.start - ((event.clientX - before.x) / 2) * this.store.per, this.store.per);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.altKey) this.zoomBand(event);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.store.look(this.store.start + (event.deltaX || event.deltaY) * this.store.per, this.store.per);
    } else this.store.zoom(Math.exp(Math.min(Math.max(event.deltaY, -100), 100) / 300), this.point(event).sample);
  }

  /** Alt and wheel: a narrower or wider band around the pointer. */
  private zoomBand(event: WheelEvent): void {
    const { scale } = this.plane;
    const factor = Math.exp(Math.min(Math.max(event.deltaY, -100), 100) / 300);
    const middle = this.point(event).height;
    const [bottom, top] = [middle - middle * factor, middle + (1 - middle) * factor];
    const { whole } = this.plane; // beyond the edges that are shown there may be more
    const [from, to] = [whole.position(scale.low), whole.position(scale.high)];
    const [low, high] = [Math.max(from + (to - from) * bottom, 0), Math.min(from + (to - from) * top, 1)];
    if (high - low < 0.02) return;
    this.store.low = low <= 0 ? 0 : Math.round(whole.frequency(low));
    this.store.high = high >= 1 ? 0 : Math.round(whole.frequency(high));
    this.store.tell("view");
  }

  private key(event: KeyboardEvent): void {
    const { store } = this;
    if (!store.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const before = store.cursor;
    const after = Math.min(Math.max(before + step * store.per, 0), store.current.frames);
    if (event.shiftKey) this.extend(before, after);
    this.seek(after);
    if (after < store.start || after > store.start + store.width * store.per) {
      store.look(after - (store.width * store.per) / 2, store.per);
    }
  }

  /** Shift and arrow: the span from where it was anchored to the cursor. */
  private extend(before: number, after: number): void {
    const last = this.store.selection.at(-1);
    const near = (a: number, b: number): boolean => Math.abs(a - b) < 2;
    const anchor = last && near(last.stop, before) ? last.start : last && near(last.start, before) ? last.stop : before;
    const band = last && anchor !== before ? { low: last.low, high: last.high, kind: last.kind } : {};
    const span = timeMark({ sample: anchor, height: 0 }, { sample: after, height: 0 }, this.store.current!.frames);
    this.store.select([...this.store.selection.slice(0, anchor === before ? undefined : -1), ...(span ? [{ ...span, ...band }] : [])]);
  }

  private paintStroke(context: CanvasRenderingContext2D): void {
    if (this.stroke.length < 2 || (this.store.tool !== "brush" && this.store.tool !== "lasso")) return;
    const style = getComputedStyle(this.plane.canvas);
    context.save();
    context.strokeStyle = style.getPropertyValue("--selected");
    context.lineJoin = context.lineCap = "round";
    context.lineWidth = this.store.tool === "brush" ? 2 * BRUSH : 2;
    context.globalAlpha = this.store.tool === "brush" ? 0.5 : 1;
    context.beginPath();
    for (const point of this.stroke) context.lineTo(this.plane.x(point.sample), (1 - point.height) * this.plane.height);
    context.stroke();
    context.restore();
  }
}
