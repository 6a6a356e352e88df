"use strict";
// The page's behaviour: reads the form, asks the gateway, shows the answer, in the language chosen.

const { path, asks_who: asksWho, texts, particulars, translations, classes, decided, several, unit, fields, derived } = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);
const form = by("form");
const MOST_PARTS = 12; // of an explanation; the smallest are put together
let language = chosenLanguage();
let last = null; // the last answer
let asked = null; // the request that it answers
let explanation = null; // what that answer is made of, once somebody has asked
let problem = null; // why that cannot be told: its key and the gateway's own words
let state = null; // the last health
let message = ""; // the key of what is said in an answer's place
let refused = []; // what is wrong with the fields of the last question, until they are changed

function chosenLanguage() {
  let kept = null;
  try { kept = localStorage.getItem("lakeloop-language"); } catch { /* storage may be forbidden */ }
  return kept in texts ? kept : navigator.language.toLowerCase().startsWith("de") ? "de" : "en";
}

function say(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "").trim();
}

/** One of the contract's own words or sentences in the language chosen; as it is, where the contract has no other. */
function translated(words) {
  return translations[language]?.[words] ?? words;
}

function showTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  for (const element of document.querySelectorAll("[data-words]")) showWords(element);
  by("language").lang = language === "en" ? "de" : "en";
  by("language").setAttribute("aria-label", say("language_label"));
  for (const field of fields) {
    if (field.slider) by(`${field.id}-slider`).setAttribute("aria-label", say("slider", { label: translated(field.label) }));
    if (hasHint(field)) showHint(field);
    if (field.kind === "switch") showYesNo(field);
  }
  showModel();
  showMessage(message);
  showRefused();
  if (last) showAnswer(last);
  showExplanation();
}

function showWords(element) {
  const words = element.dataset.words;
  element.dataset.asWritten ??= element.textContent;
  const known = translated(words);
  element.textContent = known === words ? element.dataset.asWritten : known;
  element.lang = known === words ? "en" : language;
}

function isTime(field) {
  return field.kind === "date" || field.kind === "timestamp";
}

function hasHint(field) {
  return field.kind === "number" || field.kind === "text" || isTime(field);
}

function showHint(field, wrong = "") {
  const hint = by(`${field.id}-hint`);
  let text = wrong;
  if (!wrong && hasHint(field)) {
    const said = [];
    if (field.limited) said.push(say("possible", field));
    if (field.usual) said.push(say("usual", { low: field.usual[0], high: field.usual[1] }));
    if (field.kind === "timestamp") said.push(say("in_zone", field));
    if (field.optional) said.push(say(field.event ? "empty_is_now" : "may_be_empty"));
    text = said.join("; ");
  }
  hint.textContent = text;
  hint.hidden = !text;
  hint.classList.toggle("wrong", Boolean(wrong));
  if (wrong) by(field.id).setAttribute("aria-invalid", "true");
  else by(field.id).removeAttribute("aria-invalid");
}

function showYesNo(field) {
  by(field.id).nextElementSibling.textContent = say(by(field.id).checked ? "yes" : "no");
}

function valueOf(field) {
  const input = by(field.id);
  if (field.kind === "switch") return field.values[input.checked ? 1 : 0];
  if (field.kind === "select") return field.values[input.selectedIndex];
  if (field.kind === "text" || isTime(field)) return input.value === "" ? null : input.value;
  return Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : null;
}

function body() {
  const request = {};
  for (const field of fields) {
    const place = field.group ? (request[field.group] ??= {}) : request;
    place[field.name] = valueOf(field);
  }
  return request;
}

function showCurl() {
  const quoted = JSON.stringify(body()).replaceAll("'", "'\\''");
  const token = asksWho ? `  -H "Authorization: Bearer $TOKEN" \\\n` : "";
  by("curl").textContent =
    `curl -H 'Content-Type: application/json' \\\n${token}  -d '${quoted}' \\\n  ${location.origin}${path}/predict/`;
}

function showModel() {
  if (!state) return;
  const text = state.model_answers ? say("model_ready", { version: state.model_version }) : say("model_missing");
  by("model").textContent = state.contract_problem ? `${text} ${say("contract_problem")}` : text;
  by("model").title = state.contract_problem;
  by("model").className = `state ${state.model_answers && !state.contract_problem ? "good" : "bad"}`;
}

function showMessage(key) {
  message = key;
  by("message").textContent = key ? say(key) : "";
  by("message").hidden = !key;
}

function percent(share) {
  return new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);
}

function showAnswer(answer) {
  const [kind, ...rest] = answer.reason.split(": ");
  by("empty").hidden = true;
  by("result").hidden = false;
  by("who").textContent = say(answer.predictor_type === "model" ? "by_model" : "by_rules");
  by("who").className = answer.predictor_type;
  by("prediction").textContent = predicted(answer);
  by("reason").textContent = kind in texts[language] ? say(kind) : answer.reason;
  showDetail(rest.join(": "));
  by("version").textContent = answer.model_version ?? say("no_version");
  by("request").textContent = answer.request_id;
  if (decided) showThreshold(answer.threshold);
  if (classes.length) showProbabilities(answer);
  else showInterval(answer.interval);
}

/** A class, a number with its unit, or the labels of a row. */
function predicted(answer) {
  if (several) return answer.labels.map(translated).join(", ") || say("no_label");
  return classes.length ? translated(answer.prediction) : withUnit(answer.prediction);
}

/** Stressed is what the model answers by them: by its threshold where it has one, else the likeliest. */
function showProbabilities({ probabilities: known, predictor_type: predictor, prediction }) {
  by("no-bars").hidden = Boolean(known);
  by("bars").hidden = !known;
  const highest = known ? Math.max(...Object.values(known)) : 0;
  const isAnswered = (name) => {
    if (several) return known[name] >= 0.5;
    return predictor === "model" ? name === prediction : known[name] === highest;
  };
  by("bars").replaceChildren(...(known ? classes.map((name) => bar(name, known[name], isAnswered(name))) : []));
}

function showThreshold(known) {
  const shown = known === null ? say("no_version") : say("threshold_of", { name: translated(decided), share: percent(known) });
  by("threshold").textContent = shown;
}

function showInterval(known) {
  by("no-bars").hidden = Boolean(known);
  by("interval").hidden = !known;
  if (!known) return;
  const ends = { lower: number(known.lower), upper: withUnit(known.upper) };
  by("interval").textContent = say("interval_of", { ...ends, share: percent(known.level) });
}

function number(value) {
  return new Intl.NumberFormat(language, { maximumSignificantDigits: 4 }).format(value);
}

function withUnit(value) {
  return `${number(value)} ${translated(unit)}`.trim();
}

/** A reason's particulars in the language chosen; what has no words in it stays as it is, marked as English. */
function showDetail(english) {
  const detail = by("detail");
  detail.textContent = english;
  detail.lang = "en";
  detail.hidden = !english;
  for (const [pattern, words] of particulars[language] ?? []) {
    const found = english.match(matcher(pattern));
    if (!found) continue;
    detail.textContent = words.replace(/\{(\w+)\}/g, (_, name) => inLanguage(translated(found.groups[name])));
    detail.lang = language;
    return;
  }
}

/** `no answer within {milliseconds} ms` as a regular expression with named groups. */
function matcher(pattern) {
  const escaped = pattern.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s");
}

function inLanguage(particular) {
  return language === "de" && /^-?\d+\.\d+$/.test(particular) ? particular.replace(".", ",") : particular;
}

function bar(name, share, answered) {
  const row = document.createElement("li");
  const label = document.createElement("span");
  const track = document.createElement("span");
  const filled = document.createElement("span");
  const number = document.createElement("span");
  label.textContent = translated(name);
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  filled.className = "bar";
  filled.style.width = `${share * 100}%`;
  number.className = "share";
  number.textContent = percent(share);
  row.classList.toggle("best", answered);
  track.append(filled);
  row.append(label, track, number);
  return row;
}

function showProblems(problems) {
  refused = problems;
  by("result").hidden = true;
  by("empty").hidden = true;
  last = null;
  showMessage("refused");
  (showRefused() ?? by("answer")).focus();
}

/** Tells each field that was refused what it allows; gives the first of them. */
function showRefused() {
  let first = null;
  for (const problem of refused) {
    const field = fields.find((one) => problem.field === pathOf(one));
    if (!field) continue;
    showHint(field, whatIsAllowed(field) || problem.msg);
    first ??= by(field.id);
  }
  return first;
}

/** A field that is changed is not the one any more that was refused. */
function changed(field) {
  refused = refused.filter((problem) => problem.field !== pathOf(field));
  showHint(field);
}

function whatIsAllowed(field) {
  if (field.kind === "text") return say("text_needed");
  if (isTime(field)) return say(field.kind === "date" ? "date_needed" : "time_needed");
  if (field.kind !== "number") return "";
  return field.limited ? say("not_allowed", { ...field, unit: translated(field.unit) }) : say("number_needed");
}

/** What the contract does not allow, in the form of the gateway's own refusals. */
function mistakes() {
  const wrong = (field) => {
    const value = valueOf(field);
    if (value === null) return field.kind !== "select" && (!field.optional || by(field.id).validity.badInput);
    const whole = field.type !== "int" || Number.isInteger(value);
    return field.kind === "number" && !(value >= field.low && value <= field.high && whole);
  };
  return fields.filter(wrong).map((field) => ({ field: pathOf(field) }));
}

function pathOf(field) {
  return field.group ? `${field.group}.${field.name}` : field.name;
}

async function ask(event) {
  event.preventDefault();
  refused = [];
  for (const field of fields) showHint(field);
  const found = mistakes();
  if (found.length) {
    showProblems(found);
    return;
  }
  const button = by("ask");
  button.disabled = true;
  button.textContent = say("asking");
  showMessage("");
  const request = body();
  try {
    const response = await post(`${path}/predict/`, request);
    const content = await response.json();
    if (response.ok) {
      [last, asked, explanation, problem] = [content, request, null, null];
      showAnswer(content);
      showExplanation();
      if (matchMedia("(max-width: 760px)").matches) by("answer").scrollIntoView();
    } else if (response.status === 422) showProblems(content.detail);
    else showMessage({ 401: "logged_out", 403: "may_not_ask" }[response.status] ?? "no_rules");
  } catch {
    showMessage("failed");
  }
  button.disabled = false;
  button.textContent = say("ask");
  readHealth();
}

function post(address, request) {
  return fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
}

/** Asks what the answer that is shown is made of. */
async function explain() {
  const [button, of] = [by("explain"), last];
  button.disabled = true;
  button.textContent = say("explaining");
  [explanation, problem] = [null, null];
  showExplanation();
  let [found, why] = [null, null];
  try {
    const response = await post(`${path}/explain/`, asked);
    const content = await response.json();
    if (response.ok) found = content;
    else if (response.status === 429) why = { key: "explain_busy", words: "" };
    else why = { key: "explain_failed", words: content.detail[0].msg };
  } catch {
    why = { key: "failed", words: "" };
  }
  button.disabled = false;
  button.textContent = say("explain");
  if (of !== last) return; // another answer is shown by now
  [explanation, problem] = [found, why];
  showExplanation();
}

function showExplanation() {
  by("explain").hidden = Boolean(explanation);
  by("explanation").hidden = !explanation;
  by("explain-problem").hidden = !problem;
  if (problem) showProblem();
  if (!explanation) return;
  const { base_value: base, value, contributions, rules, prediction, label: explained } = explanation;
  by("parts").hidden = !contributions;
  if (!contributions) {
    by("explained").textContent = say("explained_rules", { rules });
    return;
  }
  const shown = classes.length ? percent : withUnit;
  const said = { base: shown(base), value: shown(value), class: translated(several ? explained : prediction) };
  by("explained").textContent = say(classes.length ? "explained_class" : "explained_number", said);
  const parts = contributions.length > MOST_PARTS ? contributions.slice(0, MOST_PARTS - 1) : contributions;
  const others = contributions.slice(parts.length).map((part) => part.contribution);
  const rows = parts.map((part) => [translated(described(part.feature).label), valueShown(part), part.contribution]);
  if (others.length) rows.push([say("other_parts", { count: others.length }), "", others.reduce((sum, one) => sum + one)]);
  const largest = Math.max(...rows.map(([, , size]) => Math.abs(size)), 1e-12);
  by("parts").replaceChildren(...rows.map(([label, words, size]) => partRow(label, words, size, largest)));
}

function showProblem() {
  const words = document.createElement("span");
  words.lang = "en";
  words.textContent = problem.words;
  by("explain-problem").replaceChildren(say(problem.key), " ", words);
}

function described(feature) {
  return [...fields, ...derived].find((one) => one.name === feature) ?? { label: feature, unit: "" };
}

function valueShown({ feature, value }) {
  const field = described(feature);
  if (value === null) return say("not_known");
  if (field.kind === "switch") return say(value ? "yes" : "no");
  if (typeof value === "boolean") return say(value ? "yes" : "no");
  return typeof value === "number" ? `${number(value)} ${translated(field.unit)}`.trim() : translated(value);
}

/** A bar from the middle: to the right where a value moves the answer up, to the left where it moves it down. */
function partRow(label, words, size, largest) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  const value = document.createElement("span");
  const track = document.createElement("span");
  const filled = document.createElement("span");
  const moved = document.createElement("span");
  name.className = "name";
  name.textContent = label;
  value.className = "value";
  value.textContent = words;
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  filled.className = size < 0 ? "bar down" : "bar up";
  filled.style.width = `${(Math.abs(size) / largest) * 50}%`;
  moved.className = "share";
  moved.textContent = signed(size);
  track.append(filled);
  row.append(name, value, track, moved);
  return row;
}

/** How far an answer is moved: percentage points of a probability, or the number's own unit. */
function signed(size) {
  const digits = classes.length ? { minimumFractionDigits: 1, maximumFractionDigits: 1 } : { maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(language, { ...digits, signDisplay: "exceptZero" }).format(classes.length ? size * 100 : size);
}

async function readHealth() {
  try {
    state = await (await fetch(`${path}/health`)).json();
    showModel();
  } catch { /* the next answer says so */ }
}

for (const field of fields) {
  const input = by(field.id);
  if (hasHint(field)) input.addEventListener("input", () => changed(field));
  if (field.slider) {
    const slider = by(`${field.id}-slider`);
    slider.addEventListener("input", () => { input.value = slider.value; changed(field); });
    input.addEventListener("input", () => { if (input.value !== "") slider.value = input.value; });
  }
  if (field.kind === "switch") input.addEventListener("change", () => showYesNo(field));
}
form.addEventListener("input", showCurl);
form.addEventListener("submit", ask);
by("explain").addEventListener("click", explain);
form.addEventListener("reset", () => setTimeout(() => {
  [last, explanation, problem] = [null, null, null];
  refused = [];
  by("result").hidden = true;
  by("empty").hidden = false;
  showMessage("");
  for (const field of fields) { showHint(field); if (field.kind === "switch") showYesNo(field); }
  showCurl();
}));
by("language").addEventListener("click", () => {
  language = language === "en" ? "de" : "en";
  try { localStorage.setItem("lakeloop-language", language); } catch { /* then it is not kept */ }
  showTexts();
});
by("use-case")?.addEventListener("change", (event) => location.assign(`/${event.target.value}/`));
by("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(by("curl").textContent);
    by("copy").textContent = say("copied");
  } catch {
    getSelection().selectAllChildren(by("curl"));
  }
});
showTexts();
showCurl();
readHealth();
