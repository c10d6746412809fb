"""The page of a study in a browser: what a reader does with mouse, fingers and keys."""

import itertools
import math
import shutil

import pytest

from tacit.report.study import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
           "--force-prefers-reduced-motion", "--window-size=1400,1000")

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or its driver is not installed")


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def addresses(digits_study, table_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    written = {
        "digits": write_report(digits_study, folder / "digits.html"),
        "table": write_report(table_study, folder / "table.html"),
        "shared": write_report(digits_study, folder / "shared.html", share=True),
    }
    return {name: path.as_uri() for name, path in written.items()}


class Reader:
    """Somebody who reads a page."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.get("about:blank")
        browser.get(address)
        self.wait(lambda: self.ask("return window.tacit !== undefined && tacit.place(tacit_ids()[0])[0] > 1"))

    def ask(self, script, *given):
        helper = "const tacit_ids = () => JSON.parse(document.getElementById('payload').textContent).ids;"
        return self.browser.execute_script(helper + script, *given)

    def wait(self, condition):
        WebDriverWait(self.browser, 5, poll_frequency=0.02).until(lambda _: condition())

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    @property
    def canvas(self):
        return self.find("#map-canvas")

    @property
    def view(self):
        return self.ask("return tacit.view()")

    @property
    def places(self):
        return self.ask("return Object.fromEntries(tacit_ids().map((id) => [id, tacit.place(id)]))")

    def move_to(self, x, y):
        """An action that brings the mouse to pixels from the canvas's upper left."""
        self.ask("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", self.canvas)
        size = self.canvas.size
        action = ActionChains(self.browser, duration=10)
        from_middle = round(x - size["width"] / 2), round(y - size["height"] / 2)
        return action.move_to_element_with_offset(self.canvas, *from_middle)

    def scroll(self):
        """Turns the wheel over the middle of the map, and returns whether the map kept that from the page."""
        return self.ask("""const box = arguments[0].getBoundingClientRect();
                           const spot = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
                           const event = new WheelEvent('wheel', {deltaY: -150, cancelable: true, ...spot});
                           arguments[0].dispatchEvent(event); return event.defaultPrevented""", self.canvas)

    def lasso(self, corners):
        x, y = corners[0]
        action = self.move_to(x, y).key_down(Keys.SHIFT).click_and_hold()
        for (x, y), (to_x, to_y) in itertools.pairwise(corners):
            action = action.move_by_offset(to_x - x, to_y - y)
        action.release().key_up(Keys.SHIFT).perform()
        return self.ask("return tacit.selection()")


@pytest.fixture
def reader(browser, addresses):
    return Reader(browser, addresses["digits"])


def empty_spot(places):
    """A pixel near the middle that is far from every sample."""
    spots = [(x, y) for x in range(100, 600, 20) for y in range(100, 500, 20)]
    return max(spots, key=lambda s: min((s[0] - x) ** 2 + (s[1] - y) ** 2 for x, y in places.values()))


def test_wheel_zooms_a_chosen_map_and_images_appear_without_overlap(reader):
    reader.find("#map-images").click()
    reader.wait(lambda: reader.view["images"] == [])
    assert reader.view["zoom"] == 1
    x, y = empty_spot(reader.places)
    reader.move_to(x, y).click().perform()
    for _ in range(4):
        reader.scroll()
    reader.wait(lambda: len(reader.view["images"]) > 5)
    assert 3 < reader.view["zoom"] < 5
    assert nearest_images(reader) > 40


def test_images_of_the_whole_map_do_not_overlap_either(reader):
    reader.wait(lambda: len(reader.view["images"]) > 20)
    assert reader.view["zoom"] == 1 and nearest_images(reader) > 26


def nearest_images(reader):
    """By how many pixels the two images that are nearest to one another are apart, across or down."""
    places = reader.places
    seen = [places[name] for name in reader.view["images"]]
    return min(max(abs(a[0] - b[0]), abs(a[1] - b[1])) for a, b in itertools.combinations(seen, 2))


def test_wheel_over_a_map_that_was_not_chosen_scrolls_the_page(reader):
    assert not reader.scroll() and reader.view["zoom"] == 1
    assert reader.find("#map-hint").is_displayed()


def test_hover_shows_the_sample_under_the_pointer(reader):
    name, (x, y) = next(iter(reader.places.items()))
    reader.move_to(x, y).perform()
    card = reader.find("#map-card")
    reader.wait(card.is_displayed)
    shown = card.find_element(By.CSS_SELECTOR, ".name").text
    near = reader.places[shown]
    assert abs(near[0] - x) + abs(near[1] - y) < 15 and "brightness" in card.text
    reader.move_to(*empty_spot(reader.places)).perform()
    reader.wait(lambda: not card.is_displayed())


def test_click_pins_and_escape_lets_go(reader):
    x, y = next(iter(reader.places.values()))
    reader.move_to(x, y).click().perform()
    reader.move_to(*empty_spot(reader.places)).perform()
    assert reader.find("#map-card.pinned").is_displayed()
    reader.canvas.send_keys(Keys.ESCAPE)
    assert not reader.find("#map-card").is_displayed()


def test_lasso_holds_what_lies_inside_it_and_survives_another_map(reader):
    corners = [(220, 120), (560, 130), (540, 460), (240, 420), (220, 120)]
    places = reader.places
    chosen = reader.lasso(corners)
    inside = {name: depth(place, corners) for name, place in places.items()}
    assert {name for name, deep in inside.items() if deep > 3} <= set(chosen)
    assert {name for name, deep in inside.items() if deep < -3}.isdisjoint(chosen)
    assert 10 < len(chosen) < len(places) - 10 and reader.find("#map-count").text == str(len(chosen))
    listed = [e.text for e in reader.browser.find_elements(By.CSS_SELECTOR, "#map-list .id")]
    assert listed == chosen
    Select(reader.find("#map-which")).select_by_index(1)
    assert reader.find("#map-warning").text == "This map is mostly brightness."
    assert reader.ask("return tacit.selection()") == chosen and reader.places != places


def depth(place, corners):
    """How far a place lies inside the nearest edge of a convex polygon, in pixels; negative outside."""
    return min(((b[0] - a[0]) * (place[1] - a[1]) - (b[1] - a[1]) * (place[0] - a[0])) / math.dist(a, b)
               for a, b in itertools.pairwise(corners))


def test_drag_moves_the_map_when_it_is_enlarged(reader):
    reader.find("#map-in").click()
    before = reader.places
    reader.move_to(300, 300).click_and_hold().move_by_offset(60, 40).release().perform()
    after = reader.places
    name = next(iter(before))
    assert [round(b - a) for a, b in zip(before[name], after[name], strict=True)] == [60, 40]


def test_two_fingers_pinch(reader):
    reader.move_to(300, 300)
    box = reader.ask("return arguments[0].getBoundingClientRect().toJSON()", reader.canvas)
    name, (x, _) = next(iter(reader.places.items()))
    for kind, apart in (("touchStart", 50), ("touchMove", 75), ("touchMove", 100), ("touchEnd", None)):
        fingers = [] if apart is None else [
            {"x": box["x"] + 300 + sign * apart, "y": box["y"] + 300, "id": i} for i, sign in enumerate((-1, 1))]
        reader.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    assert reader.view["zoom"] == pytest.approx(2, rel=0.05)
    assert reader.places[name][0] == pytest.approx(300 + 2 * (x - 300), abs=6)  # what was between the fingers stays


def test_keys_zoom_move_and_show_the_whole(reader):
    canvas = reader.canvas
    canvas.send_keys("+", "+")
    assert reader.view["zoom"] == pytest.approx(2.25)
    name, (x, _) = next(iter(reader.places.items()))
    canvas.send_keys(Keys.ARROW_LEFT)
    assert reader.places[name][0] == pytest.approx(x + 60, abs=1)
    canvas.send_keys("0")
    assert reader.view["zoom"] == 1


def test_what_is_in_view_is_selected_without_a_mouse(reader):
    for _ in range(4):
        reader.find("#map-in").send_keys(Keys.ENTER)
    reader.find("#map-view").send_keys(Keys.ENTER)
    size = reader.canvas.size
    seen = {n for n, (x, y) in reader.places.items() if 0 <= x <= size["width"] and 0 <= y <= size["height"]}
    assert set(reader.ask("return tacit.selection()")) == seen and 0 < len(seen) < 120
    reader.find("#map-clear").click()
    assert reader.ask("return tacit.selection()") == []


def test_saved_selection_is_a_table(reader):
    reader.ask("URL.createObjectURL = (blob) => { window.saved = blob; return '#' }")
    reader.ask("tacit.select(tacit_ids().slice(0, 2))")
    reader.find("#map-save").click()
    head, *rows = reader.browser.execute_async_script("window.saved.text().then(arguments[0])").splitlines()
    assert head.startswith("id,") and head.endswith("brightness,folder,date")
    assert [r.split(",")[0] for r in rows] == ["set 0/digit-000.png", "set 2/digit-002.png"]


def test_a_cluster_is_brought_out_on_the_map(reader):
    button = reader.find(".on-map")
    reader.ask("arguments[0].click()", button)
    assert reader.view["colouring"].startswith("clusters")
    assert reader.find("#map-legend [aria-pressed=true]").text == button.get_attribute("data-word")
    assert "chosen" in reader.find(".cluster").get_attribute("class")


def test_a_chip_opens_its_figure_and_focus_shows_its_protocol(reader):
    chip = reader.find("a.chip")
    reader.ask("arguments[0].focus()", chip)
    assert reader.find("#tip").text == "Share of <neighbours> kept & how."
    chip.send_keys(Keys.ENTER)
    figure = reader.find("details[id^=f-02-umap]")
    reader.wait(lambda: figure.get_attribute("open"))
    assert "tacit fit umap" in figure.text


def test_paper_turns_dark_and_back(reader):
    def paper():
        return reader.find("body").value_of_css_property("background-color")

    before = paper()
    reader.find("#theme").click()
    assert paper() != before
    reader.find("#theme").click()
    assert paper() == before


@pytest.mark.parametrize("name", ["digits", "table", "shared"])
@pytest.mark.parametrize("width", [390, 1400])
def test_no_page_is_wider_than_its_screen_or_makes_errors(browser, addresses, name, width):
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get_log("browser")
    try:
        reader = Reader(browser, addresses[name])
        wide, seen = reader.ask("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]")
        assert wide == seen <= width
        assert reader.ask("const c = document.getElementById('map-canvas'); return c.width > 200 && c.height > 200")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []
