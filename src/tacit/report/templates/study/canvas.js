// Drawing a map: points, and images in place of those that have room.

const IMAGES_FROM = 1.6; // times enlarged, from which images appear
const RIM = 2; // pixels of the frame of an image

/** A fixed random order of n samples: no class lies on top of all others, and the same images are chosen each time. */
function shuffled(count) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let state = 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // a linear congruential generator
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Side of an image on the map, in pixels: it grows with the zoom. */
function imageSide(zoom) {
  return clamp(24 + 13 * Math.log2(zoom), 26, 84);
}

/** Samples whose images overlap nobody's, greedily in a fixed order: the same ones however the map is moved. */
function roomy(places, order, apartX, apartY) {
  const cells = new Map();
  const key = (cx, cy) => cx * 100003 + cy;
  const chosen = [];
  for (const i of order) {
    const [x, y] = [places.x[i], places.y[i]];
    if (Number.isNaN(x)) continue;
    const [cx, cy] = [Math.floor(x / apartX), Math.floor(y / apartY)];
    if (isFree(cells, key, cx, cy, (j) => Math.abs(places.x[j] - x) < apartX && Math.abs(places.y[j] - y) < apartY)) {
      cells.set(key(cx, cy), i); // two in one cell would overlap, so that it holds at most one
      chosen.push(i);
    }
  }
  return chosen;
}

/** Whether nobody in a cell or its neighbours is too near. */
function isFree(cells, key, cx, cy, tooNear) {
  for (let dx = -1; dx <= 1; dx++) {
    for (let dy = -1; dy <= 1; dy++) {
      const j = cells.get(key(cx + dx, cy + dy));
      if (j !== undefined && tooNear(j)) return false;
    }
  }
  return true;
}

/**
 * Draws a scene and returns whose images are seen.
 *
 * A scene has the `view`, the `places`, the `shades` and the `paints`, the `order` of drawing, who is `selected` and in
 * `focus`, which codes are `dimmed`, whether `images` are drawn, from which `sheet` and of whom (`chosen`), and the `lasso`.
 */
function drawMap(canvas, scene) {
  const context = canvas.getContext("2d");
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = scene.view.size;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  for (const { samples, alpha, rim } of layers(scene)) drawPoints(context, scene, samples, alpha, rim);
  const pictured = scene.sheet && scene.images ? drawImages(context, scene) : [];
  if (scene.focus !== null) drawRing(context, scene);
  if (scene.lasso) drawLasso(context, scene.lasso);
  return pictured;
}

/** Radius of a point, in pixels. */
function radius(scene) {
  const crowd = clamp(165 / Math.sqrt(scene.places.x.length), 1.6, 4.5);
  return Math.min(crowd * scene.view.zoom ** 0.28, 7);
}

/** Whose points are drawn, from the bottom up: the dimmed, the rest, and the selected over a paler rest. */
function layers(scene) {
  const { order, selected, dimmed, shades: { codes } } = scene;
  const [below, middle, above] = [[], [], []];
  for (const i of order) (selected.has(i) ? above : dimmed(codes[i]) ? below : middle).push(i);
  return [
    { samples: below, alpha: 0.13, rim: false },
    { samples: middle, alpha: selected.size ? 0.2 : 0.85, rim: false },
    { samples: above, alpha: 1, rim: true },
  ];
}

/** Draws the points of samples in their order, those that are seen. */
function drawPoints(context, scene, samples, alpha, rim) {
  const { view, places, shades: { codes, colours }, paints } = scene;
  const size = radius(scene) + (rim ? 1 : 0);
  context.imageSmoothingEnabled = true;
  const stamps = [...colours, paints.grey].map((colour) => stamp(colour, size, rim ? paints.ink : null));
  const side = stamps[0].width / (window.devicePixelRatio || 1);
  context.globalAlpha = alpha;
  for (const i of samples) {
    const [px, py] = view.toScreen(places.x[i], places.y[i]);
    if (!(px > -size && py > -size && px < view.size.width + size && py < view.size.height + size)) continue;
    const picture = stamps[codes[i] < 0 ? colours.length : codes[i]];
    context.drawImage(picture, px - side / 2, py - side / 2, side, side);
  }
  context.globalAlpha = 1;
}

/** A point as a small picture, which is drawn much faster than its outline. */
function stamp(colour, size, rim) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(2 * (size + 1) * ratio);
  const context = canvas.getContext("2d");
  context.fillStyle = colour;
  context.beginPath();
  context.arc(canvas.width / 2, canvas.width / 2, size * ratio, 0, 2 * Math.PI);
  context.fill();
  if (rim) {
    context.strokeStyle = rim;
    context.lineWidth = 0.8 * ratio;
    context.stroke();
  }
  return canvas;
}

/** Draws the images that have room, framed in their colours, and returns whose they are. */
function drawImages(context, scene) {
  const { view, places, shades: { codes }, sheet, dimmed, selected } = scene;
  const scale = imageSide(view.zoom) / Math.max(sheet.width, sheet.height);
  const [wide, high] = [Math.round(sheet.width * scale), Math.round(sheet.height * scale)];
  const seen = [];
  for (const i of scene.chosen(wide + 2 * RIM + 3, high + 2 * RIM + 3)) {
    if (dimmed(codes[i])) continue;
    const [px, py] = view.toScreen(places.x[i], places.y[i]).map(Math.round);
    if (px < -wide || py < -high || px > view.size.width + wide || py > view.size.height + high) continue;
    context.globalAlpha = selected.size && !selected.has(i) ? 0.35 : 1;
    drawFramed(context, scene, i, px - Math.round(wide / 2), py - Math.round(high / 2), wide, high);
    seen.push(i);
  }
  context.globalAlpha = 1;
  return seen;
}

/** Draws one image in its frame: of its colour, and of ink around it where it is selected. */
function drawFramed(context, scene, i, left, top, wide, high) {
  const { shades: { codes, colours }, paints, selected, sheet } = scene;
  const frame = (rim, colour) => {
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(left - rim, top - rim, wide + 2 * rim, high + 2 * rim, rim + 1);
    context.fill();
  };
  if (selected.has(i)) frame(2 * RIM, paints.ink);
  frame(RIM, codes[i] < 0 ? paints.grey : colours[codes[i]]);
  drawThumbnail(context, sheet, i, left, top, wide, high);
}

/** Rings the sample that the card speaks of. */
function drawRing(context, scene) {
  const [px, py] = scene.view.toScreen(scene.places.x[scene.focus], scene.places.y[scene.focus]);
  context.strokeStyle = scene.paints.accent;
  context.lineWidth = 3;
  context.beginPath();
  context.arc(px, py, radius(scene) + 5, 0, 2 * Math.PI);
  context.stroke();
}

/** Draws the line of a lasso, and what it holds so far. */
function drawLasso(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.fillStyle = "#33608f26";
  context.fill();
  context.strokeStyle = "#5b8fc4";
  context.setLineDash([6, 4]);
  context.lineWidth = 1.6;
  context.stroke();
  context.setLineDash([]);
}
