// Forms made from what the server says of a method: one control per field, with its documentation.
import type { Method, Setting, Value } from "./api";
import { field, h, options } from "./dom";

export type Values = Record<string, Value>;

/** A form for some settings. `values` is kept up to date; fields left at their default are not in it. */
export function settingsForm(settings: readonly Setting[], values: Values): HTMLElement {
  return h("div", { class: "settings" }, ...settings.map((setting) => settingField(setting, values)));
}

function settingField(setting: Setting, values: Values): HTMLElement {
  const control = controlOf(setting, values[setting.name] ?? setting.default);
  const read = (): void => {
    const value = valueOf(setting, control);
    if (value === undefined) return;
    if (JSON.stringify(value) === JSON.stringify(setting.default)) delete values[setting.name];
    else values[setting.name] = value;
  };
  control.addEventListener("change", read);
  const label = field(setting.name.replaceAll("_", " "), control);
  return h("div", { class: "setting" }, label, h("p", { class: "hint" }, setting.doc));
}

function controlOf(setting: Setting, value: Value): HTMLInputElement | HTMLSelectElement {
  if (setting.type === "choice") {
    return h("select", { name: setting.name }, ...options((setting.choices ?? []).map((one) => [one, one || "(default)"] as const), String(value)));
  }
  if (setting.type === "boolean") return h("input", { type: "checkbox", name: setting.name, checked: value === true });
  const number = setting.type === "integer" || setting.type === "number";
  return h("input", {
    name: setting.name,
    type: number ? "number" : "text",
    step: setting.type === "integer" ? 1 : number ? "any" : undefined,
    min: setting.minimum,
    max: setting.maximum,
    value: Array.isArray(value) ? value.join(", ") : value === null ? "" : String(value),
    placeholder: setting.optional ? "none" : undefined,
  });
}

/** What a control holds; undefined (and the control is marked) when it is not a value of the setting. */
function valueOf(setting: Setting, control: HTMLInputElement | HTMLSelectElement): Value | undefined {
  control.setCustomValidity("");
  if (control instanceof HTMLInputElement && control.type === "checkbox") return control.checked;
  const text = control.value.trim();
  if (setting.type === "text" || setting.type === "choice") return control.value;
  if (!text) {
    if (setting.optional) return null;
    return wrong(control, "Give a number.");
  }
  if (setting.type === "integers" || setting.type === "numbers") {
    const list = text.split(/[\s,]+/).map(Number);
    return list.every(Number.isFinite) ? list : wrong(control, "Give numbers with commas between them.");
  }
  const number = Number(text);
  if (!Number.isFinite(number)) return wrong(control, "Give a number.");
  return control.checkValidity() ? number : (control.reportValidity(), undefined);
}

function wrong(control: HTMLInputElement | HTMLSelectElement, message: string): undefined {
  control.setCustomValidity(message);
  control.reportValidity();
  return undefined;
}

/** Why a method cannot fill what is selected; empty when it can. */
export function obstacle(method: Method, has: { gaps: boolean; boxes: boolean; text: string; guide: boolean }): string {
  if (!method.available) return method.reason || "It cannot work here.";
  if (has.boxes && !method.boxes) return "It fills whole spans of time, not boxes: select with the Time tool.";
  if (has.gaps && !method.gaps) return "It fills boxes only: select with the Box, Brush or Lasso tool.";
  if (method.text && !has.text) return "It needs a text: say what should be heard.";
  if (method.guide && !has.guide) return "It needs a guide: choose another sound.";
  return "";
}
