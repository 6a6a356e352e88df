// A map of shapes as SVG: drawn once, coloured as often as wanted, moved and zoomed by mouse, fingers and keys.

const SVG = "http://www.w3.org/2000/svg", LONG_SIDE = 10000, MOST_ZOOM = 30, STEP = 1.6, SLACK = 5;

// Degrees -> Mercator's plane, north up, in radians; the poles are not on it.
const across = (longitude) => (longitude * Math.PI) / 180;
const down = (latitude) => -Math.log(Math.tan(Math.PI / 4 + (Math.min(85, Math.max(-85, latitude)) * Math.PI) / 360));

function* ringsOf(geometry) {
  for (const polygon of geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates) yield* polygon;
}

// Whole numbers, each point told from the one before: half the text, and read quickly.
function pathOf(geometry, [left, top, scale]) {
  let text = "";
  for (const ring of ringsOf(geometry)) {
    let [x, y] = [0, 0];
    ring.forEach(([longitude, latitude], number) => {
      const [toX, toY] = [Math.round((across(longitude) - left) * scale), Math.round((down(latitude) - top) * scale)];
      if (number === 0) text += `M${toX} ${toY}l`;
      else if (toX !== x || toY !== y) text += `${toX - x} ${toY - y} `;
      [x, y] = [toX, toY];
    });
    text += "z";
  }
  return text;
}

function extentOf(features) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { geometry } of features) {
    for (const ring of ringsOf(geometry)) {
      for (const [longitude, latitude] of ring) {
        const [x, y] = [across(longitude), down(latitude)];
        left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
      }
    }
  }
  return [left, top, right, bottom];
}

export class ShapeMap {
  // `element` gets the picture; `choose(place)` is called on a click, `tell(place)` gives the lines of the hint.
  constructor(element, label, choose, tell) {
    this.element = element;
    this.paths = new Map();
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("role", "img");
    this.svg.setAttribute("aria-label", label);
    this.hint = document.createElement("div");
    this.hint.className = "map-hint";
    this.hint.hidden = true;
    element.append(this.svg, this.hint);
    this._listen(choose, tell);
  }

  draw(features) {
    const [left, top, right, bottom] = extentOf(features);
    const scale = LONG_SIDE / Math.max(right - left, bottom - top);
    for (const { id, geometry } of features) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", pathOf(geometry, [left, top, scale]));
      path.dataset.place = id;
      this.paths.set(String(id), path);
    }
    this.svg.append(...this.paths.values());
    this.chosen = this.svg.appendChild(document.createElementNS(SVG, "path"));
    this.chosen.setAttribute("class", "chosen");
    this.whole = { x: 0, y: 0, w: (right - left) * scale, h: (bottom - top) * scale };
    this.showAll();
  }

  // place -> colour; what is not there is drawn as having no value.
  colour(colours) {
    for (const [place, path] of this.paths) {
      const colour = colours.get(place);
      path.classList.toggle("empty", !colour);
      path.style.fill = colour ?? "";
    }
  }

  mark(place) {
    this.chosen.setAttribute("d", this.paths.get(place)?.getAttribute("d") ?? "");
  }

  showAll() { this._see({ ...this.whole }); }

  // About a point of the picture (0 to 1 of its width and height).
  zoom(factor, [atX, atY] = [0.5, 0.5]) {
    const { w, h } = this.whole, now = this.seen, wide = this._inside(now);
    const to = Math.min(w, Math.max(now.w / factor, w / MOST_ZOOM)), shrunk = to / now.w;
    const [x, y] = [wide.x + atX * wide.w, wide.y + atY * wide.h];
    this._see({ w: to, h: (to * h) / w, x: x - (x - now.x) * shrunk, y: y - (y - now.y) * shrunk });
  }

  // By parts of the picture.
  move(right, below) {
    const wide = this._inside(this.seen);
    this._see({ ...this.seen, x: this.seen.x + right * wide.w, y: this.seen.y + below * wide.h });
  }

  // What the element shows of the plane: a view box is fitted into it, so one side may show more.
  _inside({ x, y, w, h }) {
    const box = this.svg.getBoundingClientRect(), scale = Math.min(box.width / w, box.height / h) || 1;
    const [wide, high] = [box.width / scale, box.height / scale];
    return { x: x - (wide - w) / 2, y: y - (high - h) / 2, w: wide, h: high };
  }

  _see(view) {
    const { w, h } = this.whole;
    view.x = Math.min(w - view.w, Math.max(0, view.x));
    view.y = Math.min(h - view.h, Math.max(0, view.y));
    this.seen = view;
    this.svg.setAttribute("viewBox", [view.x, view.y, view.w, view.h].map((one) => one.toFixed(1)).join(" "));
    this.element.classList.toggle("zoomed", view.w < 0.999 * w);
  }

  _part(event) {
    const box = this.svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  _listen(choose, tell) {
    const held = new Map(); // fingers, or the mouse's button, and where they are
    let moved = 0;
    const zoomed = () => this.element.classList.contains("zoomed");
    this.svg.addEventListener("pointerdown", (event) => {
      if (held.size === 0) moved = 0;
      held.set(event.pointerId, this._part(event));
    });
    addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) held.clear(); // let go outside of the window
      const before = held.get(event.pointerId);
      if (!before) return;
      const now = this._part(event), box = this.svg.getBoundingClientRect();
      const [right, below] = [now[0] - before[0], now[1] - before[1]];
      moved += Math.hypot(right * box.width, below * box.height);
      held.set(event.pointerId, now);
      if (moved < SLACK) return;
      this.hint.hidden = true;
      if (held.size === 2) {
        const other = [...held].find(([id]) => id !== event.pointerId)[1];
        const far = ([x, y]) => Math.hypot((x - other[0]) * box.width, (y - other[1]) * box.height);
        this.zoom(far(now) / Math.max(1, far(before)), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
        this.move(-right / 2, -below / 2);
      } else if (zoomed()) this.move(-right, -below);
    });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => held.delete(event.pointerId));
    this.svg.addEventListener("click", (event) => {
      const place = event.target.dataset?.place;
      if (place !== undefined && moved < SLACK) choose(place);
    });
    this.svg.addEventListener("pointermove", (event) => {
      const place = event.target.dataset?.place;
      this.hint.hidden = place === undefined || event.pointerType === "touch" || held.size > 0;
      if (!this.hint.hidden) this._hint(event, tell(place));
    });
    this.svg.addEventListener("pointerleave", () => { this.hint.hidden = true; });
    this.svg.addEventListener("wheel", (event) => { // two fingers on a pad are told as a wheel with ctrl
      if (!event.ctrlKey && !event.metaKey) return; // the page is scrolled
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 200), this._part(event));
    }, { passive: false });
    const keys = { "+": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP), 0: () => this.showAll(),
      ArrowLeft: () => this.move(-0.15, 0), ArrowRight: () => this.move(0.15, 0),
      ArrowUp: () => this.move(0, -0.15), ArrowDown: () => this.move(0, 0.15) };
    this.element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || !(event.key in keys) || (event.key.startsWith("Arrow") && !zoomed())) return;
      event.preventDefault();
      keys[event.key]();
    });
    for (const button of this.element.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => keys[button.dataset.zoom]());
    }
  }

  _hint(event, [name, ...lines]) {
    const head = document.createElement("b"), box = this.element.getBoundingClientRect();
    head.textContent = name;
    this.hint.replaceChildren(head, ...lines.map((one) => Object.assign(document.createElement("div"), { textContent: one })));
    const [x, y] = [event.clientX - box.left, event.clientY - box.top], right = x > box.width / 2;
    Object.assign(this.hint.style, { top: `${y + 14}px`, left: right ? "" : `${x + 14}px`, right: right ? `${box.width - x + 14}px` : "" });
  }
}
