// What the page says: errors stay until they are closed, the rest goes by itself; screen readers hear both.
import { h, icon } from "./dom";

const errors = h("div", { class: "notices", role: "alert" });
const news = h("div", { class: "notices quiet", role: "status" });
const SECONDS = 4;

export const notices: readonly HTMLElement[] = [errors, news];

/** Something went wrong; `message` says what and how to mend it. */
export function complain(message: string): void {
  const note = h("div", { class: "notice error" }, h("span", null, message));
  note.append(icon("✕", "Close this message", () => note.remove()));
  errors.append(note);
  while (errors.children.length > 3) errors.firstElementChild?.remove();
}

/** Something happened. */
export function say(message: string): void {
  const note = h("div", { class: "notice" }, message);
  news.append(note);
  setTimeout(() => note.remove(), SECONDS * 1000);
}
