// What the page was handed: places, colours and thumbnails of the shown samples.

/** Decodes base64 into a typed array. */
function unpack(text, Kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

/** A map's places between 0 and its width or height, of which the greater is 1; NaN where a sample has none. */
function readMap(map) {
  const nowhere = 65535;
  const read = (text) => Float64Array.from(unpack(text, Uint16Array), (v) => (v === nowhere ? NaN : v / (nowhere - 1)));
  return { ...map, x: read(map.x), y: read(map.y) };
}

/** A colouring with its codes or values as numbers, one for each sample. */
function readColouring(given) {
  if (given.kind === "words") return { ...given, codes: unpack(given.codes, Uint16Array) };
  return { ...given, values: unpack(given.values, Float32Array) };
}

/** Reads everything; null on a page without a map. */
function readPayload() {
  const element = document.getElementById("payload");
  if (!element) return null;
  const given = JSON.parse(element.textContent);
  return {
    ...given,
    count: given.ids.length,
    maps: given.maps.map(readMap),
    colourings: given.colourings.map(readColouring),
    place: new Map(given.ids.map((id, i) => [id, i])),
  };
}

/** Loads the thumbnails' sheet; null where samples have no pictures. */
async function loadSheet(atlas) {
  if (!atlas) return null;
  const image = new Image();
  image.src = atlas.url;
  await image.decode();
  return { ...atlas, image };
}

/** Draws one sample's thumbnail into a rectangle, its pixels as squares where it is enlarged. */
function drawThumbnail(context, sheet, i, x, y, width, height) {
  context.imageSmoothingEnabled = width < sheet.width;
  context.drawImage(
    sheet.image,
    (i % sheet.columns) * sheet.width, Math.floor(i / sheet.columns) * sheet.height, sheet.width, sheet.height,
    x, y, width, height,
  );
}

/** A canvas with one sample's thumbnail, its longer side `side` CSS pixels. */
function thumbnail(sheet, i, side) {
  const scale = side / Math.max(sheet.width, sheet.height);
  const canvas = document.createElement("canvas");
  const [wide, high] = [sheet.width * scale, sheet.height * scale];
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  canvas.style.width = `${Math.round(wide)}px`;
  canvas.style.height = `${Math.round(high)}px`;
  canvas.className = "thumb";
  drawThumbnail(canvas.getContext("2d"), sheet, i, 0, 0, canvas.width, canvas.height);
  return canvas;
}
