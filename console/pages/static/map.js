// The map's page: colours places by what is chosen, draws a place's history, fills the table with the same numbers.

import { categoryScale, entry, numberScale } from "./map_colours.js";
import { ShapeMap } from "./shape_map.js";

const at = (id) => document.getElementById(id);
const info = JSON.parse(at("map-info").textContent), root = document.documentElement.dataset.root;
const BLUE = "#2563eb", ORANGE = "#ea7317", GREY = "#e2e8f0", NAMED = 8;
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };

const asked = new URLSearchParams(location.search);
const names = info.measures.map((one) => one.name);
const state = {
  of: names.includes(asked.get("of")) ? asked.get("of") : names[0],
  by: info.by.some((one) => one.value === asked.get("by")) ? asked.get("by") : info.by[0]?.value ?? "",
  period: info.periods.includes(asked.get("period")) ? info.periods.indexOf(asked.get("period")) : info.periods.length - 1,
  change: asked.get("change") === "on",
  place: asked.get("place") ?? "",
  sort: "value", rising: false,
};
const nameOf = (place) => info.names[place] ?? place;

const answers = new Map();
async function read(address) {
  if (!answers.has(address)) {
    answers.set(address, fetch(`${root}/${address}`).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status} for ${address}`);
      return answer.json();
    }));
    answers.get(address).catch(() => answers.delete(address)); // asked again the next time
  }
  return answers.get(address);
}

function values(of) {
  const address = new URLSearchParams({ of, by: state.by });
  if (of === "drift") address.set("period", info.periods[state.period]); // it is counted for one
  return read(`map/values?${address}`);
}

const places = new WeakMap(); // of an answer: where each place stands in it
function rowOf(found, place, matrix = "values") {
  if (!places.has(found)) places.set(found, new Map(found.places.map((one, number) => [one, number])));
  const number = places.get(found).get(place);
  return number === undefined || !found[matrix] ? [] : found[matrix][number];
}
const minus = (now, before) => (now == null || before == null ? null : now - before);
const changeOf = (found, place) => minus(rowOf(found, place)[state.period], rowOf(found, place)[state.period - 1]);
const canChange = (found) => found.kind !== "category" && found.name !== "drift";

function text(found, value, signed = false) {
  if (value == null) return "";
  if (found.kind === "category") return found.categories[value] ?? "";
  const sign = signed && value > 0 ? "+" : "";
  if (found.kind === "share") return `${sign}${(100 * value).toFixed(1)} ${signed ? "points" : "%"}`;
  const number = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
  return sign + number + (found.unit ? ` ${found.unit}` : "");
}

// Sentences with `commands` in them.
function coded(place, sentence) {
  place.replaceChildren(...sentence.split("`").map((part, number) => {
    if (number % 2 === 0) return document.createTextNode(part);
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  }));
}

function scaleOf(found, changed) {
  if (found.kind === "category") return categoryScale(found.categories);
  const all = changed ? spread(found) : Math.max(Math.abs(found.low), Math.abs(found.high)), signed = changed || found.signed;
  const [low, high] = signed ? [-all, all] : [found.low, found.high];
  return numberScale(low, high, signed, (value) => text(found, round(value, high - low), changed));
}

// What a tick needs of a number, no more.
const round = (value, span) => +value.toFixed(Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(span || 1)))));

// How far changes of all periods reach, without the outermost fiftieth.
function spread(found) {
  const all = found.values.flatMap((row) => row.slice(1).map((now, number) => minus(now, row[number])))
    .filter((one) => one != null).map(Math.abs).sort((one, other) => one - other);
  return all[Math.floor(all.length * 0.98)] || all.at(-1) || 1;
}

// Where nobody asked for a period: the newest of which there is something, for truths come late.
let settled = info.periods.includes(asked.get("period"));
function settle(found) {
  if (settled || found.name === "drift") return false;
  settled = true;
  const there = info.periods.map((_, number) => found.values.some((row) => row[number] != null)).lastIndexOf(true);
  if (there === -1 || there === state.period) return false;
  move(there);
  return true;
}

let drawing = 0; // of choices that follow one another quickly only the last is drawn
async function draw() {
  const mine = ++drawing;
  at("shown-period").textContent = info.periods[state.period];
  at("period").setAttribute("aria-valuetext", info.periods[state.period]);
  at("before").disabled = state.period === 0;
  at("after").disabled = state.period === info.periods.length - 1;
  remember();
  try {
    const [found, shapes] = await Promise.all([values(state.of), info.shapes ? read(info.shapes) : null]);
    if (mine !== drawing || settle(found)) return;
    at("change").disabled = !canChange(found);
    const changed = state.change && canChange(found);
    const [before, now] = [info.periods[state.period - 1], info.periods[state.period]];
    const told = !changed ? found.about : before === undefined ? `Nothing is before the first ${info.period}.`
      : `From ${before} to ${now}. ${found.about}`;
    coded(at("about"), found.problem ? `Nothing to draw: ${found.problem}` : told);
    const shown = new Map(found.places.map((place) =>
      [place, changed ? changeOf(found, place) : rowOf(found, place)[state.period]]));
    if (shapes) drawMap(found, shapes, shown, changed);
    fillTable(found);
    await drawPlace(found);
  } catch (error) {
    if (mine === drawing) at("about").textContent = `no answer: ${error.message}`;
  }
}

function hintOf(place) {
  const { found, shown, changed } = seen, value = shown.get(place), rows = rowOf(found, place, "rows")[state.period];
  if (value == null) return [nameOf(place), `no value in ${info.periods[state.period]}`];
  return [nameOf(place), text(found, value, changed), ...(rows == null ? [] : [`${rows.toLocaleString("en")} row${rows === 1 ? "" : "s"}`])];
}

const map = new ShapeMap(at("map"), "Map of the places; the table below has the same numbers", choose, hintOf);
let seen; // what is drawn: the answer, the value of each place, whether it is the change

function drawMap(found, shapes, shown, changed) {
  if (!map.paths.size) map.draw(shapes.features);
  seen = { found, shown, changed };
  const scale = scaleOf(found, changed), filled = [...shown].filter(([, value]) => value != null);
  map.colour(new Map(filled.map(([place, value]) => [place, scale.of(value)])));
  map.mark(state.place);
  const empty = [...map.paths.keys()].filter((place) => shown.get(place) == null).map(nameOf).sort((a, b) => a.localeCompare(b));
  const more = empty.length > NAMED ? ` and ${empty.length - NAMED} more` : "";
  const grey = empty.length ? [entry("", `no value: ${empty.slice(0, NAMED).join(", ")}${more}`)] : [];
  at("legend").replaceChildren(...(filled.length ? scale.legend() : []), ...grey);
  at("map").dataset.drawn = `${state.of} ${state.by} ${info.periods[state.period]} ${changed ? "change" : "value"}`;
}

function cell(row, content, number = true) {
  const made = row.insertCell();
  if (number) made.className = "n";
  made.append(content);
}

function fillTable(found) {
  at("raw-head").hidden = !found.raw;
  const every = new Set([...Object.keys(info.names), ...found.places]);
  const lines = [...every].map((place) => ({
    place, name: nameOf(place), value: rowOf(found, place)[state.period] ?? null,
    raw: rowOf(found, place, "raw")[state.period] ?? null,
    change: canChange(found) ? changeOf(found, place) : null, rows: rowOf(found, place, "rows")[state.period] ?? null,
  }));
  const way = state.rising ? 1 : -1;
  lines.sort((one, other) => {
    const [a, b] = [one[state.sort], other[state.sort]];
    if (a === null || b === null) return (a === null) - (b === null); // what is not there comes last, either way
    return way * (typeof a === "string" ? a.localeCompare(b) : a - b) || one.name.localeCompare(other.name);
  });
  for (const button of document.querySelectorAll("[data-sort]")) {
    const sorted = button.dataset.sort === state.sort;
    button.parentElement.setAttribute("aria-sort", sorted ? (state.rising ? "ascending" : "descending") : "none");
  }
  const body = document.createElement("tbody");
  for (const line of lines) {
    const row = body.insertRow(), button = document.createElement("button");
    button.type = "button"; button.textContent = line.name; button.dataset.place = line.place;
    row.classList.toggle("chosen", line.place === state.place);
    cell(row, button, false);
    cell(row, text(found, line.value));
    if (found.raw) cell(row, line.raw == null ? "" : String(+line.raw.toPrecision(5)));
    cell(row, text(found, line.change, true));
    cell(row, line.rows == null ? "" : line.rows.toLocaleString("en"));
  }
  const focused = document.activeElement?.dataset?.place;
  at("table").tBodies[0].replaceWith(body);
  if (focused !== undefined) body.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function line(found, place, name, colour) {
  return {
    x: info.periods.map((_, number) => number), y: info.periods.map((_, number) => rowOf(found, place)[number] ?? null),
    text: info.periods, hovertemplate: "%{text}: %{y}<extra></extra>", name, mode: "lines+markers",
    line: { color: colour, dash: colour === ORANGE ? "dash" : "solid" }, connectgaps: false,
  };
}

const LAYOUT = {
  template: { layout: { plot_bgcolor: "#fff", xaxis: { gridcolor: GREY }, yaxis: { gridcolor: GREY } } }, height: 240,
  margin: { l: 56, r: 12, t: 46, b: 44 }, font: { family: "system-ui, sans-serif", size: 12 }, dragmode: false,
  legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, showlegend: true, paper_bgcolor: "rgba(0,0,0,0)",
};

// Plotly is large and draws a place's history alone: it comes when there is one.
let coming;
const plotly = () => coming ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.addEventListener("load", () => done(window.Plotly));
  script.addEventListener("error", () => { coming = undefined; failed(new Error("plotly.min.js did not come")); });
  script.src = `${root}/static/plotly.min.js`;
  document.head.append(script);
});

async function lines(id, found, drawn) {
  const Plotly = await plotly();
  if (!drawn.length) { Plotly.purge(at(id)); at(id).replaceChildren(); return; }
  const axis = { tickformat: found.kind === "share" ? ".0%" : "", rangemode: found.kind === "share" ? "tozero" : "normal",
    ticksuffix: found.unit && found.unit.length < 4 ? ` ${found.unit}` : "", automargin: true };
  const now = { type: "line", x0: state.period, x1: state.period, y0: 0, y1: 1, yref: "paper",
    line: { color: "#94a3b8", dash: "dot", width: 1 } };
  const step = Math.ceil(info.periods.length / 6); // names of periods are texts that Plotly would read as numbers or dates
  const named = info.periods.map((_, number) => number).filter((number) => number % step === 0);
  const time = { tickvals: named, ticktext: named.map((number) => info.periods[number]),
    range: [-0.3, info.periods.length - 0.7] };
  await Plotly.react(at(id), drawn, { ...LAYOUT, yaxis: axis, xaxis: time, shapes: [now] }, CONFIG);
}

// What the model says and what was true of it: of the class that is shown, else of the first.
function beside() {
  if (!info.classes.length) return ["answer", "truth"];
  const [kind, name] = state.of.split(/\.(.*)/);
  const of = ["share", "answer"].includes(kind) ? name : info.classes.at(-1);
  return [`answer.${of}`, `share.${of}`];
}

async function drawPlace(found) {
  if (!state.place) return;
  const place = state.place, [answer, truth] = beside(), of = state.of;
  at("place-name").textContent = nameOf(place);
  const [value, change] = [rowOf(found, place)[state.period], canChange(found) ? changeOf(found, place) : null];
  const by = info.by.findIndex((one) => one.value === state.by), split = by > 0 ? `, ${info.byName} ${info.by[by].name}` : "";
  at("place-now").textContent = value == null ? `${found.title}: no value in ${info.periods[state.period]}${split}`
    : `${found.title} in ${info.periods[state.period]}${split}: ${text(found, value)}` +
      (change == null ? "" : `, ${text(found, change, true)} to the ${info.period} before`);
  const [said, was] = await Promise.all([values(answer), values(truth)]);
  if (state.place !== place || state.of !== of) return;
  const both = [...(was.problem ? [] : [line(was, place, was.title, BLUE)]),
    ...(said.problem ? [] : [line(said, place, said.title, ORANGE)])];
  const alone = ![answer, truth].includes(of) && canChange(found) && !found.problem;
  await lines("history", found, alone ? [line(found, place, found.title, BLUE)] : []);
  await lines("answers", was, both);
  at("place-panel").dataset.drawn = place;
}

function move(period) {
  state.period = period;
  at("period").value = period;
  draw();
}

function choose(place) {
  state.place = place;
  draw();
}

function remember() {
  const said = { of: state.of, by: state.by, period: info.periods[state.period], change: state.change ? "on" : "", place: state.place };
  const kept = Object.entries(said).filter(([name, value]) => (name === "by" ? value !== (info.by[0]?.value ?? "") : value));
  history.replaceState(null, "", `?${new URLSearchParams(kept)}`);
}

at("of").value = state.of;
if (at("by")) at("by").value = state.by;
at("period").value = state.period;
at("change").checked = state.change;
at("of").addEventListener("change", (event) => { state.of = event.target.value; draw(); });
at("by")?.addEventListener("change", (event) => { state.by = event.target.value; draw(); });
at("period").addEventListener("input", (event) => { settled = true; move(Number(event.target.value)); });
at("before").addEventListener("click", () => move(state.period - 1));
at("after").addEventListener("click", () => move(state.period + 1));
at("change").addEventListener("change", (event) => { state.change = event.target.checked; draw(); });
at("choices").addEventListener("submit", (event) => event.preventDefault());
at("table").addEventListener("click", (event) => {
  const { sort, place } = event.target.dataset ?? {};
  if (sort) {
    state.rising = state.sort === sort ? !state.rising : sort === "name";
    state.sort = sort;
    draw();
  } else if (place !== undefined) choose(place);
});
draw();
