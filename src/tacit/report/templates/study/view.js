// Which part of a map is seen: from its places to pixels and back.

const ZOOM = { least: 1, most: 60, step: 1.5 };
const MARGIN = 22; // pixels around the whole map

/** What is seen: `zoom` times the whole map, with the map's point (x, y) in the middle. */
class View {
  constructor() {
    this.size = { width: 1, height: 1 };
    this.map = { width: 1, height: 1 };
    this.reset();
  }

  /** Shows the whole map. */
  reset() {
    this.zoom = 1;
    this.x = this.map.width / 2;
    this.y = this.map.height / 2;
  }

  /** Takes another map, and shows the whole of it. */
  show(map) {
    this.map = { width: map.width, height: map.height };
    this.reset();
  }

  /** Pixels for one unit of the map. */
  get scale() {
    const { width, height } = this.size;
    const fit = Math.min((width - 2 * MARGIN) / this.map.width, (height - 2 * MARGIN) / this.map.height);
    return this.zoom * Math.max(fit, 1);
  }

  /** Where a point of the map is seen, in pixels. */
  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.size.width / 2, (y - this.y) * this.scale + this.size.height / 2];
  }

  /** Which point of the map a pixel shows. */
  toMap(px, py) {
    return [(px - this.size.width / 2) / this.scale + this.x, (py - this.size.height / 2) / this.scale + this.y];
  }

  /** Moves what is seen by pixels. */
  pan(dx, dy) {
    this.x = clamp(this.x - dx / this.scale, 0, this.map.width);
    this.y = clamp(this.y - dy / this.scale, 0, this.map.height);
  }

  /** Zooms so that what is seen at a pixel stays there. */
  zoomAt(factor, px = this.size.width / 2, py = this.size.height / 2) {
    const [x, y] = this.toMap(px, py);
    this.zoom = clamp(this.zoom * factor, ZOOM.least, ZOOM.most);
    if (this.zoom === ZOOM.least) return this.reset();
    const [nowX, nowY] = this.toMap(px, py);
    this.x = clamp(this.x + x - nowX, 0, this.map.width);
    this.y = clamp(this.y + y - nowY, 0, this.map.height);
  }

  /** Shows a point of the map in the middle, at least so many times enlarged. */
  centre(x, y, zoom) {
    this.zoom = Math.max(this.zoom, zoom);
    this.x = x;
    this.y = y;
  }
}

/** The nearest number that lies between two. */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
