"""The page for one patient: as HTML, and in a real browser."""

import re
import threading
import time
from html.parser import HTMLParser

import pytest

from tests.pipelines.service.asgi import ask, send_form
from tests.pipelines.service.browser import CHROMIUM, Browser

FIELDS = {
    "regimen": "HMA",
    "age_years": "61",
    "hb_g_per_l": "9.8",
    "hb_g_per_l.unit": "g/dL",
    "disease": "AML secondary",
    "mut_tp53": "1",
    "wbc_1e9_per_l": "",
    "wbc_1e9_per_l.unit": "1e9/L",
}


class Outline(HTMLParser):
    """What a reader of the page's structure meets."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def named(self, *tags):
        return [attrs for tag, attrs in self.elements if tag in tags]


def test_the_form_asks_for_what_the_model_takes(app):
    page = ask(app, "GET", "/")
    assert page.status == 200
    outline = Outline(page.text)
    names = {one.get("name") for one in outline.named("input", "select")}
    assert set(FIELDS) | {"alive_at", "both_regimens"} == names
    labelled = {one["for"] for one in outline.named("label")}
    fields = [one for one in outline.named("input", "select") if "aria-label" not in one]
    assert {one["id"] for one in fields} == labelled
    assert "20 to 220 g/L, or 2 to 22 g/dL" in page.text
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("told", ["empty", "answer", "refusal"])
def test_nothing_inline_and_nothing_from_elsewhere(app, told):
    page = {
        "empty": lambda: ask(app, "GET", "/"),
        "answer": lambda: send_form(app, **FIELDS),
        "refusal": lambda: send_form(app, **FIELDS | {"age_years": "x"}),
    }[told]()
    outline = Outline(page.text)
    assert not [tag for tag, _ in outline.elements if tag == "style"]
    assert not [
        a for _, a in outline.elements if any(n == "style" or n.startswith("on") for n in a)
    ]
    for attrs in outline.named("script", "link", "img", "form"):
        for name in ("src", "href", "action"):
            assert attrs.get(name, "/").startswith("/")
    assert "not for care" in page.text.lower()
    assert "Model digest" in page.text
    for path in ("/style.css", "/page.js", "/icon.svg"):
        assert ask(app, "GET", path).status == 200


def test_an_answer_tells_warnings_first_then_figures(app):
    page = send_form(app, **FIELDS, alive_at="3", both_regimens="1")
    assert page.status == 200
    order = [page.text.index(word) for word in (
        "Before you read on", "Not for patients: simulated for tests", "Probability of death",
        "die by month 6", "Overall survival over time", "Given alive at 3 months",
        "under each regimen", "What makes it differ", "typical patient", "served version 3",
    )]  # fmt: skip
    assert order == sorted(order)
    assert "Hemoglobin <b>98 g/L</b>" in page.text
    assert "TP53 mutated <b>yes</b>" in page.text
    assert "White blood cells <b>unknown</b>" in page.text
    assert re.search(r'<path class="band" d="M[^"]+Z"/>', page.text)


def test_a_refusal_links_to_each_field_and_keeps_what_was_typed(app):
    page = send_form(app, **FIELDS | {"age_years": "610", "hb_g_per_l": "9,8", "regimen": ""})
    assert page.status == 422
    outline = Outline(page.text)
    assert [one["href"] for one in outline.named("a") if one["href"].startswith("#f-")] == [
        "#f-regimen", "#f-age_years", "#f-hb_g_per_l",
    ]  # fmt: skip
    assert 'role="alert"' in page.text
    wrong = {a["name"] for a in outline.named("input", "select") if a.get("aria-invalid")}
    assert wrong == {"regimen", "age_years", "hb_g_per_l"}
    assert 'value="610"' in page.text
    assert "not a comma" in page.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hb_g_per_l.unit": "stone"}, "There is no such unit"),
        ({"hb_g_per_l": "98"}, "Allowed: 2 to 22 g/dL"),
        ({"alive_at": "12"}, "before the last horizon"),
        ({"alive_at": "soon"}, "Not a number"),
        ({"both_regimens": "2"}, "Neither yes nor no"),
        ({"extra": "1"}, "The form has no such field"),
        ({"disease": "<script>alert(1)</script>"}, "&lt;script&gt;"),
        ({"age_years": '"><img src=x>'}, "&#34;&gt;&lt;img"),
        ({"age_years": "1" * 400}, "Not a possible value"),
        ({"age_years": "\ud800".encode("utf-8", "surrogatepass")}, "Not a number"),
    ],
)
def test_what_cannot_be_is_refused_in_words(app, changes, said):
    page = send_form(app, **FIELDS | changes)
    assert page.status == 422
    assert said in page.text
    assert "<script>alert" not in page.text


def test_an_empty_form_is_no_patient(app):
    page = send_form(app, regimen="HMA")
    assert (page.status, "Nothing is known of this patient" in page.text) == (422, True)


# -- in a real browser ---------------------------------------------------------------------------

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def address(app):
    """The service on a port of this machine."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http="h11", ws="none", loop="asyncio", lifespan="off",
                       log_config=None, access_log=False)
    )  # fmt: skip
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


def fill(browser, address, age="61"):
    browser.open(address)
    browser.do("document.getElementById('f-regimen').value = 'HMA'")
    browser.type("f-age_years", age)
    browser.type("f-hb_g_per_l", "9.8")
    browser.do(
        "s = document.querySelector('[name=\"hb_g_per_l.unit\"]'); s.value = 'g/dL';"
        "s.dispatchEvent(new Event('change')); true"
    )


def no_overflow(browser):
    return browser.do(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


@needs_chromium
@pytest.mark.parametrize("width", [1400, 400])
def test_a_patient_is_filled_in_asked_and_answered(browser, address, width):
    browser.logged.clear()
    browser.width(width)
    fill(browser, address)
    assert browser.do("document.getElementById('f-hb_g_per_l-limits').textContent") == (
        "2 to 22 g/dL"
    )
    assert no_overflow(browser)
    # By keyboard alone.
    browser.do("document.getElementById('f-hb_g_per_l').focus()")
    browser.key("Enter", "\r")
    browser.wait("document.body.classList.contains('has-answer')")
    browser.wait("document.activeElement.id === 'answer-title'")
    assert "Probability of death" in browser.do("document.body.innerText")
    assert browser.do("document.querySelectorAll('svg.chart path.line').length") == 1
    assert browser.do("document.getElementById('print').hidden") is False
    browser.do("document.querySelector('details').open = true")
    assert no_overflow(browser)
    assert browser.logged == []  # nothing was blocked by the policy, nothing was missing


@needs_chromium
@pytest.mark.parametrize("width", [1400, 400])
def test_a_refusal_is_read_out_and_leads_to_the_field(browser, address, width):
    browser.width(width)
    fill(browser, address, age="610")
    browser.do("document.querySelector('button[type=submit]').click()")
    browser.wait("document.querySelector('[role=alert]') !== null")
    browser.wait("document.activeElement.id === 'errors'")
    assert no_overflow(browser)
    browser.do("document.querySelector('[role=alert] a').click()")
    assert browser.do("location.hash") == "#f-age_years"
    assert browser.do("document.getElementById('f-age_years').value") == "610"


@needs_chromium
def test_it_is_one_sheet_of_paper(browser, address):
    browser.width(1400)
    fill(browser, address)
    browser.do("document.getElementById('f-both_regimens').checked = true")
    browser.do("document.querySelector('button[type=submit]').click()")
    browser.wait("document.body.classList.contains('has-answer')")
    printed = browser.pdf()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


@needs_chromium
def test_it_works_without_scripts(browser, address):
    browser.width(1400)
    browser.scripts(False)
    try:
        browser.open(address)
        browser.type("f-age_years", "61")
        browser.do("document.getElementById('f-regimen').value = 'LDAC'")
        browser.do("document.querySelector('form').submit()")
        browser.wait("document.body.classList.contains('has-answer')")
        assert browser.do("document.getElementById('print').hidden") is True
    finally:
        browser.scripts(True)


@needs_chromium
def test_text_stands_out_from_what_is_behind_it(browser, address):
    """Contrast of each pair of text and background on the answer: 4.5 or more (WCAG AA)."""
    browser.width(1400)
    fill(browser, address)
    browser.do("document.querySelector('button[type=submit]').click()")
    browser.wait("document.body.classList.contains('has-answer')")
    found = browser.do(CONTRAST)
    assert len(found) > 5
    assert [one for one in found if one[0] < 4.5] == []


CONTRAST = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(node).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || ["SCRIPT", "TITLE", "DESC"].includes(node.tagName.toUpperCase())) continue;
    const style = getComputedStyle(node);
    const ink = parts(node.closest("svg") ? style.fill : style.color);
    const [one, other] = [light(ink), light(behind(node))].sort((a, b) => b - a);
    found.set(style.color + behind(node), [(one + 0.05) / (other + 0.05), node.className || node.tagName]);
  }
  return [...found.values()];
})()
"""  # noqa: E501
