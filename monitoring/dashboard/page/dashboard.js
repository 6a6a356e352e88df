// Draws the panels that /dashboard/data describes, every few seconds.
"use strict";

const EVERY_MS = 5000;
const COLOURS = ["#2563eb", "#ea7317", "#15803d", "#7c3aed", "#0891b2", "#a16207", "#db2777", "#64748b"];
const BOUND = "#b91c1c";
const WHOLE = ["share", "accuracy"]; // drawn from 0 to 1 whatever the values are
const READABLE = 15, FURTHEST = 8; // a chart with more lines than can be told apart begins with those that matter
const unfolded = new Set(); // charts of which all lines were asked for
let shownAt = null;

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

function worded(value, unit) {
  if (unit === "share") return `${(100 * value).toFixed(1)} %`;
  if (unit === "score") return value.toFixed(4);
  if (unit === "rows") return Math.round(value).toLocaleString("en");
  if (unit === "seconds") return duration(value);
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

function duration(seconds) {
  if (seconds < 1) return `${(1000 * seconds).toFixed(1)} ms`;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(0)} h` : `${(seconds / 86400).toFixed(0)} days`;
}

// Periods by their names, as d3 writes them.
const FORMATS = {
  hour: "%Y-%m-%dT%H", day: "%Y-%m-%d", week: "%G-W%V", month: "%Y-%m", quarter: "%Y-Q%q", year: "%Y",
};

function tileText(panel) {
  if (panel.values.length === 0) return ["no data", "none"];
  if (panel.kind === "number" && panel.values.length < panel.series_count) return ["not measured yet", "none"];
  if (panel.kind === "text") return [panel.values.map((v) => v.name).join(", "), ""];
  if (panel.kind === "state") {
    const [word, good] = panel.states[panel.values[0].value] ?? ["unknown", false];
    return [word, good ? "good" : "bad"];
  }
  const numbers = panel.values.map((v) => worded(v.value, panel.unit));
  return [numbers.length === 2 ? `${numbers[0]} of ${numbers[1]}` : numbers.join(", "), ""];
}

function drawTile(panel) {
  const id = `tile-${panel.key}`;
  let tile = document.getElementById(id);
  if (!tile) {
    tile = element("div", "tile");
    tile.id = id;
    tile.title = panel.description;
    tile.append(element("b"), element("span", "", panel.title));
    document.getElementById("tiles").append(tile);
  }
  const [text, className] = tileText(panel);
  tile.firstChild.textContent = text;
  tile.firstChild.className = className;
}

// Of more lines than can be told apart those of the columns that are furthest from the reference, with their limits.
function folded(panel, data) {
  const measured = panel.lines.filter((line) => !line.bound);
  if (measured.length <= READABLE) return { panel, rest: 0 };
  if (unfolded.has(panel.key)) return { panel, rest: -1 };
  const names = new Set(data.furthest.filter((name) => measured.some((line) => line.name === name)).slice(0, FURTHEST));
  const limits = new Set([...names].map((name) => `threshold ${name}`));
  return {
    panel: {
      ...panel,
      lines: panel.lines.filter((line) => (line.bound ? limits : names).has(line.name)),
      values: panel.values.filter((value) => names.has(value.name)),
    },
    rest: measured.length - names.size,
  };
}

// Limits that are the same for all lines are one line.
function joinedBounds(lines) {
  const bounds = lines.filter((line) => line.bound);
  const alike = new Set(bounds.map((line) => JSON.stringify(line.y.map((y) => y)))).size === 1;
  if (bounds.length < 2 || !alike) return lines;
  const longest = bounds.reduce((a, b) => (b.x.length > a.x.length ? b : a));
  return [...lines.filter((line) => !line.bound), { ...longest, name: "threshold" }];
}

function traces(panel, data) {
  let colour = 0;
  return joinedBounds(panel.lines).map((line) => {
    const measured = !line.bound;
    const trace = {
      x: line.x.map((name) => data.periods[name][0]), y: line.y, name: line.name, type: "scatter", connectgaps: false,
      mode: measured ? "lines+markers" : "lines", marker: { size: 5 },
      line: measured
        ? { color: COLOURS[colour++ % COLOURS.length], width: 2 }
        : { color: BOUND, width: 1.5, dash: "dash" },
    };
    if (line.error.length) trace.error_y = { type: "data", array: line.error, thickness: 1, width: 0 };
    if (line.rows.length) addIntervals(trace, line, panel.unit);
    return trace;
  });
}

// Of how many rows a share is, and where it lies with 95 % confidence.
function addIntervals(trace, line, unit) {
  const beyond = (ends, sign) => line.y.map((y, i) => (y === null ? null : sign * (ends[i] - y)));
  trace.error_y = {
    type: "data", symmetric: false, array: beyond(line.high, 1), arrayminus: beyond(line.low, -1), thickness: 1, width: 3,
  };
  trace.text = line.y.map((y, i) => (y === null ? "" :
    `${worded(y, unit)} of ${worded(line.rows[i], "rows")}; 95 %: ${worded(line.low[i], unit)} to ${worded(line.high[i], unit)}`));
  trace.hovertemplate = "%{text}";
}

function shading(data) {
  return data.drifted_periods.map((name) => {
    const [middle, end] = data.periods[name].map((time) => Date.parse(`${time}Z`));
    const half = (end - middle) / 2;
    const at = (time) => new Date(time).toISOString().slice(0, 19);
    return {
      type: "rect", xref: "x", yref: "paper", x0: at(middle - half), x1: at(middle + half), y0: 0, y1: 1,
      fillcolor: BOUND, opacity: 0.07, line: { width: 0 }, layer: "below",
    };
  });
}

// A label a period, where there are fewer than fit: those that are drawn by themselves would stand several times.
function ticks(panel, data, most) {
  const names = [...new Set(panel.lines.flatMap((line) => line.x))].sort();
  if (names.length > most) return { nticks: most };
  return { tickmode: "array", tickvals: names.map((name) => data.periods[name][0]), ticktext: names };
}

function layout(panel, data) {
  const narrow = window.innerWidth < 760;
  const many = panel.lines.length > 5;
  return {
    template: "none",
    margin: { l: 48, r: 12, t: 8, b: narrow && many ? 120 : 62 },
    font: { family: "system-ui, sans-serif", size: 12, color: "#0f172a" },
    showlegend: true,
    legend: { orientation: "h", y: -0.14, yanchor: "top", x: 0 },
    hovermode: "x unified",
    xaxis: { type: "date", tickformat: FORMATS[data.period], hoverformat: FORMATS[data.period], gridcolor: "#e2e8f0",
      ...ticks(panel, data, narrow ? 4 : 10), ticks: "outside", ticklen: 6, tickcolor: "rgba(0,0,0,0)" },
    yaxis: {
      gridcolor: "#e2e8f0", rangemode: "tozero",
      tickformat: panel.unit === "share" ? ".0%" : "", range: WHOLE.includes(panel.key) ? [0, 1.02] : undefined,
    },
    shapes: ["share", "scores"].includes(panel.key) ? shading(data) : [],
  };
}

function drawChart(described, data) {
  const { panel, rest } = folded(described, data);
  const id = `chart-${panel.key}`;
  let card = document.getElementById(id);
  if (!card) {
    card = element("section", panel.wide ? "chart wide" : "chart");
    card.id = id;
    card.append(
      element("h2", "", panel.title), element("p", "note", panel.description), element("p", "now"), element("div"),
      element("button", "rest"),
    );
    card.lastChild.addEventListener("click", () => {
      if (!unfolded.delete(panel.key)) unfolded.add(panel.key);
      draw();
    });
    document.getElementById("charts").append(card);
  }
  const now = card.children[2];
  now.replaceChildren();
  for (const value of panel.values.filter((v) => !v.bound)) {
    const part = element("span", "", `${value.name} `);
    part.append(element("b", "", worded(value.value, panel.unit)));
    now.append(part);
  }
  const button = card.children[4];
  button.hidden = rest === 0;
  button.textContent = rest > 0 ? `Shown: the ${FURTHEST} furthest. Show ${rest} more` : `Show the ${FURTHEST} furthest alone`;
  const plot = card.children[3];
  if (panel.lines.some((line) => line.y.some((y) => y !== null))) {
    if (plot.className !== "plot") plot.replaceChildren();
    plot.className = "plot";
    Plotly.react(plot, traces(panel, data), layout(panel, data), { displayModeBar: false, responsive: true });
    return;
  }
  if (plot.className === "plot") Plotly.purge(plot);
  const missing = panel.no_past || (panel.filled_by && panel.values.length ? `no ${data.period} yet: ${panel.filled_by}` : "no data yet");
  plot.className = missing ? "blank" : "";
  plot.textContent = missing;
}

function tell(problems) {
  const place = document.getElementById("problems");
  place.hidden = problems.length === 0;
  place.textContent = problems.join(". ");
}

async function draw() {
  if (document.hidden) return;
  let data;
  try {
    const answer = await fetch(`${document.documentElement.dataset.root}/dashboard/data`);
    if (answer.status === 401) location.reload(); // who was logged in is no more: the form asks again
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    data = await answer.json();
  } catch (error) {
    const since = shownAt ? `; shown is how it was at ${shownAt.toLocaleTimeString("en-GB")}` : "";
    tell([`The monitor does not answer (${error.message})${since}`]);
    return;
  }
  shownAt = new Date();
  document.getElementById("source").textContent =
    `Now: ${data.source}, ${shownAt.toLocaleTimeString("en-GB")}. The past: gold, in event time; red: dataset drift.`;
  tell(data.problems);
  document.getElementById("empty").hidden = !data.empty;
  for (const panel of data.panels) {
    if (panel.kind === "lines") drawChart(panel, data);
    else drawTile(panel);
  }
}

async function keepDrawing() {
  await draw();
  setTimeout(keepDrawing, EVERY_MS);
}

document.addEventListener("visibilitychange", draw);
keepDrawing();

document.querySelector(".chooser")?.addEventListener("change", (event) => location.assign(`${event.target.value}dashboard`));
