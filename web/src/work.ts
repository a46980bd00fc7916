// Passes over the models: start, follow, cancel, and open what came of them.
import { api, follow, words, type Candidate, type Job } from "./api";
import { complain, say } from "./notices";
import type { Store } from "./store";

/** Start a job and follow it; null when it failed, was cancelled, or something else is running. */
export async function run(store: Store, title: string, start: () => Promise<Job>): Promise<Job | null> {
  if (store.running) {
    complain("Something is running already: wait for it, or cancel it.");
    return null;
  }
  try {
    const ended = await follow(await start(), (job) => {
      store.running = { job, title };
      store.tell("job");
    });
    if (ended.state === "failed") complain(ended.error);
    if (ended.state === "cancelled") say(`${title}: cancelled.`);
    return ended.state === "done" ? ended : null;
  } catch (error) {
    complain(words(error));
    return null;
  } finally {
    store.running = null;
    store.tell("job");
  }
}

/** As `run`, for jobs that make sounds: the first of them becomes the current one. */
export async function make(store: Store, title: string, start: () => Promise<Job>): Promise<Candidate[]> {
  const job = await run(store, title, start);
  const made = job?.candidates ?? [];
  const first = made[0];
  if (!first) return [];
  // what a chain of steps left between its two ends is part of the history as well
  const session = await api.session().catch(() => null);
  store.add(...(session?.sounds ?? []), ...made.map((one) => one.sound));
  store.open(first.sound);
  say(`${title}: done.`);
  return made;
}

export async function cancel(store: Store): Promise<void> {
  if (!store.running) return;
  await api.cancel(store.running.job.id).catch((error: unknown) => complain(words(error)));
}
