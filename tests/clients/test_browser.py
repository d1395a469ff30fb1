"""Headless Chromium opens the API page and calls the server from it."""

import asyncio
import json

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from combat import Player, Rest
from support import REPOSITORY, curl, run, tool

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
        # Wide enough for the page to show its list of operations.
        "--window-size=1400,1000",
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
    tags = [tag["name"] for tag in document["tags"]]
    for tag in tags:
        label = f"Open Group - {tag}"
        opened = f"Close Group - {tag}"
        wait(browser, lambda b, names=(label, opened): any(button(b, name) for name in names))
        for group in button(browser, label):
            browser.execute_script("arguments[0].click()", group)
    shown = "return document.querySelector('aside, nav, .sidebar').textContent"
    for path in document["paths"]:
        wait(browser, lambda b, path=path: path in b.execute_script(shown).replace("\u200b", ""))
    assert complaints(browser) == []


def button(browser, name: str) -> list:
    """The buttons whose text begins so, also where they are scrolled away."""
    buttons = browser.find_elements(By.TAG_NAME, "button")
    return [
        found for found in buttons if found.get_property("textContent").strip().startswith(name)
    ]


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


def test_a_page_watches_with_a_token_that_no_address_has(own_server, binary, browser, new_id):
    """EventSource sets no header: a cookie carries the token, and a browser sends it by itself."""
    secret = "of the pages of this test, and of nothing else"  # noqa: S105
    server = own_server(JWT_SECRET=secret)
    done = run(binary, "token", "--role", "admin", text=True, env={"JWT_SECRET": secret})
    token = done.stdout.strip()
    admin = ("-H", f"Authorization: Bearer {token}")
    player = f"/api/v1/state/player/{new_id}"
    assert curl(f"{server.url}{player}", *admin, method="PUT", body={"level": 1}).status == 200
    browser.get(f"{server.url}/docs".replace("127.0.0.1", "localhost"))
    browser.execute_script(
        """
        window.seen = [];
        window.answered = [];
        const [address, token] = arguments;
        const watch = () => {
          window.source = new EventSource(address);
          source.onmessage = (event) => window.seen.push(JSON.parse(event.data));
        };
        const call = (method) => fetch("/api/v1/stream-cookie", {
          method, headers: { authorization: `Bearer ${token}` },
        }).then((answer) => window.answered.push(answer.status));
        fetch(address, { headers: { accept: "text/event-stream" } })
          .then((answer) => window.answered.push(answer.status))
          .then(() => call("POST"))
          .then(watch);
        """,
        f"/api/v1/state/aggregates/player/{new_id}:watch",
        token,
    )
    wait(browser, lambda b: b.execute_script("return window.seen.some(m => m.begun)"))
    assert browser.execute_script("return window.answered") == [401, 204]
    assert browser.execute_script("return document.cookie") == "", "no script can read it"
    # It counts for streams alone: a form of another page could send it too.
    assert browser.execute_script(f"return fetch('{player}').then(a => a.status)") == 401
    curl(f"{server.url}{player}", *admin, method="PUT", body={"level": 8})
    levels = "return window.seen.filter(m => m.change).map(m => m.change.aggregate.state.level)"
    assert wait(browser, lambda b: b.execute_script(levels)) == [8]
    browser.execute_script("window.source.close()")
    assert [entry for entry in complaints(browser) if "401" not in entry["message"]] == []


class Operation:
    """One operation of the page: opened, filled in and sent as a person would."""

    def __init__(self, browser, server, tag: str, method: str, path: str):
        self.browser = browser
        browser.get("about:blank")
        browser.get(f"{server.url}/docs#tag/{tag.lower()}/{method}{path}")
        name = f"({method.lower()} {path})"
        opener = wait(
            browser, lambda b: [found for found in button(b, "Test Request") if name in found.text]
        )
        browser.execute_script("arguments[0].click()", opener[0])
        self.form = wait(browser, lambda b: b.find_element(By.CSS_SELECTOR, "[role=dialog]"))

    def type(self, place, text: str) -> None:
        place.click()
        keys = ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        keys.send_keys(text).perform()

    def parameter(self, name: str, text: str) -> None:
        row = wait(self.browser, lambda _: self.form.find_element(By.CSS_SELECTOR, f"tr#{name}"))
        self.type(row.find_elements(By.TAG_NAME, "td")[-1], text)

    def body(self, text: str) -> None:
        editor = wait(
            self.browser, lambda _: self.form.find_element(By.CSS_SELECTOR, ".cm-content")
        )
        self.type(editor, text)

    def send(self) -> str:
        """Status and answer, as the page shows them."""
        button(self.form, "Send")[0].click()
        wait(
            self.browser,
            lambda _: "Status:" in self.form.text and "Response Body" in self.form.text,
        )
        return self.form.text.split("Status:")[1]


def test_a_person_writes_and_reads_a_player(server, browser, new_id):
    path = "/api/v1/state/player/{playerId}"
    put = Operation(browser, server, "StateService", "PUT", path)
    put.parameter("playerId", new_id)
    put.body(json.dumps({"status": "online", "level": 3}))
    assert put.send().strip().startswith("200")

    get = Operation(browser, server, "StateService", "GET", path)
    get.parameter("playerId", new_id)
    answer = get.send()
    assert answer.strip().startswith("200"), answer
    assert '"level": 3' in answer
    assert complaints(browser) == []


def test_a_person_sees_why_a_request_is_refused(server, browser):
    get = Operation(browser, server, "StateService", "GET", "/api/v1/state/player/{playerId}")
    get.parameter("playerId", "nobody")
    answer = get.send()
    assert answer.strip().startswith("404"), answer
    assert "NOT_FOUND" in answer
    assert [entry for entry in complaints(browser) if "404" not in entry["message"]] == []


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
