"""Headless Chromium opens the API page and calls the server from it."""

import json

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support import curl, tool

SECONDS_MAX = 30


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = tool("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        # It would look for its maker's servers.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(tool("chromedriver")))
    yield driver
    driver.quit()


def wait(browser, condition):
    return WebDriverWait(browser, SECONDS_MAX).until(condition)


def complaints(browser) -> list:
    """What the page's scripts and its loading complained about."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_page_shows_every_operation(server, browser):
    browser.get(f"{server.url}/docs")
    document = json.loads(curl(f"{server.url}/openapi.json").body)
    text = wait(browser, lambda b: b.find_element(By.TAG_NAME, "body").text)
    for path in document["paths"]:
        wait(browser, lambda b, path=path: path in b.find_element(By.TAG_NAME, "body").text)
    assert text
    assert complaints(browser) == []


def test_a_script_of_the_page_watches(server, open_type, browser, new_id):
    """EventSource, as a game's own page would use it."""
    aggregate = f"/api/v1/state/aggregates/{open_type}/{new_id}"
    curl(f"{server.url}{aggregate}", method="POST", body={"n": 0})
    browser.get(f"{server.url}/docs")
    browser.execute_script(
        """
        window.seen = [];
        const source = new EventSource(arguments[0] + ":watch");
        source.onmessage = (event) => window.seen.push(JSON.parse(event.data));
        """,
        aggregate,
    )
    wait(browser, lambda b: b.execute_script("return window.seen.some(m => m.begun)"))
    curl(f"{server.url}{aggregate}", method="PATCH", body={"mergePatch": {"n": 8}})
    changed = "return window.seen.filter(m => m.change).map(m => m.change.aggregate.state.n)"
    assert wait(browser, lambda b: b.execute_script(changed)) == [8]


class Operation:
    """One operation of the page: opened, filled in and sent as a person would."""

    def __init__(self, browser, name: str):
        self.browser = browser
        self.box = wait(browser, lambda b: b.find_element(By.ID, f"op-{name}"))
        # Away from the edges, where the page's header lies above its operations.
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.box)
        self.box.find_element(By.TAG_NAME, "summary").click()

    def part(self, selector: str):
        return wait(self.browser, lambda _: self.box.find_element(By.CSS_SELECTOR, selector))

    def fill(self, selector: str, text: str) -> None:
        field = self.part(selector)
        field.clear()
        field.send_keys(text)

    def send(self) -> tuple[str, str]:
        """The status and the answer that the page shows."""
        self.part("[data-send]").click()
        wait(self.browser, lambda _: self.part("[data-response]").text)
        return self.part("[data-status]").text, self.part("[data-response]").text


def test_a_person_writes_and_reads_a_player(server, browser, new_id):
    browser.get(f"{server.url}/docs")
    put = Operation(browser, "StateService_PutPlayer")
    put.fill('[data-param="playerId"]', new_id)
    put.fill("[data-body]", json.dumps({"status": "online", "level": 3}))
    status, _ = put.send()
    assert status.startswith("200"), status

    get = Operation(browser, "StateService_GetPlayer")
    get.fill('[data-param="playerId"]', new_id)
    status, answer = get.send()
    assert status.startswith("200"), status
    assert json.loads(answer)["level"] == 3
    assert complaints(browser) == []


def test_a_person_sees_why_a_request_is_refused(server, browser):
    browser.get(f"{server.url}/docs")
    get = Operation(browser, "StateService_GetPlayer")
    get.fill('[data-param="playerId"]', "nobody")
    status, answer = get.send()
    assert status.startswith("404"), status
    assert "NOT_FOUND" in answer
