// The current note under the fingers: MIDI and the computer's keyboard play it at any pitch, in tune with its true root.
import { api, words } from "./api";
import { complain, say } from "./notices";
import type { Store } from "./store";

const LONGEST = 20; // seconds that are held in memory for playing
const KEYS = "zsxdcvgbhnjm,l.;/q2w3er5t6y7ui9o0p"; // two rows of a keyboard as a piano, the first key is C3
const FIRST = 48; // MIDI number of the first key
const RELEASE = 0.15; // seconds

export class Piano {
  private on = false;
  private context: AudioContext | null = null;
  private buffer: AudioBuffer | null = null;
  private of = "";
  private asked: Promise<void> | null = null;
  private readonly sounding = new Map<number, { source: AudioBufferSourceNode; gain: GainNode }>();

  constructor(private readonly store: Store) {
    window.addEventListener("keydown", (event) => this.key(event, true), { capture: true });
    window.addEventListener("keyup", (event) => this.key(event, false), { capture: true });
  }

  /** Take the keyboard, and MIDI where the browser has it; or give them back. */
  async toggle(): Promise<boolean> {
    this.on = !this.on;
    if (!this.on) {
      for (const pitch of [...this.sounding.keys()]) this.release(pitch);
      return false;
    }
    this.context ??= new AudioContext();
    await this.load();
    say("The keyboard plays this sound: the row of Z begins at C3, the row of Q at C4. Press the piano button again to stop.");
    this.asked ??= this.listen();
    return true;
  }

  private async listen(): Promise<void> {
    if (!navigator.requestMIDIAccess) return;
    try {
      const access = await navigator.requestMIDIAccess();
      const connect = (): void => {
        for (const input of access.inputs.values()) input.onmidimessage = (event) => this.midi(event.data);
      };
      access.onstatechange = connect;
      connect();
    } catch {
      say("No MIDI: the browser does not allow it. The computer's keyboard plays.");
    }
  }

  private midi(data: Uint8Array | null): void {
    if (!data || !this.on) return;
    const [status, pitch, velocity] = [data[0]! & 0xf0, data[1]!, data[2]!];
    if (status === 0x90 && velocity) void this.press(pitch, velocity / 127);
    else if (status === 0x80 || status === 0x90) this.release(pitch);
  }

  private key(event: KeyboardEvent, down: boolean): void {
    if (!this.on || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLElement && event.target.matches("input, select, textarea")) return;
    const place = KEYS.indexOf(event.key.toLowerCase());
    if (place < 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat) return;
    // the upper row begins an octave above the lower one, whose last five keys it repeats
    const pitch = FIRST + (place < 17 ? place : place - 5);
    if (down) void this.press(pitch, 0.8);
    else this.release(pitch);
  }

  private async load(): Promise<void> {
    const sound = this.store.shown();
    if (!sound || !this.context || this.of === sound.id) return;
    if (sound.seconds > LONGEST) {
      complain(`A sound of up to ${LONGEST} s can be played on the keys; this one has ${sound.seconds.toFixed(0)} s.`);
      return;
    }
    try {
      this.buffer = await this.context.decodeAudioData(await (await fetch(api.play(sound.id))).arrayBuffer());
      this.of = sound.id;
    } catch (error) {
      complain(words(error));
    }
  }

  private async press(pitch: number, level: number): Promise<void> {
    await this.load();
    const { context, buffer } = this;
    if (!context || !buffer) return;
    this.release(pitch);
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = buffer;
    source.playbackRate.value = 2 ** ((pitch - (this.store.shown()?.pitch ?? 60)) / 12);
    gain.gain.value = level;
    source.connect(gain).connect(context.destination);
    source.start();
    this.sounding.set(pitch, { source, gain });
  }

  private release(pitch: number): void {
    const voice = this.sounding.get(pitch);
    if (!voice || !this.context) return;
    this.sounding.delete(pitch);
    voice.gain.gain.setTargetAtTime(0, this.context.currentTime, RELEASE / 3);
    voice.source.stop(this.context.currentTime + RELEASE * 2);
  }
}
