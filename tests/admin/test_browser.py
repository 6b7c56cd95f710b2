"""The page in a real browser: what a stranger does in five minutes, on a wide screen and on a phone.

These tests run where Chromium, its driver and selenium are installed (extra `browser`).
`ADMIN_SCREENSHOTS=folder` keeps pictures of the pages.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
import uvicorn

from langchain_redis_memory import Access, RedisChatMessageHistory
from langchain_redis_memory.admin.serve import SignIn, admin_app
from langchain_redis_memory.cli import local
from langchain_redis_memory.cli.demo.play import play
from langchain_redis_memory.redis.client.client import Client
from tests.support import servers
from tests.support.site import ALL

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER and find_spec("selenium")), reason="needs chromium, chromedriver and selenium"
)


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    """The link to a page over the demo's data."""
    client = Client.from_url("memory://browser")
    for _ in play(client, local.embeddings()):
        pass
    client.settle()
    RedisChatMessageHistory("cleo-1", client, user="cleo").add_turn("Hello", "Hi")  # whom one test erases
    sign_in = SignIn(Access("eve", ALL))
    server = uvicorn.Server(uvicorn.Config(admin_app(client, sign_in, "127.0.0.1"), port=0, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    servers.wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{sign_in.path}"
    server.should_exit = True
    thread.join()
    client.close()


@pytest.fixture(scope="module")
def browser(link: str) -> Iterator[Chrome]:
    """A browser that has opened the link."""
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    driver.get(link)
    yield driver
    driver.quit()


class Person:
    """Somebody who clicks what is written on the page."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    @property
    def text(self) -> str:
        """What the page says; nothing while another page takes its place."""
        from selenium.common.exceptions import WebDriverException

        try:
            return str(self.browser.find_element("tag name", "main").text)
        except WebDriverException:
            return ""

    def reads(self, words: str) -> None:
        """Waits for a page that says this."""
        servers.wait_for(lambda: words in self.text)

    def click(self, words: str) -> None:
        """Clicks the first link, button or summary with these words, once it is there and stays."""
        from selenium.common.exceptions import WebDriverException

        found = f"//*[self::a or self::button or self::summary][contains(normalize-space(), {words!r})]"

        def clicked() -> bool:
            try:
                self.browser.find_element("xpath", found).click()
            except WebDriverException:  # not there yet, or another has just taken its place
                return False
            return True

        servers.wait_for(clicked)

    def type(self, label: str, words: str) -> None:
        """Types into the visible field with this label, once it is there."""
        fields = f"//label[contains(., {label!r})]//input"

        def visible() -> Any:
            return next((one for one in self.browser.find_elements("xpath", fields) if one.is_displayed()), None)

        servers.wait_for(visible).send_keys(words)

    def looks(self, name: str) -> None:
        """Keeps a picture, and checks that nothing was refused by the page's own policy."""
        if folder := os.environ.get("ADMIN_SCREENSHOTS"):
            height: Any = self.browser.execute_script("return document.body.scrollHeight")
            width = self.browser.get_window_size()["width"]
            self.browser.set_window_size(width, min(int(height) + 150, 4000))
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.browser.save_screenshot(str(Path(folder) / f"{name}.png"))
            self.browser.set_window_size(width, 900)
        told: Any = self.browser.get_log("browser")
        assert [line["message"] for line in told] == []


@pytest.fixture
def person(browser: Chrome) -> Person:
    browser.set_window_size(1200, 900)
    browser.get(urljoin(browser.current_url, "/"))
    return Person(browser)


def test_a_stranger_finds_the_turn_that_a_naive_cache_would_have_got_wrong(person: Person) -> None:
    person.looks("status")
    person.click("(default)")
    person.looks("overview")
    person.click("Same words")
    person.reads("Asthma is treatable")
    person.reads("Throat cancer is treatable")
    person.looks("same-words")
    person.click("ben")
    person.reads("A cache keyed on the last utterance would have been wrong here")
    person.looks("transcript")


def test_a_wrong_hit_is_reported_where_it_is_read(person: Person) -> None:
    person.click("(default)")
    person.click("Conversations")
    person.type("Search", "ben")
    servers.wait_for(lambda: "-ben" in (shown := person.text) and "-ana" not in shown)  # the list follows what is typed
    person.click("-ben")
    person.click("Report this hit as wrong")
    person.reads("Reported as wrong")
    person.looks("reported")
    person.click("Audit log")
    person.reads("report answer")
    person.looks("audit")


def test_a_user_is_erased_and_the_receipt_read(person: Person) -> None:
    person.click("(default)")
    person.click("Users")
    person.click("cleo")
    person.looks("user")
    person.click("Erase this user")
    person.reads("nothing has been erased yet")
    person.looks("dry-run")
    person.type("Type cleo to confirm", "cleo")
    person.click("Erase all of this")
    person.reads("Everything that is kept of the user was erased")
    person.looks("receipt")


def test_a_cache_is_looked_at(person: Person) -> None:
    person.click("(default)")
    person.click("Caches")
    person.click("answers")
    bars = "svg.chart rect"
    servers.wait_for(lambda: any(one.is_displayed() for one in person.browser.find_elements("css selector", bars)))
    person.looks("cache")
    person.click("What if")
    person.looks("what-if")


def test_a_phone_shows_a_transcript_without_scrolling_sideways(person: Person) -> None:
    person.browser.set_window_size(390, 844)
    person.click("(default)")
    person.looks("phone-overview")
    person.click("Conversations")
    person.click("-ben")
    person.looks("phone-transcript")
    widths: Any = person.browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] <= widths[1]


def test_the_keyboard_reaches_the_content_first(person: Person) -> None:
    from selenium.webdriver.common.keys import Keys

    person.browser.find_element("tag name", "body").send_keys(Keys.TAB)
    focused = person.browser.switch_to.active_element
    assert focused.text == "Skip to the content"
    focused.send_keys(Keys.ENTER)
    assert person.browser.switch_to.active_element.get_attribute("id") == "main"
