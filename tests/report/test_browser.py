"""The page in a real browser: no errors, no requests, and controls that change the picture."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: playwright.Browser, page: Path) -> Iterator[playwright.Page]:
    """The report at a laptop's width; afterwards, that nothing went wrong and nothing was asked for."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: wrong.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_selector("#picture[data-drawn]")
    yield tab
    tab.close()
    assert [entry for entry in wrong if not entry.startswith("data:")] == [page.as_uri()]


def picture(tab: playwright.Page) -> str:
    """The pixels of the viewer, after what was asked of it has been drawn."""
    tab.wait_for_timeout(150)
    return hashlib.md5(tab.evaluate("document.getElementById('picture').toDataURL()").encode()).hexdigest()


def drawn_slice(tab: playwright.Page) -> int:
    tab.wait_for_timeout(150)
    return int(tab.locator("#picture").get_attribute("data-drawn") or 0)


PIXELS = """(width, height) => {
    const canvas = document.getElementById('picture');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, width ?? canvas.width, height ?? canvas.height).data;
}"""


def colours(tab: playwright.Page) -> set[str]:
    """The colours that the picture has, outlines' among them."""
    tab.wait_for_timeout(150)
    script = f"""() => {{
        const pixels = ({PIXELS})();
        const seen = new Set();
        for (let i = 0; i < pixels.length; i += 4) seen.add(pixels.slice(i, i + 3).join());
        return [...seen];
    }}"""
    return {"#{:02X}{:02X}{:02X}".format(*map(int, seen.split(","))) for seen in tab.evaluate(script)}


def test_the_page_fits_and_draws_its_plots(opened: playwright.Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") <= 1280
    for name in ("box-0-0", "paired-0-0", "curves"):
        plot = opened.locator(f'[data-figure="{name}"]')
        plot.scroll_into_view_if_needed()
        plot.locator("svg.main-svg").first.wait_for()
    assert opened.locator('[data-figure="curves"] .scatterlayer path.js-line').count() >= 6 * 3


def test_another_metric_has_other_plots(opened: playwright.Page) -> None:
    opened.locator("select.metric").select_option(label="HD95 (mm)")
    shown = opened.locator('.pair:not([hidden]) [data-figure^="box"]')
    shown.scroll_into_view_if_needed()
    shown.locator("svg.main-svg").first.wait_for()
    assert "HD95 (mm)" in (shown.locator(".ytitle").text_content() or "")


def test_slider_wheel_and_keys_scroll(opened: playwright.Page) -> None:
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
    opened.mouse.wheel(0, -100)
    assert drawn_slice(opened) == lowest + 1
    opened.keyboard.press("End")
    highest = drawn_slice(opened)
    opened.keyboard.press("ArrowUp")
    assert drawn_slice(opened) == highest > first
    assert opened.locator("#place").text_content() == f"slice {highest} of 12"


def test_each_outline_is_switched_on_its_own(opened: playwright.Page) -> None:
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


def test_colour_blind_safe_colours(opened: playwright.Page) -> None:
    opened.locator('.case:has-text("case_1_2")').click()
    opened.locator('input[value="safe"]').check()
    assert colours(opened) >= {"#56B4E9", "#F0E442", "#D55E00"}
    assert not colours(opened) & {"#30D158", "#FFD60A", "#FF453A"}


def grey_at_corner(tab: playwright.Page) -> float:
    """Mean grey of a corner, where the synthetic CT has about -800 HU."""
    tab.wait_for_timeout(150)
    return (
        float(tab.evaluate(f"() => ({PIXELS})(60, 60).filter((_, i) => i % 4 === 0).reduce((a, b) => a + b)"))
        / 3600
    )


def test_windows_show_the_greys_that_their_limits_say(opened: playwright.Page) -> None:
    assert grey_at_corner(opened) == pytest.approx(255 * (-800 + 1350) / 1500, abs=4)
    opened.locator('input[value="Mediastinum"]').check()
    assert grey_at_corner(opened) == pytest.approx(0, abs=0.5)


def test_close_up_and_another_case_change_the_picture(opened: playwright.Page) -> None:
    pictures = [picture(opened)]
    opened.locator('input[value="close"]').check()
    pictures.append(picture(opened))
    opened.locator(".case").last.click()
    pictures.append(picture(opened))
    assert len(set(pictures)) == 3


def test_a_click_shows_its_place_larger(opened: playwright.Page) -> None:
    whole = picture(opened)
    opened.locator("#picture").click(position={"x": 200, "y": 300})
    once = picture(opened)
    opened.locator("#picture").click(position={"x": 200, "y": 300})
    assert picture(opened) == whole
    opened.locator("#picture").click(position={"x": 450, "y": 500})
    assert len({whole, once, picture(opened)}) == 3
