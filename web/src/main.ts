// Puts the page together.
import { api, words } from "./api";
import { TOOLS, toggleCompare, toolRail, topBar, workLine } from "./bars";
import { Creating } from "./creating";
import { damagePanel } from "./damage";
import { h } from "./dom";
import { exportDialog } from "./exporting";
import { Filling } from "./filling";
import { Hand } from "./hand";
import { historyPanel } from "./history";
import { helpDialog, listen, type Shortcut } from "./keys";
import { NotesPanel } from "./notes";
import { complain, notices } from "./notices";
import { overview, waveform } from "./outline";
import { Piano } from "./piano";
import { Plane } from "./plane";
import { Player } from "./player";
import { selectionPanel } from "./selecting";
import { Results } from "./results";
import { Starting } from "./starting";
import { Store } from "./store";
import * as theme from "./theme";
import { cancel } from "./work";

const PANELS = [["repair", "Repair"], ["notes", "Notes"], ["create", "Create"], ["history", "History"]] as const;
type PanelName = (typeof PANELS)[number][0];

function main(): void {
  const store = new Store();
  const plane = new Plane(store);
  plane.canvas.id = "plane";
  const head = h("div", { class: "playhead", "aria-hidden": "true" });
  const player = new Player(store, () => moveHead());
  const seek = (sample: number): void => player.seek(sample);
  new Hand(plane, store, seek);
  const results = new Results(store);
  const filling = new Filling(store, player, results);
  const notes = new NotesPanel(store, plane);
  const creating = new Creating(store);
  const piano = new Piano(store);
  const starting = new Starting(store, (name) => show(name));
  const exporting = exportDialog(store);

  function moveHead(): void {
    const x = plane.x(player.time * (store.current?.sample_rate ?? 1));
    head.hidden = !store.current || x < 0 || x > store.width;
    head.style.transform = `translateX(${x}px)`;
    if (store.playing && x > store.width) store.look(store.start + store.width * store.per, store.per);
  }

  const panels: Record<PanelName, HTMLElement> = {
    repair: h("div", null, damagePanel(store, player, results), selectionPanel(store, player), filling.element, results.element),
    notes: notes.element,
    create: creating.element,
    history: historyPanel(store),
  };
  const tabs = PANELS.map(([name, title]) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => show(name) }, title),
  );
  function show(chosen: PanelName): void {
    PANELS.forEach(([name], k) => {
      tabs[k]!.setAttribute("aria-selected", String(name === chosen));
      tabs[k]!.tabIndex = name === chosen ? 0 : -1;
      panels[name].hidden = name !== chosen;
    });
  }
  for (const [name, panel] of Object.entries(panels)) {
    panel.id = `panel-${name}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", `tab-${name}`);
  }
  const tablist = h("div", { class: "tabs", role: "tablist", "aria-label": "Panels" }, ...tabs);
  tablist.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const next = (tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true") + step + tabs.length) % tabs.length;
    show(PANELS[next]![0]);
    tabs[next]!.focus();
    event.stopPropagation();
  });

  const shortcuts: Shortcut[] = [
    { key: " ", does: "play and pause", act: () => player.toggle() },
    { key: "Enter", does: "fill the selection", act: () => void filling.start() },
    { key: "s", does: "play the selection with what is around it", act: () => player.playSelection() },
    { key: "x", does: "compare with the original", act: () => toggleCompare(store) },
    { key: "z", command: true, shift: false, does: "undo", act: () => store.undo() },
    { key: "z", command: true, shift: true, does: "redo", act: () => store.again() },
    { key: "y", command: true, does: "redo", act: () => store.again() },
    { key: "o", command: true, does: "open a file", act: () => starting.chooser.click() },
    { key: "e", command: true, does: "export", act: () => exporting.open() },
    { key: "a", command: true, does: "select everything", act: () => selectAll() },
    { key: "d", does: "find damage", act: () => document.getElementById("find-damage")?.click() },
    { key: "Escape", does: "cancel what runs, or clear the selection", act: () => (store.running ? void cancel(store) : store.select([])) },
    { key: "+", does: "zoom in", act: () => store.zoom(0.5) },
    { key: "-", does: "zoom out", act: () => store.zoom(2) },
    { key: "0", does: "show everything", act: () => { store.showAll(); store.tell("view"); } },
    ...TOOLS.map(([tool, , label, key]) => ({ key, does: `tool: ${label}`, act: () => { store.tool = tool; store.tell("tool"); } })),
    { key: "?", does: "this list", act: () => help.open() },
  ];
  const help = helpDialog(shortcuts);
  function selectAll(): void {
    if (store.current) store.select([{ start: 0, stop: store.current.frames, low: null, high: null, channel: null, kind: "gap", confidence: null, text: "" }]);
  }

  const turn = (): void => store.tell("view", "sounds");
  theme.begin(turn);
  const bar = topBar(store, player, {
    open: () => starting.chooser.click(),
    export: () => exporting.open(),
    help: () => help.open(),
    theme: () => { theme.turn(); turn(); },
    piano: () => piano.toggle(),
  });
  const editor = h(
    "main", { class: "editor", "aria-label": "Editor" },
    overview(store), waveform(store, seek), h("div", { class: "stage" }, plane.canvas, head), workLine(store),
  );
  const middle = h("div", { class: "middle" }, toolRail(store), editor, h("aside", { class: "side", "aria-label": "Tools" }, tablist, ...Object.values(panels)));
  document.getElementById("app")!.append(bar, starting.element, middle, ...notices, exporting.element, help.element, starting.chooser);

  store.on(["sound"], () => {
    starting.element.hidden = store.current !== null;
    middle.classList.toggle("empty", store.current === null);
    if (store.current) void describe(store);
  });
  store.on(["sound", "view", "play"], () => moveHead());
  middle.classList.add("empty");
  show("repair");
  listen(shortcuts);
  void begin(store, starting);
}

/** Learn how the sound's tiles are cut. */
async function describe(store: Store): Promise<void> {
  const sound = store.current!;
  try {
    const tiles = await api.tiles(sound.id);
    if (store.current !== sound) return;
    store.tiles = tiles;
    store.tell("view");
  } catch (error) {
    complain(words(error));
  }
}

async function begin(store: Store, starting: Starting): Promise<void> {
  try {
    store.session = await api.session();
    [store.methods, store.ways, store.notes] = await Promise.all([api.methods(), api.ways(), api.notes()]);
    void starting.list();
    store.add(...store.session.sounds);
    const last = store.session.sounds.at(-1);
    if (last) store.open(last);
    store.tell("sound", "job");
  } catch (error) {
    complain(words(error));
  }
}

main();
