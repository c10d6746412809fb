// The page around the map: paper, tabs, tips, links to figures, and `window.tacit`.

/** The element of an id. */
function byId(id) {
  return document.getElementById(id);
}

/** Lets the reader turn the page to dark or light; their choice is kept where the browser keeps any. */
function startTheme(changed) {
  const button = byId("theme");
  const name = () => (button.textContent = isDark() ? "Light" : "Dark");
  const kept = remembered(() => localStorage.getItem("tacit-theme"));
  if (kept) document.documentElement.dataset.theme = kept;
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remembered(() => localStorage.setItem("tacit-theme", document.documentElement.dataset.theme));
    name();
    changed();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    name();
    changed();
  });
  name();
}

/** What the browser's storage says, or nothing where it forbids pages from files to ask. */
function remembered(ask) {
  try {
    return ask();
  } catch {
    return null;
  }
}

/** Shows one panel of each row of tabs; arrow keys go along it. */
function startTabs() {
  for (const row of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...row.querySelectorAll("[role=tab]")];
    const choose = (chosen) => {
      for (const tab of tabs) {
        const here = tab === chosen;
        tab.setAttribute("aria-selected", String(here));
        tab.tabIndex = here ? 0 : -1;
        byId(tab.getAttribute("aria-controls")).hidden = !here;
      }
    };
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(i + step + tabs.length) % tabs.length];
        choose(next);
        next.focus();
      });
    });
    choose(tabs[0]);
  }
}

/** Shows titles as tips that pointer, finger and keyboard reach alike. */
function startTips() {
  const tip = byId("tip");
  const tipped = "a[title], button[title], summary[title], [data-tip]";
  let tipping = null; // the element whose tip is shown
  const hide = () => {
    tip.hidden = true;
    tipping?.removeAttribute("aria-describedby");
    tipping = null;
  };
  const place = () => tipping && placeTip(tip, tipping.getBoundingClientRect());
  const show = (event) => {
    const target = event.target.closest?.(tipped);
    if (!target) return hide();
    if (target.title) {
      target.dataset.tip = target.title;
      target.removeAttribute("title");
    }
    hide();
    tipping = target;
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    target.setAttribute("aria-describedby", "tip");
    place();
  };
  document.addEventListener("mouseover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", place, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

/** Puts a tip above a box, or below it where there is no room. */
function placeTip(tip, box) {
  const above = box.top - tip.offsetHeight - 8;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
  tip.style.left = `${clamp(box.left, 8, Math.max(8, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
}

/** Opens the figure that a link leads to, and whatever it is folded into. */
function startLinks() {
  const open = () => {
    const target = byId(decodeURIComponent(location.hash.slice(1)));
    if (!target?.matches("details")) return;
    for (let box = target; box; box = box.parentElement.closest("details")) box.open = true;
    document.querySelector(".found")?.classList.remove("found");
    target.classList.add("found");
    target.scrollIntoView({ block: "center" });
  };
  window.addEventListener("hashchange", open);
  document.addEventListener("click", (event) => event.target.closest?.("a.chip") && setTimeout(open));
  open();
}

/** Marks in the contents which section is being read. */
function startContents() {
  const links = new Map([...document.querySelectorAll(".contents ol a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
}

/** Joins the samples and clusters of the page to the map. */
function startFinding(map) {
  for (const tile of document.querySelectorAll("button.tile")) {
    const place = map?.data.place.get(tile.dataset.id);
    tile.disabled = place === undefined;
    tile.addEventListener("click", () => {
      map.find(place);
      byId("map").scrollIntoView();
    });
  }
  for (const button of map ? document.querySelectorAll(".on-map") : []) {
    button.hidden = false;
    button.addEventListener("click", () => {
      map.showColouring(map.data.colourings.find((c) => c.key === button.dataset.colouring), button.dataset.word);
      byId("map").scrollIntoView();
    });
  }
}

/** What a reader's own script can ask: the ids that are selected, and what the map shows. */
function publish(map) {
  window.tacit = {
    selection: () => map.selection(),
    select: (ids) => map.select(ids.map((id) => map.data.place.get(id)).filter((i) => i !== undefined)),
    view: () => ({
      map: map.data.maps[map.which].name, colouring: map.colouring.title, zoom: map.view.zoom,
      images: map.pictured.map((i) => map.data.ids[i]),
    }),
    place: (id) => {
      const i = map.data.place.get(id);
      return map.view.toScreen(map.places.x[i], map.places.y[i]);
    },
  };
}

/** Begins everything. */
function start() {
  const data = readPayload();
  if (data) byId("map-box").hidden = false;
  const map = data && new StudyMap(data);
  startTheme(() => {
    if (!map) return;
    map.dress();
    map.bringOut(map.brought);
  });
  startTabs();
  startTips();
  startLinks();
  startContents();
  startFinding(map);
  if (!map) return;
  map.start();
  publish(map);
}

start();
