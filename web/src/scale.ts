// Frequency scales of the plane; the server draws its tiles along the same ones.
//
//   linear: f,   mel: 700 ln(1 + f / 700),   log: ln max(f, lowest)

export type ScaleName = "linear" | "mel" | "log";

export class Scale {
  private readonly from: number;
  private readonly to: number;

  /** From `low` to `high` hertz of a sound that reaches to `top`; on the logarithmic scale `low` is at least `lowest`. */
  constructor(
    readonly name: ScaleName,
    readonly low: number,
    readonly high: number,
    private readonly lowest: number,
    readonly top: number = high,
  ) {
    this.from = this.warp(low);
    this.to = this.warp(high);
  }

  /** Where a frequency lies, 0 at the bottom and 1 at the top. */
  position(frequency: number): number {
    return Math.min(Math.max((this.warp(frequency) - this.from) / (this.to - this.from), 0), 1);
  }

  /** The frequency at a position. */
  frequency(position: number): number {
    const value = this.from + Math.min(Math.max(position, 0), 1) * (this.to - this.from);
    if (this.name === "linear") return value;
    return this.name === "mel" ? 700 * Math.expm1(value / 700) : Math.exp(value);
  }

  /** Frequencies worth a line, from the lowest to the highest. */
  ticks(most: number): number[] {
    const round = this.name === "linear" ? linearTicks(this.low, this.high, most) : OCTAVES;
    const inside = round.filter((f) => f > this.low && f < this.high * 0.99);
    const kept: number[] = [];
    for (const f of inside) {
      const before = kept.at(-1);
      if (before === undefined || this.position(f) - this.position(before) > 1 / most) kept.push(f);
    }
    return kept;
  }

  private warp(frequency: number): number {
    if (this.name === "linear") return frequency;
    if (this.name === "mel") return 700 * Math.log1p(frequency / 700);
    return Math.log(Math.max(frequency, this.lowest));
  }
}

const OCTAVES = [50, 100, 200, 500, 1000, 2000, 4000, 6000, 8000, 12_000, 16_000, 20_000, 30_000, 40_000, 80_000];

function linearTicks(low: number, high: number, most: number): number[] {
  const step = nice((high - low) / most);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => (first + k) * step);
}

/** The smallest of 1, 2 and 5 times a power of ten that is not below a number. */
export function nice(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((factor) => factor * power >= least * 0.999999) ?? 10) * power;
}
