"""The page in a real browser: no errors, no requests, and controls that change the picture."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnunetv2_raemd.report.grey_scale import CT_SCALE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS = 300_000  # on a busy machine; what fails says so at once
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield launched
        launched.close()


def new_tab(browser: Browser, **options: Any) -> Page:
    tab = browser.new_page(**options)
    tab.set_default_timeout(PATIENCE_MS)
    return tab


@pytest.fixture
def opened(browser: Browser, page: Path) -> Iterator[Page]:
    """The report at a laptop's width; afterwards, that nothing went wrong and nothing was asked for."""
    tab = new_tab(browser, viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: wrong.append(request.url))
    tab.goto(page.as_uri())
    wait_until_drawn(tab)
    yield tab
    tab.close()
    assert [entry for entry in wrong if not entry.startswith("data:")] == [page.as_uri()]


def wait_until_drawn(tab: Page) -> None:
    """The viewer has drawn what was asked of it last."""
    tab.wait_for_selector("#picture[data-drawn]")


def picture(tab: Page) -> str:
    """The pixels of the viewer."""
    wait_until_drawn(tab)
    return hashlib.md5(tab.evaluate("document.getElementById('picture').toDataURL()").encode()).hexdigest()


def drawn_slice(tab: Page) -> int:
    wait_until_drawn(tab)
    return int(tab.locator("#picture").get_attribute("data-drawn") or 0)


PIXELS = """(width, height) => {
    const canvas = document.getElementById('picture');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, width ?? canvas.width, height ?? canvas.height).data;
}"""


def colours(tab: Page) -> set[str]:
    """The colours that the picture has, outlines' among them."""
    wait_until_drawn(tab)
    script = f"""() => {{
        const pixels = ({PIXELS})();
        const seen = new Set();
        for (let i = 0; i < pixels.length; i += 4) seen.add(pixels.slice(i, i + 3).join());
        return [...seen];
    }}"""
    return {"#{:02X}{:02X}{:02X}".format(*map(int, seen.split(","))) for seen in tab.evaluate(script)}


def test_the_page_fits_and_draws_its_plots(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") <= 1280
    for name in ("box-0-0", "paired-0-0", "curves"):
        plot = opened.locator(f'[data-figure="{name}"]')
        plot.scroll_into_view_if_needed()
        plot.locator("svg.main-svg").first.wait_for()
    assert opened.locator('[data-figure="curves"] .scatterlayer path.js-line').count() >= 6 * 3


def drawn_plot(tab: Page, name: str) -> Locator:
    """A plot, once it is drawn."""
    plot = tab.locator(f'.pair:not([hidden]) [data-figure^="{name}"]')
    plot.scroll_into_view_if_needed()
    plot.locator("svg.main-svg").first.wait_for()
    return plot


def test_plots_offer_nothing_that_leaves_the_page(opened: Page) -> None:
    buttons = drawn_plot(opened, "box").locator(".modebar-btn")
    titles = [buttons.nth(i).get_attribute("data-title") or "" for i in range(buttons.count())]
    assert "Download plot" in titles
    assert not [title for title in titles if "share" in title.lower() or "cloud" in title.lower()]


def test_axis_titles_leave_room_for_long_numbers(opened: Page) -> None:
    opened.locator("select.metric").select_option(label="FPR")
    plot = drawn_plot(opened, "box")
    title = plot.locator(".ytitle").bounding_box()
    numbers = [tick.bounding_box() for tick in plot.locator(".ytick text").all()]
    assert title and numbers and title["x"] + title["width"] <= min(box["x"] for box in numbers if box)


def test_names_in_plots_are_text(browser: Browser, page: Path, tmp_path: Path) -> None:
    html = page.read_text(encoding="utf-8")
    named = tmp_path / "named.html"
    named.write_text(html.replace('"case_0_0 (fold 0)"', '"a\\u003cb>&lt;"'), encoding="utf-8")
    tab = new_tab(browser)
    tab.goto(named.as_uri())
    text = drawn_plot(tab, "box").evaluate("plot => plot.data[0].text[0]")
    tab.close()
    assert text == "a&lt;b>&amp;lt;"  # which Plotly shows as a<b>&lt;


def test_metric_and_plots_agree_on_coming_back(browser: Browser, page: Path) -> None:
    tab = new_tab(browser)
    tab.goto(page.as_uri())
    tab.locator("select.metric").select_option(label="HD95 (mm)")
    tab.goto("about:blank")
    tab.go_back()
    shown = tab.locator(".pair:not([hidden])").get_attribute("data-metric")
    chosen = tab.locator("select.metric").input_value()
    tab.close()
    assert shown == chosen


def test_another_metric_has_other_plots(opened: Page) -> None:
    opened.locator("select.metric").select_option(label="HD95 (mm)")
    shown = drawn_plot(opened, "box")
    assert "HD95 (mm)" in (shown.locator(".ytitle").text_content() or "")


def test_slider_wheel_and_keys_scroll(opened: Page) -> None:
    canvas, slider = opened.locator("#picture"), opened.locator("#slice")
    first, before = drawn_slice(opened), picture(opened)
    slider.fill("0")
    lowest = drawn_slice(opened)
    assert lowest < first and picture(opened) != before
    canvas.focus()
    opened.keyboard.press("ArrowUp")
    assert drawn_slice(opened) == lowest + 1
    opened.keyboard.press("ArrowDown")
    assert drawn_slice(opened) == lowest
    canvas.hover()
    opened.mouse.wheel(0, -100)  # which nothing waits for
    opened.wait_for_selector(f'#picture[data-drawn="{lowest + 1}"]')
    opened.keyboard.press("End")
    highest = drawn_slice(opened)
    opened.keyboard.press("ArrowUp")
    assert drawn_slice(opened) == highest > first
    assert opened.locator("#place").text_content() == f"slice {highest} of 12"


def test_each_outline_is_switched_on_its_own(opened: Page) -> None:
    opened.locator('.case:has-text("case_1_2")').click()
    green, yellow, red = "#30D158", "#FFD60A", "#FF453A"
    assert colours(opened) >= {green, yellow, red}
    for name, colour in (("Reference", green), ("TrainerBase", yellow), ("TrainerOurs", red)):
        switch = opened.locator(f'input[name="outline"][value="{name}"]')
        switch.uncheck()
        assert colours(opened) & {green, yellow, red} == {green, yellow, red} - {colour}
        switch.check()
    other = "#40C8FF"
    assert other not in colours(opened)
    opened.locator('input[value="TrainerOther"]').check()
    assert other in colours(opened)


def test_colour_blind_safe_colours(opened: Page) -> None:
    opened.locator('.case:has-text("case_1_2")').click()
    opened.locator('input[value="safe"]').check()
    assert colours(opened) >= {"#56B4E9", "#F0E442", "#D55E00"}
    assert not colours(opened) & {"#30D158", "#FFD60A", "#FF453A"}


def grey_at_corner(tab: Page) -> float:
    """Mean grey of a corner, where the synthetic CT has about -800 HU."""
    wait_until_drawn(tab)
    return (
        float(tab.evaluate(f"() => ({PIXELS})(60, 60).filter((_, i) => i % 4 === 0).reduce((a, b) => a + b)"))
        / 3600
    )


def test_windows_show_the_greys_that_their_limits_say(opened: Page) -> None:
    assert grey_at_corner(opened) == pytest.approx(255 * (-800 + 1350) / 1500, abs=4)
    opened.locator('input[value="Mediastinum"]').check()
    assert grey_at_corner(opened) == pytest.approx(0, abs=0.5)


def test_close_up_and_another_case_change_the_picture(opened: Page) -> None:
    pictures = [picture(opened)]
    opened.locator('input[value="close"]').check()
    pictures.append(picture(opened))
    opened.locator(".case").last.click()
    pictures.append(picture(opened))
    assert len(set(pictures)) == 3


def test_a_click_shows_its_place_larger(opened: Page) -> None:
    whole = picture(opened)
    opened.locator("#picture").click(position={"x": 200, "y": 300})
    once = picture(opened)
    opened.locator("#picture").click(position={"x": 200, "y": 300})
    assert picture(opened) == whole
    opened.locator("#picture").click(position={"x": 450, "y": 500})
    assert len({whole, once, picture(opened)}) == 3


def test_picture_and_slider_fit_on_a_laptop(opened: Page) -> None:
    opened.set_viewport_size({"width": 1280, "height": 720})
    heights = [opened.locator(name).bounding_box() for name in ("header", ".stage")]
    assert sum(box["height"] for box in heights if box) <= 720


def test_a_narrow_window_scrolls_in_one_direction(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


def test_wide_tables_are_scrolled_with_keys(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    table = opened.locator("figure.table").first
    table.focus()
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function("table => table.scrollLeft > 0", arg=table.element_handle())


def test_keys_work_after_a_case_was_chosen(opened: Page) -> None:
    opened.locator(".case").last.click()
    first, whole = drawn_slice(opened), picture(opened)
    opened.keyboard.press("ArrowUp")
    assert drawn_slice(opened) == first + 1
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Z")
    assert picture(opened) != whole
    opened.keyboard.press("z")
    assert picture(opened) == whole


def test_keys_leave_the_choices_alone(opened: Page) -> None:
    before = drawn_slice(opened)
    opened.locator('input[value="Lung"]').focus()
    opened.keyboard.press("ArrowDown")
    assert opened.locator('input[value="Mediastinum"]').is_checked()
    assert drawn_slice(opened) == before


def test_a_touchpad_scrolls_slowly(opened: Page) -> None:
    opened.locator("#slice").fill("0")
    lowest = drawn_slice(opened)
    opened.locator("#picture").hover()
    for _ in range(7):
        opened.mouse.wheel(0, -10)
    assert drawn_slice(opened) == lowest + 2


def test_screen_readers_hear_slice_and_case(opened: Page) -> None:
    number = drawn_slice(opened)
    assert opened.locator("#slice").get_attribute("aria-valuetext") == f"slice {number} of 12"
    opened.locator(".case").last.click()
    current = opened.locator('.case[aria-current="true"]')
    assert current.count() == 1 and current.get_attribute("data-case") == "5"
    assert opened.locator('[role="listbox"]').count() == 0


def test_the_size_of_voxels_is_said(opened: Page) -> None:
    assert opened.locator("#voxel").text_content() == "Voxels 0.8 × 0.8 mm, slices 2.5 mm apart"


def test_pixels_that_a_browser_hides_are_not_shown(browser: Browser, page: Path) -> None:
    tab = new_tab(browser)
    tab.add_init_script(
        """OffscreenCanvasRenderingContext2D.prototype.getImageData = (x, y, width, height) => {
            const fake = new ImageData(width, height);
            for (let i = 0; i < fake.data.length; i += 1) fake.data[i] = (i * 37) % 256;
            return fake;
        }"""
    )
    tab.goto(page.as_uri())
    tab.wait_for_selector("#picture[data-drawn]")
    note = tab.locator("#note").text_content() or ""
    corner = tab.evaluate(
        "() => [...document.getElementById('picture').getContext('2d').getImageData(5, 5, 40, 40).data]"
    )
    tab.close()
    stored = CT_SCALE.grey(np.array([-800]))[0]  # the picture as it is in the page, through no window
    assert "the windows have no effect" in note
    assert float(np.mean(corner[::4])) == pytest.approx(stored, abs=4)
