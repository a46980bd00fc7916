// Light and dark: the system's, unless the user chose.

const KEY = "caesura-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export function dark(): boolean {
  return document.documentElement.dataset["theme"] === "dark";
}

/** Take up what was chosen before, or the system's; `changed` is called whenever the system turns the page. */
export function begin(changed: () => void): void {
  show();
  system.addEventListener("change", () => {
    show();
    changed();
  });
}

export function turn(): void {
  localStorage.setItem(KEY, dark() ? "light" : "dark");
  show();
}

function show(): void {
  const chosen = localStorage.getItem(KEY);
  const theme = chosen === "dark" || chosen === "light" ? chosen : system.matches ? "dark" : "light";
  document.documentElement.dataset["theme"] = theme;
}
