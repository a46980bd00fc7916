import { expect, test } from "vitest";
import { Scale, nice } from "../src/scale";
import { boxMark, brushMarks, harmonicMarks, lassoMarks, timeMark } from "../src/shapes";

const SCALES = (["linear", "mel", "log"] as const).map((name) => new Scale(name, 0, 22_050, 20));
const linear = SCALES[0]!;

test.each(SCALES)("a frequency comes back from its position: $name", (scale) => {
  for (const f of [20, 440, 1000, 9999, 22_050]) expect(scale.frequency(scale.position(f))).toBeCloseTo(f, 6);
});

test.each(SCALES)("ticks rise and keep apart: $name", (scale) => {
  const ticks = scale.ticks(10);
  expect(ticks.length).toBeGreaterThan(3);
  ticks.slice(1).forEach((f, k) => expect(scale.position(f) - scale.position(ticks[k]!)).toBeGreaterThan(0.0999));
});

test("nice numbers", () => {
  expect([0.3, 1, 1.1, 2.5, 5, 7, 700].map(nice)).toEqual([0.5, 1, 2, 5, 5, 10, 1000]);
});

test("a span is whole samples inside the sound, whichever way it was drawn", () => {
  const a = { sample: 10.6, height: 0 };
  expect(timeMark({ sample: -5, height: 1 }, a, 100)).toMatchObject({ start: 0, stop: 11, low: null, high: null });
  expect(timeMark(a, { sample: 500, height: 0 }, 100)).toMatchObject({ start: 10, stop: 100 });
  expect(timeMark({ sample: 200, height: 0 }, { sample: 300, height: 0 }, 100)).toBeNull();
});

test("a box that reaches the top has no upper limit", () => {
  const box = boxMark({ sample: 0, height: 0.5 }, { sample: 10, height: 1 }, 100, linear)!;
  expect(box.low).toBeCloseTo(11_025);
  expect(box.high).toBeNull();
});

test("a lasso around a rectangle covers it", () => {
  const corners = [[100, 0.25], [900, 0.25], [900, 0.75], [100, 0.75]].map(([sample, height]) => ({ sample: sample!, height: height! }));
  const marks = lassoMarks(corners, 1000, linear);
  const area = marks.reduce((sum, m) => sum + (m.stop - m.start) * (m.high! - m.low!), 0);
  expect(area / (800 * 11_025)).toBeCloseTo(1, 6);
  expect(marks[0]!.start).toBe(100);
  expect(marks.at(-1)!.stop).toBe(900);
});

test("a dab of the brush is an ellipse", () => {
  const marks = brushMarks([{ sample: 500, height: 0.5 }], { sample: 200, height: 0.2 }, 1000, linear);
  const area = marks.reduce((sum, m) => sum + (m.stop - m.start) * (m.high! - m.low!), 0);
  expect(area / (Math.PI * 200 * 0.2 * 22_050)).toBeCloseTo(1, 1);
});

test("harmonics do not overlap and stay below the top", () => {
  const marks = harmonicMarks({ sample: 0, height: 0 }, { sample: 50, height: 0 }, 100, 440, linear);
  expect(marks.length).toBeGreaterThan(30);
  marks.slice(1).forEach((m, k) => expect(m.low!).toBeGreaterThan(marks[k]!.high!));
  expect(Math.max(...marks.map((m) => m.high!))).toBeLessThanOrEqual(22_050);
});
