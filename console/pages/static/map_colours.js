// The map's colours, which people who see fewer of them tell apart, too, and the legend that explains them.

// Cividis (Nuñez, Anderson, Renslow 2018, PLOS ONE 13(7)), in even steps.
const RISING = ["#00204c", "#002a66", "#00346e", "#273f6c", "#3c4a6b", "#4c556b", "#5b5f6d", "#686a70", "#757575", "#838178",
  "#928c78", "#a19876", "#b0a572", "#c0b16d", "#d1bf66", "#e1cc5c", "#f3db4f", "#ffe945"];
const SIGNED = ["#542788", "#998ec3", "#f7f7f7", "#f1a340", "#b35806"]; // purple to orange, 0 in the middle
const CATEGORIES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000", "#999999"]; // Okabe and Ito

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// `part` from 0 to 1; what lies beyond has the colour of the end.
function between(scale, part) {
  const at = Math.min(1, Math.max(0, part)) * (scale.length - 1), low = Math.min(scale.length - 2, Math.floor(at));
  const [from, to] = [channels(scale[low]), channels(scale[low + 1])];
  return `rgb(${from.map((one, number) => Math.round(one + (to[number] - one) * (at - low))).join(",")})`;
}

export function categoryScale(categories) {
  const of = (value) => CATEGORIES[value % CATEGORIES.length];
  return { of, legend: () => categories.map((name, number) => entry(of(number), name)) };
}

// Numbers from `low` to `high`; `text` writes one.
export function numberScale(low, high, signed, text) {
  const scale = signed ? SIGNED : RISING, span = high - low || 1;
  const of = (value) => between(scale, (value - low) / span);
  return { of, legend: () => [bar(scale, [0, 0.25, 0.5, 0.75, 1].map((part) => text(low + part * span)))] };
}

export function entry(colour, name) {
  const line = document.createElement("span"), swatch = document.createElement("i");
  line.className = "map-entry";
  if (colour) swatch.style.background = colour;
  line.append(swatch, name);
  return line;
}

function bar(scale, ticks) {
  const whole = document.createElement("div"), colours = document.createElement("i"), named = document.createElement("div");
  whole.className = "map-bar";
  colours.style.background = `linear-gradient(to right, ${scale.join(", ")})`;
  named.append(...ticks.map((one) => Object.assign(document.createElement("span"), { textContent: one })));
  whole.append(colours, named);
  return whole;
}
