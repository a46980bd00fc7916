// Light and dark: the system's, unless the user chose.

const KEY = "caesura-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export function dark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : system.matches;
}

/** Take up what was chosen before; `changed` is called whenever the page turns. */
export function begin(changed: () => void): void {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset["theme"] = chosen;
  system.addEventListener("change", changed);
}

export function turn(): void {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset["theme"] = theme;
  localStorage.setItem(KEY, theme);
}
