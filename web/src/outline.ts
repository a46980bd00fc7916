// The waveform above the plane, and the overview of the whole sound that scrolls it.
import { api, type Peaks } from "./api";
import { h } from "./dom";
import type { Store } from "./store";

const AGAIN = 1200; // milliseconds until an outline that was not exact yet is asked for again

/** A canvas with the outline of a span of the sound that is shown. */
class Outline {
  readonly canvas: HTMLCanvasElement;
  private peaks: Peaks | null = null;
  private drawn = "";
  private asking: AbortController | null = null;
  private later = 0;

  constructor(
    protected readonly store: Store,
    private readonly span: () => { start: number; stop: number },
    private readonly over: (context: CanvasRenderingContext2D, width: number, height: number) => void,
    attributes: Record<string, string | number>,
  ) {
    this.canvas = h("canvas", attributes);
    new ResizeObserver(() => this.refresh()).observe(this.canvas);
  }

  /** Draw what is there, and fetch what is missing. */
  refresh(): void {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    this.paint();
    const sound = this.store.shown();
    if (!sound) return;
    const { start, stop } = this.span();
    const wanted = `${sound.id} ${Math.round(start)} ${Math.round(stop)} ${width}`;
    if (wanted !== this.drawn) this.fetch(sound.id, start, stop, width, wanted);
  }

  private fetch(sound: string, start: number, stop: number, width: number, wanted: string): void {
    this.asking?.abort();
    clearTimeout(this.later);
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.drawn = wanted;
    api
      .peaks(sound, Math.max(Math.floor(start), 0), Math.max(Math.ceil(stop), 1), Math.min(Math.max(Math.round(width), 1), 8192), signal)
      .then((peaks) => {
        this.peaks = peaks;
        this.paint();
        if (!peaks.exact) this.later = window.setTimeout(() => this.fetch(sound, start, stop, width, wanted), AGAIN);
      })
      .catch(() => {
        if (!signal.aborted) this.drawn = ""; // the next change of view asks again
      });
  }

  private paint(): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const style = getComputedStyle(this.canvas);
    context.clearRect(0, 0, width, height);
    const { peaks } = this;
    if (peaks && this.store.shown()) {
      const { start, stop } = this.span();
      const per = (stop - start) / width;
      const lane = height / peaks.low.length;
      context.fillStyle = style.getPropertyValue("--wave");
      peaks.low.forEach((lows, channel) => {
        const middle = lane * (channel + 0.5);
        const highs = peaks.high[channel]!;
        const step = (peaks.stop - peaks.start) / peaks.pixels;
        lows.forEach((low, k) => {
          const [top, bottom] = [middle - Math.min(highs[k]!, 1) * lane * 0.48, middle - Math.max(low, -1) * lane * 0.48];
          context.fillRect((peaks.start + k * step - start) / per, top, Math.max(step / per, 1), Math.max(bottom - top, 1));
        });
      });
    }
    this.over(context, width, height);
  }
}

/** The waveform of what the plane shows, on the same time axis. */
export function waveform(store: Store, seek: (sample: number) => void): HTMLCanvasElement {
  const outline = new Outline(
    store,
    () => ({ start: store.start, stop: store.start + store.width * store.per }),
    (context, width, height) => {
      const style = getComputedStyle(context.canvas);
      for (const mark of store.selection) {
        context.fillStyle = style.getPropertyValue("--selected-fill");
        const left = (mark.start - store.start) / store.per;
        if (left < width) context.fillRect(left, 0, Math.max((mark.stop - mark.start) / store.per, 2), height);
      }
    },
    { class: "waveform", "aria-hidden": "true" },
  );
  outline.canvas.addEventListener("pointerdown", (event) => {
    seek(store.start + (event.clientX - outline.canvas.getBoundingClientRect().left) * store.per);
  });
  store.on(["sound", "view", "selection", "compare"], () => outline.refresh());
  return outline.canvas;
}

/** The whole sound; dragging moves the view. */
export function overview(store: Store): HTMLCanvasElement {
  const frames = (): number => store.current?.frames ?? 1;
  const outline = new Outline(
    store,
    () => ({ start: 0, stop: frames() }),
    (context, width, height) => {
      const style = getComputedStyle(context.canvas);
      const x = (sample: number): number => (sample / frames()) * width;
      for (const { mark, accepted } of store.damage) {
        context.fillStyle = style.getPropertyValue(accepted ? "--accepted" : "--rejected");
        context.fillRect(x(mark.start), 0, Math.max(x(mark.stop - mark.start), 2), 4);
      }
      for (const mark of store.selection) {
        context.fillStyle = style.getPropertyValue("--selected");
        context.fillRect(x(mark.start), height - 4, Math.max(x(mark.stop - mark.start), 2), 4);
      }
      context.strokeStyle = style.getPropertyValue("--focus");
      context.lineWidth = 2;
      const shown = Math.max(x(store.width * store.per), 6);
      context.strokeRect(x(store.start) + 1, 1, Math.min(shown, width) - 2, height - 2);
    },
    {
      class: "overview", tabindex: 0, role: "scrollbar", "aria-label": "Overview: scrolls through the sound",
      "aria-controls": "plane", "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0,
    },
  );
  const { canvas } = outline;
  const go = (event: PointerEvent): void => {
    const box = canvas.getBoundingClientRect();
    const middle = ((event.clientX - box.left) / box.width) * frames();
    store.look(middle - (store.width * store.per) / 2, store.per);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) go(event);
  });
  canvas.addEventListener("keydown", (event) => {
    const share = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -0.9, PageDown: 0.9 }[event.key];
    if (share !== undefined) store.look(store.start + share * store.width * store.per, store.per);
    else if (event.key === "Home") store.look(0, store.per);
    else if (event.key === "End") store.look(frames(), store.per);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  store.on(["sound", "view", "selection", "damage", "compare"], () => {
    const room = Math.max(frames() - store.width * store.per, 1);
    canvas.setAttribute("aria-valuenow", String(Math.round((100 * store.start) / room)));
    outline.refresh();
  });
  return canvas;
}
