// Mouse, fingers, wheel and keys, turned into what they ask of the map.

const STILL = 5; // pixels that a press may move and still be a click
const REACH = 60; // pixels that an arrow key moves the map

/**
 * Listens on the map's canvas.
 *
 * `asks` has `pan(dx, dy)`, `zoom(factor, x, y)`, `reset()`, `hover(x, y)`, `leave()`, `click(x, y)`, `escape()`,
 * `hint()`, `lassoing(event)`, `lasso(points)` and `lassoed(points, adds)`; all places are in pixels from the canvas's
 * upper left.
 */
function listen(canvas, asks) {
  listenToPointers(canvas, asks);
  listenToWheel(canvas, asks);
  listenToKeys(canvas, asks);
}

/** Where on the canvas an event is. */
function spot(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** One pointer drags, draws a lasso, or clicks; two pinch. */
function listenToPointers(canvas, asks) {
  const down = new Map(); // of each pressed pointer, where it is
  let path = null; // of the lasso
  let moved = 0;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, spot(canvas, event));
    moved = down.size > 1 ? Infinity : 0;
    path = down.size === 1 && asks.lassoing(event) ? [spot(canvas, event)] : null;
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = spot(canvas, event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") asks.hover(...now);
      return;
    }
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    moved += Math.hypot(dx, dy);
    if (path) {
      path.push(now);
      asks.lasso(path);
    } else if (down.size === 2) {
      pinch(down, event.pointerId, now, asks);
    } else if (moved > STILL) {
      canvas.classList.add("moving");
      asks.pan(dx, dy);
    }
    down.set(event.pointerId, now);
  });

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    canvas.classList.remove("moving");
    if (path && event.type === "pointerup") asks.lassoed(path, event.ctrlKey || event.metaKey);
    else if (path) asks.lasso(null);
    else if (event.type === "pointerup" && moved <= STILL) asks.click(...spot(canvas, event));
    path = null;
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => down.size || asks.leave());
}

/** Two fingers: what is between them stays between them. */
function pinch(down, mover, now, asks) {
  const [other] = [...down].filter(([id]) => id !== mover).map(([, place]) => place);
  const before = down.get(mover);
  const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
  const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
  asks.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  asks.zoom(apart(now) / apart(before), ...middle);
}

/** The wheel zooms once the map has been chosen, so that a reader who scrolls by is not held up. */
function listenToWheel(canvas, asks) {
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) {
      asks.hint();
      return;
    }
    event.preventDefault();
    const turned = clamp(event.deltaY * (event.deltaMode === 1 ? 16 : 1), -150, 150); // some mice scroll by lines
    const speed = event.ctrlKey ? 0.01 : 0.0022; // a pinch on a touchpad comes as small turns with Ctrl
    asks.zoom(Math.exp(-turned * speed), ...spot(canvas, event));
  }, { passive: false });
}

/** Arrows move the map, plus and minus zoom, 0 shows the whole, Escape lets go. */
function listenToKeys(canvas, asks) {
  const keys = {
    ArrowLeft: () => asks.pan(REACH, 0), ArrowRight: () => asks.pan(-REACH, 0),
    ArrowUp: () => asks.pan(0, REACH), ArrowDown: () => asks.pan(0, -REACH),
    "+": () => asks.zoom(ZOOM.step), "=": () => asks.zoom(ZOOM.step), "-": () => asks.zoom(1 / ZOOM.step),
    0: () => asks.reset(), Escape: () => asks.escape(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}

/** Whether a point lies inside a polygon: whether a ray from it crosses the border an odd number of times. */
function isInside([x, y], polygon) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
