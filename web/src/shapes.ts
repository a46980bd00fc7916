// What a hand draws on the plane becomes regions: a span of time, a box, or many boxes for a brush, a lasso, harmonics.
import type { Mark } from "./api";
import type { Scale } from "./scale";

/** A point of the plane: a sample, and a position on the frequency scale from 0 (bottom) to 1. */
export interface Point {
  sample: number;
  height: number;
}

export const MOST_BOXES = 400; // boxes of one brush or lasso stroke: finer would not be heard
const PARTIALS = 40; // harmonics that are selected at most
const HARMONIC_WIDTH = 0.029; // half the width of a harmonic's band as a share of its frequency, half a semitone
const NARROWEST = 25; // hertz on either side of a harmonic at least

/** A region over the full band. */
export function timeMark(a: Point, b: Point, frames: number): Mark | null {
  const start = Math.max(Math.floor(Math.min(a.sample, b.sample)), 0);
  const stop = Math.min(Math.ceil(Math.max(a.sample, b.sample)), frames);
  return stop > start ? mark(start, stop) : null;
}

/** A region of time and frequency. */
export function boxMark(a: Point, b: Point, frames: number, scale: Scale): Mark | null {
  const span = timeMark(a, b, frames);
  const [low, high] = [Math.min(a.height, b.height), Math.max(a.height, b.height)];
  return span && high > low ? banded(span, low, high, scale) : null;
}

/** The boxes that a round brush of a radius in samples and in heights covers along a stroke. */
export function brushMarks(stroke: readonly Point[], radius: Point, frames: number, scale: Scale): Mark[] {
  const inside = (point: Point): boolean =>
    stroke.some((a, k) => nearness(point, a, stroke[k + 1] ?? a, radius) <= 1);
  return rasterised(stroke, radius, frames, scale, inside);
}

/** The boxes that a closed outline covers, by the even-odd rule. */
export function lassoMarks(outline: readonly Point[], frames: number, scale: Scale): Mark[] {
  if (outline.length < 3) return [];
  const inside = (point: Point): boolean => {
    let odd = false;
    outline.forEach((a, k) => {
      const b = outline[(k + 1) % outline.length]!;
      if (a.height > point.height !== b.height > point.height) {
        const crossing = a.sample + ((point.height - a.height) / (b.height - a.height)) * (b.sample - a.sample);
        if (point.sample < crossing) odd = !odd;
      }
    });
    return odd;
  };
  return rasterised(outline, { sample: 0, height: 0 }, frames, scale, inside);
}

/** A band around each harmonic of a fundamental in hertz, within the scale. */
export function harmonicMarks(a: Point, b: Point, frames: number, fundamental: number, scale: Scale): Mark[] {
  const span = timeMark(a, b, frames);
  if (!span || fundamental < 20) return [];
  const found: Mark[] = [];
  for (let k = 1; k <= PARTIALS && k * fundamental < scale.high; k++) {
    const half = Math.min(Math.max(k * fundamental * HARMONIC_WIDTH, NARROWEST), fundamental * 0.45);
    found.push({ ...span, kind: "box", low: k * fundamental - half, high: Math.min(k * fundamental + half, scale.high) });
  }
  return found;
}

/** Whether a region is a box and not a gap. */
export function isBox(one: Mark): boolean {
  return one.low != null || one.high != null;
}

function mark(start: number, stop: number): Mark {
  return { start, stop, low: null, high: null, channel: null, kind: "gap", confidence: null, text: "" };
}

function banded(span: Mark, low: number, high: number, scale: Scale): Mark {
  return {
    ...span,
    kind: "box",
    low: low <= 0 && scale.low === 0 ? 0 : scale.frequency(low),
    high: high >= 1 && scale.high === scale.top ? null : scale.frequency(high),
  };
}

/** Distance of a point from a segment in units of the brush. */
function nearness(point: Point, a: Point, b: Point, radius: Point): number {
  const [px, py] = [(point.sample - a.sample) / radius.sample, (point.height - a.height) / radius.height];
  const [dx, dy] = [(b.sample - a.sample) / radius.sample, (b.height - a.height) / radius.height];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
  return Math.hypot(px - along * dx, py - along * dy);
}

/** Columns of equal width, in each of them the runs of heights whose middles lie inside. */
function rasterised(
  points: readonly Point[], margin: Point, frames: number, scale: Scale, inside: (point: Point) => boolean,
): Mark[] {
  const samples = points.map((point) => point.sample);
  const heights = points.map((point) => point.height);
  const start = Math.max(Math.floor(Math.min(...samples) - margin.sample), 0);
  const stop = Math.min(Math.ceil(Math.max(...samples) + margin.sample), frames);
  const [bottom, top] = [Math.max(Math.min(...heights) - margin.height, 0), Math.min(Math.max(...heights) + margin.height, 1)];
  if (stop <= start || top <= bottom) return [];
  const columns = Math.min(48, Math.max(4, Math.round(stop - start)));
  const rows = 96;
  const found: Mark[] = [];
  for (let column = 0; column < columns; column++) {
    const from = start + Math.floor(((stop - start) * column) / columns);
    const to = start + Math.floor(((stop - start) * (column + 1)) / columns);
    if (to <= from) continue;
    let first = -1;
    for (let row = 0; row <= rows; row++) {
      const height = bottom + ((top - bottom) * (row + 0.5)) / rows;
      const covered = row < rows && inside({ sample: (from + to) / 2, height });
      if (covered && first < 0) first = row;
      if (!covered && first >= 0) {
        const edge = (r: number): number => bottom + ((top - bottom) * r) / rows;
        found.push(banded(mark(from, to), edge(first), edge(row), scale));
        first = -1;
      }
    }
  }
  return found.slice(0, MOST_BOXES);
}
