// Figures are drawn while the page is still being read, when the column is wider than it will be.
window.addEventListener("load", () => window.dispatchEvent(new Event("resize")));
