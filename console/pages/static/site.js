// Draws the figures when they come into view, counts a window's statistics when asked, and asks what else runs.
"use strict";

const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };

const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    inView.unobserve(entry.target);
    const { data, layout } = JSON.parse(entry.target.querySelector("script").textContent);
    entry.target.replaceChildren();
    Plotly.newPlot(entry.target, data, layout, CONFIG);
  }
}, { rootMargin: "200px" });

function drawFigures(root) {
  for (const figure of root.querySelectorAll(".figure")) {
    figure.style.minHeight = `${figure.dataset.height}px`;
    inView.observe(figure);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function showWindow(form) {
  const told = form.querySelector("[role=status]"), button = form.querySelector("button"), began = Date.now();
  button.disabled = true;
  try {
    for (;;) {
      const answer = await fetch(form.dataset.window + form.querySelector("select").value);
      const text = await answer.text();
      if (answer.status === 202) {
        told.textContent = `TensorFlow Data Validation counts: ${Math.round((Date.now() - began) / 1000)} s`;
        await pause(1000);
        continue;
      }
      if (!answer.ok) { told.textContent = text; return; }
      const place = document.getElementById("statistics");
      place.innerHTML = text; // our own server's page fragment
      drawFigures(place);
      told.textContent = "";
      return;
    }
  } catch (error) {
    told.textContent = `no answer: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function showServices() {
  const links = document.querySelectorAll("[data-service]");
  if (!links.length) return;
  const answers = await (await fetch(`${document.documentElement.dataset.root}/services`)).json();
  for (const link of links) {
    const runs = answers[link.dataset.service];
    link.classList.add(runs ? "answers" : "silent");
    link.querySelector("i").setAttribute("aria-label", runs ? "it answers" : "it does not answer");
    link.title = runs ? "it answers" : "it does not answer now";
  }
}

drawFigures(document);
showServices();
for (const form of document.querySelectorAll("form[data-window]")) {
  form.addEventListener("submit", (event) => { event.preventDefault(); showWindow(form); });
}

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(`${event.submitter.textContent} ${form.dataset.confirm}?`)) event.preventDefault();
  });
}

document.querySelector(".chooser")?.addEventListener("change", (event) => location.assign(event.target.value));
