// A click on an item shows what is known of it and its ways through the flow.
"use strict";
const { items, links, subject } = JSON.parse(document.getElementById("lineage").textContent);
const boxes = [...document.querySelectorAll(".item")], lines = [...document.querySelectorAll(".line")];
function reached(start, from, to) {
  const known = new Set([start]), waiting = [start];
  while (waiting.length) {
    const here = waiting.pop();
    for (const link of links) if (link[from] === here && !known.has(link[to])) { known.add(link[to]); waiting.push(link[to]); }
  }
  return known;
}
function show(id) {
  const item = items[id], above = reached(id, 1, 0), below = reached(id, 0, 1), facts = document.getElementById("facts");
  document.getElementById("name").textContent = item.title;
  document.getElementById("kind").textContent = item.kind;
  facts.replaceChildren();
  for (const [name, value] of Object.entries(item.facts)) {
    const term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name;
    if (/^https?:\/\//.test(value)) {
      const link = document.createElement("a");
      link.href = link.textContent = value;
      told.append(link);
    } else told.textContent = value;
    facts.append(term, told);
  }
  for (const box of boxes) {
    const own = box.dataset.id, way = own === id ? "here" : above.has(own) ? "from" : below.has(own) ? "to" : "apart";
    box.setAttribute("class", "item " + way);
  }
  for (const line of lines) {
    const source = line.dataset.source, target = line.dataset.target;
    const way = above.has(target) && above.has(source) ? "from" : below.has(source) && below.has(target) ? "to" : "apart";
    line.setAttribute("class", "line " + way);
  }
}
for (const box of boxes) {
  box.addEventListener("click", () => show(box.dataset.id));
  box.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(box.dataset.id); } });
}
show(subject);
const picture = document.querySelector(".picture"), own = boxes.find((box) => box.dataset.id === subject).getBoundingClientRect(), frame = picture.getBoundingClientRect();
picture.scrollLeft = own.left - frame.left - frame.width / 2 + own.width / 2;
picture.scrollTop = own.top - frame.top - frame.height / 2;
