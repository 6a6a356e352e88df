// The map: colours places by what is chosen, draws a place's history, and fills the table with the same numbers.
"use strict";

(() => {
  const element = document.getElementById("map-info");
  if (!element) return;
  const info = JSON.parse(element.textContent), root = document.documentElement.dataset.root;
  const at = (id) => document.getElementById(id);
  // Scales and colours that people who see fewer colours tell apart, too: cividis, purple to orange, Okabe and Ito's.
  const RISING = "Cividis", GREY = "#e2e8f0";
  const SIGNED = [[0, "#542788"], [0.25, "#998ec3"], [0.5, "#f7f7f7"], [0.75, "#f1a340"], [1, "#b35806"]];
  const CATEGORIES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000", "#999999"];
  const BLUE = "#2563eb", ORANGE = "#ea7317", INK = "#0f172a";
  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };
  // Plotly would fetch the outlines of countries, which are not drawn here.
  window.PlotlyGeoAssets = { topojson: { world_110m: {} } };

  const asked = new URLSearchParams(location.search);
  const names = info.measures.map((one) => one.name);
  const state = {
    of: names.includes(asked.get("of")) ? asked.get("of") : names[0],
    by: info.by.includes(asked.get("by")) ? asked.get("by") : "",
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

  function colours(found, shown) {
    if (found.kind === "category") {
      const count = Math.max(1, found.categories.length), scale = [];
      found.categories.forEach((_, number) => {
        const colour = CATEGORIES[number % CATEGORIES.length];
        scale.push([number / count, colour], [(number + 1) / count, colour]);
      });
      return {
        colorscale: scale, zmin: -0.5, zmax: count - 0.5,
        colorbar: { tickvals: found.categories.map((_, number) => number), ticktext: found.categories },
      };
    }
    const percent = found.kind === "share" ? { tickformat: ".0%" } : {};
    if (state.change || found.signed) {
      const all = state.change ? spread(found) : Math.max(Math.abs(found.low), Math.abs(found.high));
      return { colorscale: SIGNED, zmin: -all, zmax: all, colorbar: percent };
    }
    return { colorscale: RISING, zmin: found.low, zmax: found.high, colorbar: percent };
  }

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
      if (shapes) await drawMap(found, shapes, shown, changed);
      fillTable(found);
      await drawPlace(found);
    } catch (error) {
      if (mine === drawing) at("about").textContent = `no answer: ${error.message}`;
    }
  }

  const bold = (place) => `<b>${nameOf(place).replaceAll("<", "&lt;")}</b>`;
  function hover(found, place, value, changed) {
    const rows = rowOf(found, place, "rows")[state.period];
    const counted = rows == null ? "" : `<br>${rows.toLocaleString("en")} row${rows === 1 ? "" : "s"}`;
    return `${bold(place)}<br>${text(found, value, changed)}${counted}`;
  }

  async function drawMap(found, shapes, shown, changed) {
    const all = shapes.features.map((one) => one.id);
    const filled = all.filter((place) => shown.get(place) != null), empty = all.filter((place) => shown.get(place) == null);
    const line = { color: "#ffffff", width: 0.4 }, { colorbar, ...scale } = colours(found, shown);
    const base = { type: "choropleth", geojson: shapes, locationmode: "geojson-id", hovertemplate: "%{text}<extra></extra>" };
    const traces = [
      { ...base, locations: empty, z: empty.map(() => 0), zmin: 0, zmax: 1, colorscale: [[0, GREY], [1, GREY]], showscale: false,
        marker: { line }, text: empty.map((place) => `${bold(place)}<br>no value`) },
      { ...base, locations: filled, z: filled.map((place) => shown.get(place)), ...scale, marker: { line },
        text: filled.map((place) => hover(found, place, shown.get(place), changed)),
        colorbar: { orientation: "h", y: 0, yanchor: "top", thickness: 14, len: 0.9, ...colorbar } },
    ];
    if (all.includes(state.place)) {
      traces.push({ ...base, locations: [state.place], z: [0], colorscale: [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]],
        showscale: false, marker: { line: { color: INK, width: 2.5 } }, hoverinfo: "skip", hovertemplate: null });
    }
    const layout = {
      geo: { visible: false, fitbounds: "geojson", projection: { type: "mercator" }, bgcolor: "rgba(0,0,0,0)" },
      margin: { l: 0, r: 0, t: 0, b: 48 }, dragmode: false, font: { family: "system-ui, sans-serif", size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)", uirevision: "map",
    };
    const first = !at("map").classList.contains("js-plotly-plot");
    await Plotly.react(at("map"), traces, layout, CONFIG);
    at("map").dataset.drawn = `${state.of} ${state.by} ${info.periods[state.period]} ${changed ? "change" : "value"}`;
    if (first) at("map").on("plotly_click", (event) => choose(event.points[0].location));
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

  async function lines(id, found, drawn) {
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
    const split = state.by ? `, ${info.byName} ${state.by}` : "";
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
    history.replaceState(null, "", `?${new URLSearchParams(Object.entries(said).filter(([, value]) => value))}`);
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
})();
