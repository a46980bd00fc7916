// Elements made in code: no markup is ever put together from strings, so nothing that a file is called can be run.

type Child = Node | string | null | undefined | false;
type Handlers = { [K in keyof HTMLElementEventMap as `on${K}`]?: (event: HTMLElementEventMap[K]) => void };
type Attributes = Record<string, string | number | boolean | undefined | null | ((event: never) => void)>;

/** An element with attributes, handlers (`onclick` and so on) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: (Handlers & Attributes) | null = null,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...kept(children));
  return element;
}

/** Replace what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...kept(children));
}

/** Children that there are: `condition && child` leaves nothing behind where the condition fails. */
function kept(children: readonly Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
}

/** A labelled form control. */
export function field(label: string, control: HTMLElement, hint = ""): HTMLLabelElement {
  return h("label", { class: "field", title: hint || undefined }, h("span", null, label), control);
}

/** A button that shows an icon and says in words what it does. */
export function icon(symbol: string, label: string, onclick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick, ...attributes }, symbol);
}

/** Options of a `select`. */
export function options(values: readonly (readonly [string, string])[], chosen = ""): HTMLOptionElement[] {
  return values.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
}

/** A time in seconds as 1:02.345. */
export function clock(seconds: number, digits = 3): string {
  const sign = seconds < 0 ? "-" : "";
  const ticks = Math.round(Math.abs(seconds) * 10 ** digits);
  const whole = Math.floor(ticks / 10 ** digits);
  const rest = String(ticks % 10 ** digits).padStart(digits, "0");
  const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const head = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : String(minutes);
  return `${sign}${head}:${String(left).padStart(2, "0")}${digits ? `.${rest}` : ""}`;
}

/** A frequency as 440 Hz or 12.5 kHz. */
export function hertz(value: number): string {
  return value < 1000 ? `${Math.round(value)} Hz` : `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} kHz`;
}

/** Offer a blob as a file. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
