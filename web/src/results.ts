// What was done: one line per region of the report, what was refused first, with its reason.
import type { Candidate, Mark } from "./api";
import { clock, fill, h } from "./dom";
import type { Store } from "./store";

/** An entry of a report's regions; see `caesura.report`. */
export interface Done {
  start: number;
  stop: number;
  start_s: number;
  length_ms: number;
  channel: number | null;
  filled: boolean;
  method: string;
  why: string;
  confidence: number | null;
}

const SHOWN = 50;

export function regionsOf(candidate: Candidate): Done[] {
  const regions = (candidate.report as { regions?: Done[] }).regions;
  return Array.isArray(regions) ? regions : [];
}

/** Why a region was left as it was; undefined when it was filled. */
export function refusal(mark: Mark, done: readonly Done[]): string | undefined {
  return done.find((one) => !one.filled && one.start === mark.start && one.stop === mark.stop)?.why;
}

/** The outcome of the step that made the current sound. */
export class Results {
  readonly element = h("section", { class: "panel", "aria-label": "Result" });
  private readonly reports = new Map<string, Done[]>();

  constructor(private readonly store: Store) {
    store.on(["sound"], () => this.show());
    this.show();
  }

  take(made: readonly Candidate[]): void {
    for (const one of made) this.reports.set(one.sound.id, regionsOf(one));
    this.show();
  }

  private show(): void {
    const done = this.reports.get(this.store.current?.id ?? "") ?? [];
    this.element.hidden = done.length === 0;
    const refused = done.filter((one) => !one.filled);
    const rows = [...refused, ...done.filter((one) => one.filled)].slice(0, SHOWN);
    fill(
      this.element, h("h2", null, "Result"),
      h("p", { role: "status" }, `${done.length - refused.length} filled${refused.length ? `, ${refused.length} left as they were` : ""}; nothing else was changed.`),
      h("ul", { class: "results" }, ...rows.map((one) => this.row(one))),
      done.length > SHOWN && h("p", { class: "hint" }, "The whole list is in the report: Export."),
    );
  }

  private row(one: Done): HTMLElement {
    const sure = one.confidence == null ? "" : `, confidence ${Math.round(one.confidence * 100)} %`;
    const text = one.filled ? `${one.method}${sure}` : `left: ${one.why}`;
    return h(
      "li", { class: one.filled ? undefined : "refused" },
      h("button", { type: "button", class: "plain", title: one.why, onclick: () => this.store.lookAt(one) }, `${clock(one.start_s)}, ${one.length_ms.toFixed(1)} ms: ${text}`),
    );
  }
}
