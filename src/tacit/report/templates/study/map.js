// The map: what is shown, and what its controls do.

const NEAR = 14; // pixels within which a sample is under the pointer
const GLIDE = 450; // milliseconds from one map to another

/** Everything that one map on the page is. */
class StudyMap {
  constructor(data) {
    this.data = data;
    this.canvas = byId("map-canvas");
    this.view = new View();
    this.order = shuffled(data.count);
    this.places = data.maps[0];
    this.which = 0;
    this.colouring = data.colourings[0];
    this.brought = null; // the code that is brought out
    this.selected = new Set();
    this.focus = null; // the sample that the card speaks of
    this.pinned = false;
    this.lasso = null;
    this.sheet = null;
    this.pictured = [];
    this.room = new Map();
    this.dress();
  }

  /** Fills the controls and listens to them. */
  start() {
    const { maps, colourings } = this.data;
    fillSelect(byId("map-which"), maps.map((m) => `${m.title} (${m.name})`), (i) => this.showMap(i));
    fillSelect(byId("map-colour"), colourings.map((c) => c.title), (i) => this.showColouring(colourings[i]));
    byId("map-images")?.addEventListener("change", () => this.draw());
    const press = (id, action) => byId(id).addEventListener("click", action);
    press("map-in", () => this.zoom(ZOOM.step));
    press("map-out", () => this.zoom(1 / ZOOM.step));
    press("map-reset", () => this.reset());
    press("map-lasso", () => this.useLasso(!this.lassoOn));
    press("map-view", () => this.select(this.within(() => true)));
    press("map-clear", () => this.select([]));
    press("map-copy", (event) => copy(this.selection().join("\n"), event.currentTarget));
    press("map-save", () => save(asCsv(this.selected, this.data), "selection.csv"));
    listen(this.canvas, this.gestures());
    this.view.show(this.places);
    new ResizeObserver(() => this.resize()).observe(byId("map-stage"));
    this.showMap(0);
    this.showColouring(this.colouring);
    loadSheet(this.data.atlas).then((sheet) => {
      this.sheet = sheet;
      this.draw();
    });
  }

  /** What the canvas's gestures do. */
  gestures() {
    return {
      pan: (dx, dy) => this.change(() => this.view.pan(dx, dy)),
      zoom: (factor, x, y) => this.zoom(factor, x, y),
      reset: () => this.reset(),
      hover: (x, y) => this.pinned || this.point(this.nearest(x, y)),
      leave: () => this.pinned || this.point(null),
      click: (x, y) => this.pin(this.nearest(x, y)),
      escape: () => (this.lassoOn ? this.useLasso(false) : this.pin(null)),
      hint: () => this.hint(),
      lassoing: (event) => this.lassoOn || event.shiftKey,
      lasso: (path) => this.change(() => (this.lasso = path)),
      lassoed: (path, adds) => this.lassoed(path, adds),
    };
  }

  /** Takes the colours of the paper that the page is seen on. */
  dress() {
    this.paints = { ink: paint("ink"), grey: paint("grey"), accent: paint("accent") };
    this.shades = shades(this.colouring, this.data.scale);
  }

  /** Fits the canvas into its box. */
  resize() {
    this.view.size = { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
    this.draw();
  }

  /** Does something and draws what came of it. */
  change(action) {
    action();
    this.draw();
  }

  /** Draws at the next frame. */
  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.paint();
    });
  }

  /** Draws now. */
  paint() {
    const { view, places, selected, sheet, order, lasso, focus, paints } = this;
    const images = !this.gliding && (view.zoom >= IMAGES_FROM || byId("map-images")?.checked);
    this.pictured = drawMap(this.canvas, {
      view, places, selected, sheet, order, lasso, focus, paints, images, shades: this.shades,
      dimmed: (code) => this.brought !== null && code !== this.brought,
      chosen: (wide, high) => this.chosen(wide, high),
    });
    this.canvas.classList.toggle("zoomed", view.zoom > 1);
    this.placeCard();
  }

  /** Whose images have room, remembered for each step of the zoom. */
  chosen(wide, high) {
    const step = Math.floor(6 * Math.log2(this.view.zoom));
    const { width, height } = this.view.size;
    const key = [this.which, step, this.brought, this.colouring.key, width, height].join();
    if (!this.room.has(key)) {
      if (this.room.size > 40) this.room.clear();
      const scale = (this.view.scale / this.view.zoom) * 2 ** (step / 6);
      this.room.set(key, roomy(this.places, this.order.filter((i) => this.isOut(i)), wide / scale, high / scale));
    }
    return this.room.get(key);
  }

  /** Whether a sample is brought out: of the word that is, or of any where none is. */
  isOut(i) {
    return this.brought === null || this.shades.codes[i] === this.brought;
  }

  /** Shows another map; the points glide there, unless the reader wants no motion. */
  showMap(i) {
    const [from, to] = [this.places, this.data.maps[i]];
    this.which = i;
    byId("map-which").selectedIndex = i;
    byId("map-warning").hidden = !to.warning;
    byId("map-warning").textContent = to.warning;
    document.querySelectorAll(".map-how").forEach((how) => (how.hidden = how.dataset.map !== String(i)));
    this.view.show(to);
    this.places = to;
    if (from !== to && !window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.glide(from, to);
    this.draw();
  }

  /** Moves the points from one map's places to another's. */
  glide(from, to) {
    const began = performance.now();
    const [dx, dy] = [(to.width - from.width) / 2, (to.height - from.height) / 2];
    const step = () => {
      const t = clamp((performance.now() - began) / GLIDE, 0, 1);
      const eased = t * t * (3 - 2 * t);
      const mix = (a, b, shift) => a.map((v, i) => (v + shift) * (1 - eased) + b[i] * eased);
      const current = this.data.maps[this.which];
      this.gliding = t < 1 && current === to;
      this.places = this.gliding ? { ...to, x: mix(from.x, to.x, dx), y: mix(from.y, to.y, dy) } : current;
      this.paint();
      if (this.gliding) requestAnimationFrame(step);
    };
    step();
  }

  /** Colours the samples by something else, and brings out one of its words if that is asked. */
  showColouring(colouring, word = null) {
    this.colouring = colouring;
    byId("map-colour").selectedIndex = this.data.colourings.indexOf(colouring);
    const code = word === null || colouring.kind !== "words" ? -1 : colouring.names.indexOf(word);
    this.bringOut(code < 0 ? null : code);
  }

  /** Brings out the samples of one word; all where it is null. */
  bringOut(code) {
    this.brought = code;
    this.shades = shades(this.colouring, this.data.scale);
    fillLegend(byId("map-legend"), this.colouring, this.data.scale, code, (chosen) => this.bringOut(chosen));
    const word = code === null ? null : this.colouring.names[code];
    document.querySelectorAll(".on-map").forEach((button) => {
      const chosen = button.dataset.colouring === this.colouring.key && button.dataset.word === word;
      button.closest(".cluster").classList.toggle("chosen", chosen);
    });
    if (this.pinned) this.fillCard();
    this.draw();
  }

  zoom(factor, x, y) {
    byId("map-hint").hidden = true;
    this.change(() => this.view.zoomAt(factor, x, y));
  }

  reset() {
    this.change(() => this.view.reset());
  }

  /** Says for a moment how the wheel comes to zoom. */
  hint() {
    byId("map-hint").hidden = false;
    clearTimeout(this.hinting);
    this.hinting = setTimeout(() => (byId("map-hint").hidden = true), 1400);
  }

  /** Turns the lasso on or off. */
  useLasso(on) {
    this.lassoOn = on;
    byId("map-lasso").setAttribute("aria-pressed", String(on));
    this.canvas.classList.toggle("lassoing", on);
    this.change(() => (this.lasso = null));
  }

  /** Selects what a lasso holds, beside what was selected if it adds. */
  lassoed(path, adds) {
    this.useLasso(false);
    const held = path.length > 2 ? this.within((place) => isInside(place, path)) : [];
    this.select(adds ? [...this.selected, ...held] : held);
  }

  /** The samples that are seen, not dimmed, and pass a test of their place in pixels. */
  within(test) {
    const { width, height } = this.view.size;
    return [...this.data.ids.keys()].filter((i) => {
      const place = this.view.toScreen(this.places.x[i], this.places.y[i]);
      const seen = place[0] >= 0 && place[1] >= 0 && place[0] <= width && place[1] <= height;
      return seen && this.isOut(i) && test(place);
    });
  }

  /** Selects samples, by their positions. */
  select(positions) {
    this.selected = new Set(positions);
    listSelection(this.selected, this.data, this.sheet, (i) => this.find(i));
    this.draw();
  }

  /** The ids of the selected samples. */
  selection() {
    return [...this.selected].map((i) => this.data.ids[i]);
  }

  /** The sample under a pixel, or null: an image that holds it before a point that is near. */
  nearest(x, y) {
    const reach = imageSide(this.view.zoom) / 2;
    const at = (i) => this.view.toScreen(this.places.x[i], this.places.y[i]);
    const image = this.pictured.find((i) => at(i).every((v, axis) => Math.abs(v - [x, y][axis]) <= reach));
    if (image !== undefined) return image;
    let [best, least] = [null, NEAR];
    for (let i = 0; i < this.data.count; i++) {
      const [px, py] = at(i);
      const away = Math.hypot(px - x, py - y);
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  /** Shows the card of a sample; none where it is null. */
  point(i) {
    if (i === this.focus) return;
    this.focus = i;
    this.fillCard();
    this.draw();
  }

  /** Shows the card of a sample until it is closed. */
  pin(i) {
    this.pinned = i !== null;
    this.focus = null;
    this.point(i);
    if (i === null) this.change(() => (byId("map-card").hidden = true));
  }

  /** Brings a sample into view and pins it. */
  find(i) {
    if (!Number.isNaN(this.places.x[i])) this.view.centre(this.places.x[i], this.places.y[i], 4);
    this.pin(i);
  }

  /** Writes what is known of the sample in focus. */
  fillCard() {
    const card = byId("map-card");
    card.hidden = this.focus === null;
    card.classList.toggle("pinned", this.pinned);
    if (this.focus === null) return;
    fillCard(card, this.focus, this.data, this.sheet, this.pinned ? () => this.pin(null) : null);
  }

  /** Puts the card beside its sample, inside the box. */
  placeCard() {
    const card = byId("map-card");
    if (this.focus === null || card.hidden) return;
    const [x, y] = this.view.toScreen(this.places.x[this.focus], this.places.y[this.focus]);
    const gap = 16 + imageSide(this.view.zoom) / 2;
    const { width, height } = this.view.size;
    const left = x + gap + card.offsetWidth < width ? x + gap : x - gap - card.offsetWidth;
    card.style.left = `${clamp(left, 6, Math.max(6, width - card.offsetWidth - 6))}px`;
    card.style.top = `${clamp(y - card.offsetHeight / 2, 6, Math.max(6, height - card.offsetHeight - 6))}px`;
  }
}

/** Writes a sample's card: its image, its id, what every colouring says of it, and its row. */
function fillCard(card, i, data, sheet, close) {
  const [name, list] = ["span", "dl"].map((tag) => document.createElement(tag));
  name.className = "name";
  name.textContent = data.ids[i];
  const row = data.rows.length ? data.columns.map((column, k) => [column, data.rows[i][k]]) : [];
  for (const [term, value] of [...data.colourings.map((c) => [c.title, valueOf(c, i)]), ...row]) {
    const [dt, dd] = ["dt", "dd"].map((tag) => document.createElement(tag));
    dt.textContent = term;
    dd.textContent = value;
    list.append(dt, dd);
  }
  card.replaceChildren(...(close ? [closer(close)] : []), ...(sheet ? [thumbnail(sheet, i, 132)] : []), name, list);
}

/** A button that closes a card. */
function closer(close) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "close";
  button.textContent = "×";
  button.setAttribute("aria-label", "Close");
  button.addEventListener("click", close);
  return button;
}

/** Fills a list to choose from. */
function fillSelect(select, names, choose) {
  select.replaceChildren(...names.map((name) => new Option(name)));
  select.addEventListener("change", () => choose(select.selectedIndex));
}
