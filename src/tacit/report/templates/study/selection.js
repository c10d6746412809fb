// The list of what was selected, and what can be done with it.

const LISTED = 300; // samples in the list; more are only counted, copied and saved

/** Shows a selection; `find` is called with the sample whose entry is pressed. */
function listSelection(selected, data, sheet, find) {
  const some = selected.size > 0;
  byId("map-count").textContent = some ? selected.size.toLocaleString("en") : "Nothing";
  byId("map-empty").hidden = some;
  byId("map-actions").hidden = !some;
  const entries = [...selected].slice(0, LISTED).map((i) => entry(i, data, sheet, find));
  if (selected.size > LISTED) {
    const rest = document.createElement("li");
    rest.className = "quiet";
    rest.textContent = `and ${(selected.size - LISTED).toLocaleString("en")} more`;
    entries.push(rest);
  }
  byId("map-list").replaceChildren(...entries);
}

/** One selected sample: its image and its id. */
function entry(i, data, sheet, find) {
  const [item, button, name] = ["li", "button", "span"].map((tag) => document.createElement(tag));
  name.className = "id";
  name.textContent = data.ids[i];
  button.type = "button";
  button.append(...(sheet ? [thumbnail(sheet, i, 34)] : []), name);
  button.addEventListener("click", () => find(i));
  item.append(button);
  return item;
}

/** Copies text; the button says for a moment that it did, or that it could not. */
async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = copyByHand(text) ? "Copied" : "Could not copy";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

/** Copies text where the browser gives pages from files no clipboard. */
function copyByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** The selected samples as CSV: their ids, and what every colouring says of them. */
function asCsv(selected, data) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const plain = (c, i) => (c.kind === "words" ? c.names[c.codes[i]] : c.values[i]);
  const rows = [...selected].map((i) => [data.ids[i], ...data.colourings.map((c) => plain(c, i))]);
  return [["id", ...data.colourings.map((c) => c.title)], ...rows]
    .map((row) => row.map((cell) => quoted(String(cell))).join(",") + "\n")
    .join("");
}

/** Offers text as a file to save. */
function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
