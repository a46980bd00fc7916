// The time-frequency plane: the spectrogram in tiles, and what is selected, found and heard drawn over it.
import type { Mark, Sound } from "./api";
import { clock, h, hertz } from "./dom";
import { Images } from "./images";
import { Scale, nice } from "./scale";
import type { Store } from "./store";
import { dark } from "./theme";

export type Overlay = (context: CanvasRenderingContext2D, plane: Plane) => void;

export class Plane {
  readonly canvas = h("canvas", {
    class: "plane",
    tabindex: 0,
    role: "application",
    "aria-label":
      "Spectrogram. Arrow keys move the cursor, with Shift they select; Enter fills the selection; press ? for all keys.",
  });
  /** Drawn over the spectrogram, the last on top. */
  readonly overlays: Overlay[] = [];
  private readonly images = new Images(() => this.draw());
  private pending = false;

  constructor(readonly store: Store) {
    new ResizeObserver(() => this.resized()).observe(this.canvas);
    store.on(["sound", "view", "selection", "damage", "compare", "tool", "codes"], () => this.draw());
  }

  get scale(): Scale {
    const tiles = this.store.tiles;
    const top = tiles?.highest ?? 1;
    return new Scale(this.store.scale, this.store.low, this.store.high || top, tiles?.lowest ?? 20, top);
  }

  /** The scale over the whole band. */
  get whole(): Scale {
    return new Scale(this.store.scale, 0, this.store.tiles?.highest ?? 1, this.store.tiles?.lowest ?? 20);
  }

  get height(): number {
    return this.canvas.clientHeight;
  }

  /** Pixels from the left of a sample. */
  x(sample: number): number {
    return (sample - this.store.start) / this.store.per;
  }

  /** Pixels from the top of a frequency; null is the top. */
  y(frequency: number | null | undefined): number {
    return frequency == null ? 0 : (1 - this.scale.position(frequency)) * this.height;
  }

  /** Draw before the next frame. */
  draw(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  private resized(): void {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth) return;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    const whole = this.store.current !== null && this.store.width * this.store.per >= this.store.current.frames * 0.999;
    this.store.width = clientWidth;
    if (whole) this.store.showAll();
    this.store.tell("view");
  }

  private paint(): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.canvas);
    context.fillStyle = style.getPropertyValue("--plane");
    context.fillRect(0, 0, this.canvas.clientWidth, this.height);
    this.paintTiles(context);
    for (const { mark, accepted } of this.store.damage) this.paintMark(context, mark, accepted ? "accepted" : "rejected");
    for (const mark of this.store.selection) this.paintMark(context, mark, "selected");
    for (const overlay of this.overlays) overlay(context, this);
    this.paintAxes(context);
  }

  private paintTiles(context: CanvasRenderingContext2D): void {
    const { store } = this;
    const [sound, tiles] = [store.shown(), store.tiles];
    if (!sound || !tiles) return;
    const ratio = window.devicePixelRatio || 1;
    const wanted = Math.log2(Math.max(store.per / ratio / tiles.hop, 1));
    const level = Math.min(Math.max(Math.floor(wanted + 0.3), 0), tiles.levels - 1);
    const span = tiles.width * tiles.hop * 2 ** level;
    const tall = tiles.heights.find((height) => height >= this.height * ratio * 0.8) ?? tiles.heights.at(-1)!;
    const last = Math.ceil(sound.frames / span) - 1;
    const right = Math.min(Math.floor((store.start + store.width * store.per) / span), last);
    const palette = dark() ? "magma" : "ink";
    const query = `height=${tall}&palette=${palette}&low=${store.low}&high=${store.high}`;
    context.imageSmoothingEnabled = true;
    for (let k = Math.max(Math.floor(store.start / span), 0); k <= right; k++) {
      const url = (one: Sound): string => `/api/sounds/${one.id}/tiles/${store.scale}/${level}/${k}?${query}`;
      const own = this.images.get(url(sound));
      // until a tile comes, that of the sound it was made from stands in for it, paler: most of it is the same
      const image = own ?? store.line(sound).reverse().map((one) => this.images.peek(url(one))).find((one) => one !== null);
      context.globalAlpha = own ? 1 : 0.45;
      if (image) context.drawImage(image, this.x(k * span), 0, span / store.per, this.height);
      context.globalAlpha = 1;
    }
    const end = this.x(sound.frames);
    context.clearRect(Math.max(end, 0), 0, this.canvas.clientWidth, this.height);
  }

  private paintMark(context: CanvasRenderingContext2D, mark: Mark, kind: "selected" | "accepted" | "rejected"): void {
    const style = getComputedStyle(this.canvas);
    const [left, right] = [this.x(mark.start), Math.max(this.x(mark.stop), this.x(mark.start) + 2)];
    if (right < 0 || left > this.canvas.clientWidth) return;
    const [top, bottom] = [this.y(mark.high), mark.low == null ? this.height : this.y(mark.low)];
    context.save();
    context.fillStyle = style.getPropertyValue(`--${kind}-fill`);
    context.strokeStyle = style.getPropertyValue(`--${kind}`);
    context.fillRect(left, top, right - left, bottom - top);
    context.lineWidth = 1.5;
    context.setLineDash(kind === "selected" ? [] : kind === "accepted" ? [6, 3] : [2, 4]); // told apart without colour
    if (right - left > 5 || this.store.selection.length < 50) context.strokeRect(left, top, right - left, bottom - top);
    if (kind === "rejected" && bottom - top > 12) {
      context.beginPath();
      context.moveTo(left, top);
      context.lineTo(right, bottom);
      context.stroke();
    }
    context.restore();
  }

  private paintAxes(context: CanvasRenderingContext2D): void {
    const sound = this.store.shown();
    if (!sound) return;
    const style = getComputedStyle(this.canvas);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const label = (text: string, x: number, y: number): void => {
      const width = context.measureText(text).width;
      context.fillStyle = style.getPropertyValue("--label-back");
      context.fillRect(x - 3, y - 8, width + 6, 16);
      context.fillStyle = style.getPropertyValue("--label");
      context.fillText(text, x, y);
    };
    for (const f of this.scale.ticks(Math.max(this.height / 42, 2))) label(hertz(f), 6, this.y(f));
    const seconds = this.store.per / sound.sample_rate;
    const step = nice(seconds * 110);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    const from = this.store.start / sound.sample_rate;
    for (let t = Math.ceil(from / step) * step; t < from + this.store.width * seconds; t += step) {
      const x = this.x(t * sound.sample_rate);
      if (x > 60) label(clock(t, digits), x + 3, this.height - 10);
      context.fillStyle = style.getPropertyValue("--label");
      context.fillRect(x, this.height - 5, 1, 5);
    }
  }
}
