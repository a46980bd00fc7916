// The server's routes, with the types that OpenAPI gives them.
import type { components } from "./wire";

type Schemas = components["schemas"];
export type Sound = Schemas["Sound"];
export type Mark = Schemas["Mark"];
export type Job = Schemas["Job"];
export type Candidate = Schemas["Candidate"];
export type Method = Schemas["Method"];
export type Setting = Schemas["Setting"];
export type Way = Schemas["Way"];
export type Notes = Schemas["Notes"];
export type Grid = Schemas["Grid"];
export type Layer = Schemas["Layer"];
export type Tiles = Schemas["Tiles"];
export type Peaks = Schemas["Peaks"];
export type Session = Schemas["Session"];
export type Entry = Schemas["Entry"];
export type Value = Setting["default"];
/** A request: what has a default may be left out. */
type Ask<Name extends keyof Schemas, Needed extends keyof Schemas[Name]> = Partial<Schemas[Name]> & Pick<Schemas[Name], Needed>;
export type Creation = Ask<"Creation", "kind" | "method">;
export type Cell = Ask<"Cell", "layer" | "row" | "column">;

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The message of anything that was thrown. */
export function words(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof TypeError) return "The studio does not answer. Is `caesura studio` still running?";
  return error instanceof Error ? error.message : String(error);
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, credentials: "same-origin", signal: signal ?? null };
  if (body instanceof Blob) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await fetch(`/api${path}`, init);
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => ({}));
  const detail = (answer as { detail?: unknown }).detail;
  throw new Refused(response.status, typeof detail === "string" ? detail : `the studio answered ${response.status}`);
}

async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await (await request(method, path, body, signal)).json()) as T;
}

const at = (sound: string): string => `/sounds/${sound}`;

export const api = {
  session: () => json<Session>("POST", "/session"),
  methods: () => json<Method[]>("GET", "/methods"),
  ways: () => json<Way[]>("GET", "/ways"),
  notes: () => json<Notes>("GET", "/notes"),
  folder: () => json<Entry[]>("GET", "/folder"),
  open: (entry: string) => json<Sound>("POST", `/folder/${entry}`),
  upload: (file: Blob, name: string, origin: "upload" | "recording") =>
    json<Sound>("POST", `/sounds?name=${encodeURIComponent(name)}&origin=${origin}`, file),
  remove: (sound: string) => request("DELETE", at(sound)),
  tiles: (sound: string) => json<Tiles>("GET", `${at(sound)}/tiles`),
  peaks: (sound: string, start: number, stop: number, pixels: number, signal?: AbortSignal) =>
    json<Peaks>("GET", `${at(sound)}/peaks?start=${start}&stop=${stop}&pixels=${pixels}`, undefined, signal),
  audition: async (sound: string, regions: Mark[], part: "inside" | "outside") =>
    (await request("POST", `${at(sound)}/audition`, { regions, part, around_ms: 0 })).blob(),
  play: (sound: string) => `/api${at(sound)}/play`,
  thumbnail: (sound: string, palette: string) => `/api${at(sound)}/thumbnail?palette=${palette}`,
  file: (sound: string, format = "") => `/api${at(sound)}/file${format ? `?format=${format}` : ""}`,
  stem: (sound: string) => `/api${at(sound)}/stem`,
  report: (sound: string) => `/api${at(sound)}/report`,
  project: (sound: string) => `/api${at(sound)}/project`,
  labels: async (sound: string, regions: Mark[], format: string) =>
    (await request("POST", "/labels", { sound, regions, format })).blob(),
  readLabels: (sound: string, file: Blob) => json<Mark[]>("POST", `${at(sound)}/labels`, file),
  detect: (body: Ask<"Detection", "sound">) => json<Job>("POST", "/detections", body),
  restore: (body: Ask<"Restoration", "sound" | "regions">) => json<Job>("POST", "/restorations", body),
  create: (body: Creation) => json<Job>("POST", "/creations", body),
  note: (body: Partial<Schemas["NewNote"]>) => json<Job>("POST", "/notes", body),
  codes: (sound: string) => json<Job>("POST", "/codes", { sound, settings: {} }),
  edit: (body: Omit<Ask<"NoteEdit", "sound">, "cells"> & { cells: Cell[] }) => json<Job>("POST", "/note-edits", body),
  cancel: (job: string) => request("DELETE", `/jobs/${job}`),
};

/** Follow a job to its end; `told` hears of every change. The promise is kept with the ended job. */
export function follow(job: Job, told: (job: Job) => void): Promise<Job> {
  return new Promise((keep, give) => {
    told(job);
    const source = new EventSource(`/api/jobs/${job.id}/events`);
    source.addEventListener("job", (event) => {
      const now = JSON.parse((event as MessageEvent<string>).data) as Job;
      told(now);
      if (now.state === "done" || now.state === "failed" || now.state === "cancelled") {
        source.close();
        keep(now);
      }
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      give(new Error("The studio does not answer any more. Is `caesura studio` still running?"));
    });
  });
}
