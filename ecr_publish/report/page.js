"use strict";

// Text goes into the page as text only (textContent), never as markup.
document.documentElement.classList.add("loading");

document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.classList.remove("loading");
  const image = document.getElementById("image");
  if (image) offerToCopy(image);
  const table = document.getElementById("findings");
  if (table) bringToLife(table, document.getElementById("filters"), document.getElementById("shown"));
});

function makeButton(said, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = said;
  button.addEventListener("click", press);
  return button;
}

function offerToCopy(image) {
  const button = makeButton("Copy", async () => {
    getSelection().selectAllChildren(image);
    try {
      await navigator.clipboard.writeText(image.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected"; // a browser without that right: the user presses Ctrl+C
    }
  });
  button.setAttribute("aria-live", "polite");
  image.after(" ", button);
}

function bringToLife(table, form, shown) {
  const CHUNK = 200; // of rows: laying out thousands takes a browser seconds
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const boxes = [...form.querySelectorAll("[name=severity]")];
  const places = Object.fromEntries(boxes.map((box, place) => [box.value, place]));
  const collator = new Intl.Collator("en", { numeric: true });
  let rows = [...body.rows];
  const words = new Map(
    rows.map((row) => [row, `${row.cells[1].textContent} ${row.cells[2].textContent}`.toLowerCase()]),
  );
  let most = CHUNK;

  const more = makeButton("Show more", () => show(most + 5 * CHUNK));
  const all = makeButton("Show all", () => show(Infinity));
  const further = document.createElement("p");
  further.className = "further";
  further.append(more, " ", all);
  table.after(further);

  function wanted() {
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const grounds = new Set(form.elements.ground.value.split(" "));
    const text = form.elements.text.value.trim().toLowerCase();
    return rows.filter(
      (row) =>
        severities.has(row.dataset.severity) &&
        grounds.has(row.dataset.ground) &&
        words.get(row).includes(text),
    );
  }

  function show(limit) {
    most = limit;
    const found = wanted();
    const part = document.createDocumentFragment();
    for (const row of found.slice(0, most)) part.append(row);
    body.replaceChildren(part);
    further.hidden = found.length <= most;
    shown.textContent = inWords(Math.min(most, found.length), found.length, rows.length);
  }

  function keyOf(row, column) {
    // The boxes stand from the worst severity on.
    if (column === 0) return String(boxes.length - places[row.dataset.severity]);
    return row.cells[column].textContent;
  }

  function sort(column) {
    const head = heads[column];
    const first = head.dataset.first ?? "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    rows = rows
      .map((row) => [keyOf(row, column), row])
      // What is not known comes last either way.
      .sort(([a], [b]) => (a === "") - (b === "") || sign * collator.compare(a, b))
      .map(([, row]) => row);
    show(CHUNK);
  }

  for (const [column, head] of heads.entries()) {
    head.replaceChildren(makeButton(head.textContent, () => sort(column)));
  }
  form.addEventListener("input", () => show(CHUNK));
  form.addEventListener("reset", () => setTimeout(() => show(CHUNK)));
  form.addEventListener("submit", (event) => event.preventDefault());
  let before = CHUNK;
  addEventListener("beforeprint", () => {
    before = most;
    show(Infinity);
  });
  addEventListener("afterprint", () => show(before));
  form.hidden = false;
  show(CHUNK);
}

function inWords(seen, found, total) {
  const number = (count) => count.toLocaleString("en");
  const all = `${number(total)} ${total === 1 ? "finding" : "findings"}`;
  if (seen === total) return all;
  if (found === total) return `Showing ${number(seen)} of ${all}`;
  return `Showing ${number(seen)} of ${number(found)} that match, of ${all}`;
}
