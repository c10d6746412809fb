// The colour of each sample, and the legend that says what it means.

/** Whether the page is seen on dark paper. */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A colour of the style sheet, as the canvas needs it. */
function paint(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** The colours of a colouring, and for each sample which of them it has; -1 where its value is not known. */
function shades(colouring, scale) {
  const paper = isDark() ? "dark" : "light";
  if (colouring.kind === "words") return { colours: colouring[paper], codes: colouring.codes };
  const { low, high, values } = colouring;
  const colours = scale[paper];
  const unit = (v) => (high > low ? clamp((v - low) / (high - low), 0, 1) : 0.5);
  const codes = Int16Array.from(values, (v) => (Number.isFinite(v) ? Math.round(unit(v) * (colours.length - 1)) : -1));
  return { colours, codes };
}

/** What a colouring says of a sample. */
function valueOf(colouring, i) {
  if (colouring.kind === "words") return colouring.names[colouring.codes[i]];
  return shortNumber(colouring.values[i]);
}

/** A number with the digits that matter. */
function shortNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString("en");
  return Number(value.toPrecision(4)).toString();
}

/** Fills the legend: words as buttons that bring theirs out, numbers as a scale. */
function fillLegend(box, colouring, scale, chosen, choose) {
  const title = document.createElement("h3");
  title.textContent = colouring.title;
  box.replaceChildren(title, colouring.kind === "words" ? wordList(colouring, chosen, choose) : ramp(colouring, scale));
}

/** One button for each word, pressed where its samples are brought out. */
function wordList(colouring, chosen, choose) {
  const list = document.createElement("ul");
  const colours = colouring[isDark() ? "dark" : "light"];
  colouring.names.forEach((name, code) => {
    const [item, button, dot] = ["li", "button", "i"].map((tag) => document.createElement(tag));
    dot.style.background = colours[code];
    button.type = "button";
    button.setAttribute("aria-pressed", String(code === chosen));
    button.append(dot, name);
    button.addEventListener("click", () => choose(code === chosen ? null : code));
    item.append(button);
    list.append(item);
  });
  return list;
}

/** The scale of a colouring by numbers, from its least to its greatest. */
function ramp(colouring, scale) {
  const [box, bar, ends, low, high] = ["div", "div", "div", "span", "span"].map((tag) => document.createElement(tag));
  bar.className = "ramp";
  bar.style.background = `linear-gradient(to right, ${scale[isDark() ? "dark" : "light"].join(", ")})`;
  ends.className = "ends";
  low.textContent = shortNumber(Number(colouring.low.toPrecision(3)));
  high.textContent = shortNumber(Number(colouring.high.toPrecision(3)));
  ends.append(low, high);
  box.append(bar, ends);
  return box;
}
