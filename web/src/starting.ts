// The first page: drop a file, record, take one from the folder, or make a note or a clip from nothing.
import { api, words, type Sound } from "./api";
import { clock, fill, h } from "./dom";
import { complain, say } from "./notices";
import type { Store } from "./store";

const TYPES = ".wav,.wave,.rf64,.bwf,.aif,.aiff,.flac,.ogg,.oga,.opus,.mp3,.m4a,.w64,audio/*";

export class Starting {
  readonly element: HTMLElement;
  readonly chooser = h("input", { type: "file", accept: TYPES, class: "hidden", id: "file", "aria-label": "Recording", onchange: () => void this.chosen() });
  private readonly folder = h("ul", { class: "folder", "aria-label": "Recordings in the folder" });
  private readonly record = h("button", { type: "button", id: "record", onclick: () => void this.toggleRecording() }, "Record");
  private recorder: MediaRecorder | null = null;

  constructor(
    private readonly store: Store,
    show: (panel: "notes" | "create") => void,
  ) {
    this.element = h(
      "section", { class: "start", "aria-label": "Start" },
      h("h1", null, "caesura"),
      h("p", null, "A break in the music; this fills it. See the sound, select, and repaint it."),
      h(
        "div", { class: "drop" },
        h("p", null, "Drop a recording here, or"),
        h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: () => this.chooser.click() }, "Choose a file"), this.record),
        h("div", { class: "row" },
          h("button", { type: "button", onclick: () => show("notes") }, "Make a note"),
          h("button", { type: "button", onclick: () => show("create") }, "Make a clip"),
        ),
      ),
      this.folder,
    );
    for (const name of ["dragover", "drop"] as const) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        if (name === "drop" && event.dataTransfer?.files[0]) void this.take(event.dataTransfer.files[0]);
      });
    }
  }

  /** Upload a recording and open it. */
  async take(file: Blob, name = (file as File).name ?? "recording.webm", origin: "upload" | "recording" = "upload"): Promise<void> {
    say(`Opening ${name} …`);
    await this.open(() => api.upload(file, name, origin));
  }

  private async open(load: () => Promise<Sound>): Promise<void> {
    try {
      const sound = await load();
      this.store.add(sound);
      this.store.open(sound);
      say(`${sound.name}: ${clock(sound.seconds, 1)}, ${sound.sample_rate} Hz, ${sound.channels} channel${sound.channels > 1 ? "s" : ""}.`);
      if (sound.note) say(sound.note);
    } catch (error) {
      complain(words(error));
    }
  }

  private async chosen(): Promise<void> {
    const file = this.chooser.files?.[0];
    this.chooser.value = "";
    if (file) await this.take(file);
  }

  /** Show what lies in the folder that the studio was started with. */
  async list(): Promise<void> {
    const entries = await api.folder().catch(() => []);
    fill(
      this.folder,
      ...entries.slice(0, 500).map((entry) =>
        h("li", null, h("button", { type: "button", class: "plain", onclick: () => void this.open(() => api.open(entry.id)) }, entry.name)),
      ),
    );
    this.folder.hidden = entries.length === 0;
  }

  private async toggleRecording(): Promise<void> {
    if (this.recorder) {
      this.recorder.stop();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      const pieces: Blob[] = [];
      const recorder = new MediaRecorder(stream);
      recorder.ondataavailable = (event) => pieces.push(event.data);
      recorder.onstop = () => {
        this.recorder = null;
        this.record.textContent = "Record";
        for (const track of stream.getTracks()) track.stop();
        void this.take(new Blob(pieces, { type: recorder.mimeType }), "recording.webm", "recording");
      };
      recorder.start();
      this.recorder = recorder;
      this.record.textContent = "Stop recording";
    } catch (error) {
      complain(`The microphone cannot be used: ${words(error)}`);
    }
  }
}
