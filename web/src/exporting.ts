// Export: the audio in its own format, what was added, the regions, the report, and a project that the CLI follows.
import { api, words } from "./api";
import { download, fill, h } from "./dom";
import { complain } from "./notices";
import type { Store } from "./store";

export function exportDialog(store: Store): { element: HTMLDialogElement; open: () => void } {
  const body = h("div", { class: "links" });
  const element = h(
    "dialog", { class: "dialog", "aria-labelledby": "export-title" },
    h("h2", { id: "export-title" }, "Export"), body,
    h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")),
  );

  async function labels(format: string): Promise<void> {
    const sound = store.current!;
    const regions = [...store.damage.filter((found) => found.accepted).map((found) => found.mark), ...store.selection];
    const all = regions.length ? regions : store.line(sound).flatMap((one) => one.step?.regions ?? []);
    if (!all.length) {
      complain("There are no regions to export: select some, or look for damage.");
      return;
    }
    try {
      download(await api.labels(sound.id, all, format), `${sound.name.replace(/\.[^.]*$/, "")}.${format}`);
    } catch (error) {
      complain(words(error));
    }
  }

  function open(): void {
    const sound = store.current;
    if (!sound) return;
    const link = (text: string, href: string, id: string, hint: string): HTMLElement =>
      h("a", { class: "export", href, id, download: "" }, h("strong", null, text), h("span", { class: "hint" }, hint));
    const file = (text: string, format: string, hint: string): HTMLElement =>
      h("button", { type: "button", class: "export", onclick: () => void labels(format) }, h("strong", null, text), h("span", { class: "hint" }, hint));
    fill(
      body,
      link("Audio", api.file(sound.id), "export-audio", `${sound.container} ${sound.subtype}, ${sound.sample_rate} Hz, with its metadata`),
      sound.container !== "FLAC" && link("Audio as FLAC", api.file(sound.id, "flac"), "export-flac", "lossless, smaller"),
      sound.container !== "WAV" && link("Audio as WAV", api.file(sound.id, "wav"), "export-wav", "lossless"),
      sound.parent && link("Stem", api.stem(sound.id), "export-stem", "this sound minus the one it was made from"),
      sound.step && link("Report", api.report(sound.id), "export-report", "what was done to each region"),
      sound.step && link("Project", api.project(sound.id), "export-project", "caesura restore FILE --project this.json makes the same bytes"),
      file("Labels for Audacity", "txt", "what is accepted and selected, or what was repaired"),
      file("Labels as CSV", "csv", "the same for spreadsheets"),
      file("Labels as JSON", "json", "the same for programs"),
    );
    element.showModal();
  }

  return { element, open };
}
