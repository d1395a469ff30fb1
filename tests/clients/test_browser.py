"""Headless Chromium opens the API page and calls the server from it."""

import asyncio
import json

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from combat import Player, Rest
from support import REPOSITORY, curl, tool

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


def test_the_example_page_plays_a_session(server, api, browser):
    """A person opens the page, plays against somebody, shoots; another tab looks on."""
    rest = Rest(server.url)
    page = (REPOSITORY / "examples" / "browser" / "index.html").as_uri()

    def open_page(session: str, player: str, button: str) -> None:
        browser.get(page)
        for name, value in (("server", server.address), ("player", player), ("session", session)):
            script = "document.getElementById(arguments[0]).value = arguments[1]"
            browser.execute_script(script, name, value)
        browser.find_element(By.ID, button).click()

    def players(b) -> dict:
        return b.execute_script("return Object.fromEntries(me.players)")

    open_page("", "from-the-page", "create")
    wait(browser, lambda b: "playing" in b.find_element(By.ID, "said").text)
    wait(browser, lambda b: b.execute_script("return isAlive()"))
    session = browser.execute_script("return document.getElementById('session').value")

    async def somebody_joins():
        bob = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="bob", join=True
        )
        await bob.until(lambda bob: bob.is_alive() and len(bob.entities) == 2)
        await bob.socket.close()

    asyncio.run(somebody_joins())
    wait(browser, lambda b: len(players(b)) == 2)

    def place() -> dict:
        state = rest.ok("GET", f"/sessions/{session}/state")["snapshot"]["entities"]
        return next(e for e in state if e["playerId"] == "from-the-page")["position"]

    before = place()
    press = "dispatchEvent(new KeyboardEvent(arguments[0], {key: arguments[1]}))"
    towards = "a" if before.get("x", 0) > 0 else "d"
    browser.execute_script(press, "keydown", towards)
    wait(browser, lambda _: abs(place().get("x", 0) - before.get("x", 0)) > 1_024)
    browser.execute_script(press, "keyup", towards)
    field = browser.find_element(By.ID, "field")
    ActionChains(browser).move_to_element(field).pause(0.3).click().perform()
    wait(browser, lambda b: "fired" in b.find_element(By.ID, "log").text)
    shots = {
        p["playerId"]: p["shots"] for p in rest.ok("GET", f"/sessions/{session}/stats")["players"]
    }
    assert shots["from-the-page"] >= 1
    assert complaints(browser) == []

    open_page(session, "", "watch")
    wait(browser, lambda b: "watching" in b.find_element(By.ID, "said").text)
    wait(browser, lambda b: len(players(b)) == 2)
    rest.ok("DELETE", f"/sessions/{session}")
    wait(browser, lambda b: "4410" in b.find_element(By.ID, "said").text)
    assert rest.ok("POST", f"/sessions/{session}/replay:verify", {})["agrees"]
