#!/usr/bin/env python3
"""Drives a browser on report.html: that it works, is readable, agrees with the manifest and lets no text act.

    check_page.py REPORT_FOLDER_OR_HTML [--hostile HTML]

With a folder, the numbers of `report.html` are compared with its `manifest.json`. `--hostile` names a page whose texts
try to be markup: nothing of them may run.

Prints one line for each check that passed and stops at the first that fails, with exit code 1. Needs the packages of
requirements.txt beside this file, and Chromium: $CHROMIUM, or one that is in PATH.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

CHANGES = [
    "lost", "gained", "potentially_lost", "potentially_gained", "unchanged_allowed", "unchanged_denied",
    "unchanged_unknown", "undetermined", "baseline_contradicted",
]
CHANGING = [0, 2, 1, 3, 7, 8]
WIDTHS = [400, 1280, 2000]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
ROWS = "#principals-table tbody tr"
DRAWER = "#drawer[open]"

# Every visible text and what is painted behind it. Texts for screen readers alone and disabled controls do not count.
CONTRAST = r"""
(root) => {
  const parse = (color) => {
    const n = color.match(/[\d.e+-]+/g).map(Number);
    const scale = color.startsWith("color(") ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n.length > 3 ? n[3] : 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  let worst = { ratio: 99 }, count = 0;
  const seen = new Map();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest(".hidden, .skip, script, style, noscript, option, :disabled, [hidden]")) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const key = style.color + back;
    count += 1;
    if (seen.has(key)) continue;
    seen.set(key, true);
    const a = light(over(parse(style.color), back)), b = light(back);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, words: node.data.trim().slice(0, 60), color: style.color, back: back.join(",") };
  }
  return { worst, count };
}
"""

COVERED = """
(heads) => heads.filter((head) => head.nextElementSibling && head.getBoundingClientRect().height
  && head.nextElementSibling.getBoundingClientRect().top < head.getBoundingClientRect().bottom - 1).map((head) => head.textContent)
"""


class Failed(Exception):
    """A check that did not hold."""


def require(condition, message):
    if not condition:
        raise Failed(message)


def passed(message):
    print(f"ok: {message}", flush=True)


def browser_path():
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    sys.exit("no browser: set CHROMIUM or install chromium")


def number(text):
    return int(re.sub(r"[^\d]", "", text))


def squeezed(text):
    """Without spaces, and without hyphens: pdftotext takes those at the end of a line for a word that is broken."""
    return re.sub(r"[\s-]+", "", text)


class Page:
    """A page of the report in its own browser context; anything it should not do is kept in `faults`."""

    def __init__(self, browser, path, scheme="light", width=1280, motion="reduce"):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion=motion)
        self.page = self.context.new_page()
        self.faults = []
        self.url = path.resolve().as_uri()
        self.page.on("console", lambda message: self.faults.append(f"console {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self.on_request)
        self.page.on("dialog", self.on_dialog)
        started = time.monotonic()
        self.page.goto(self.url)
        self.page.wait_for_selector("#verdict:not(:empty)")
        self.seconds = time.monotonic() - started
        self.data = json.loads(self.page.locator("#data").text_content())

    def on_request(self, request):
        if request.url.split("#")[0] != self.url and not request.url.startswith("data:"):
            self.faults.append(f"request: {request.url}")

    def on_dialog(self, dialog):
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            require(not self.faults, "; ".join(self.faults[:3]))
        self.context.close()

    def rows(self):
        return self.page.locator(ROWS)

    def choose(self, index):
        """Shows a candidate."""
        radio = self.page.locator(f"#switch input[value='{index}']")
        if radio.count():
            radio.check(force=True)
        elif self.page.locator("#candidate-select").count():
            self.page.select_option("#candidate-select", str(index))
        else:
            require(index == 0, "there is no switch between candidates")

    def settle(self):
        """Waits until a search that was typed is done."""
        self.page.wait_for_timeout(150)

    def wait_for_rows(self, count):
        """Polls from here: the page's own policy forbids the evaluation that Playwright's waiting needs."""
        for _ in range(250):
            if self.rows().count() == count:
                return
            self.page.wait_for_timeout(20)
        raise Failed(f"{self.rows().count()} rows, not {count}")

    def column(self, key):
        """The texts of a column, by the key of its header."""
        keys = self.page.eval_on_selector_all("#principals-table thead th", "all => all.map((one) => one.dataset.key || '')")
        at = keys.index(key)
        return self.page.eval_on_selector_all(ROWS, "(all, at) => all.map((row) => row.cells[at].textContent)", at)

    def open_details(self, selector, limit=100):
        """Opens what is folded in the drawer."""
        closed = self.page.locator(f"{DRAWER} {selector}:not([open]) > summary")
        while closed.count() and limit:
            closed.first.click()
            limit -= 1

    def scrolls_sideways(self):
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def text(self, ref):
        return None if ref is None else self.data["texts"][ref]

    def name(self, principal):
        """As the page shows it: without the account, which stands beside it."""
        return (self.text(principal["name"]) or "unknown principal").removesuffix(f" ({self.text(principal['account'])})")


# --- What it does -----------------------------------------------------------------------------------------------------

def check_quiet(browser, path):
    with Page(browser, path) as one:
        policy = one.page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
        require("default-src 'none'" in policy, f"the content security policy is {policy!r}")
        require(one.page.locator("meta[name=referrer]").get_attribute("content") == "no-referrer", "no referrer policy")
        for candidate in range(len(one.data["candidates"])):
            one.choose(candidate)
            shown = squeezed(one.page.locator("#verdict").text_content())
            require(shown == squeezed(one.data["candidates"][candidate]["verdict"]), f"the verdict is {shown!r}")
        seconds = one.seconds
    passed(f"opens in {seconds:.1f} s, shows the verdict of each candidate; no error, no console message, no request")


def check_search(browser, path):
    with Page(browser, path) as one:
        known = [p for p in one.data["principals"] if p["arn"] is not None]
        if not known:
            return passed("search: the page has no principal")
        wanted = one.text(known[len(known) // 2]["arn"])
        expected = sum(wanted.lower() in one.text(p["arn"]).lower() for p in known)
        one.page.keyboard.press("/")
        require(one.page.evaluate("document.activeElement.id") == "search", "`/` does not focus the search")
        one.page.fill("#search", wanted.upper())
        started = time.monotonic()
        one.wait_for_rows(min(expected, 50))
        seconds = time.monotonic() - started
        arns = one.page.locator(f"{ROWS} .arn").all_text_contents()
        require(arns and all(wanted.lower() in arn.lower() for arn in arns), f"search for {wanted} shows {arns[:3]}")
        require(seconds < 2, f"search took {seconds:.1f} s")
        one.page.fill("#search", "no principal is called like this \u2603")
        one.wait_for_rows(0)
        require("No principal matches" in one.page.inner_text("#principals-table"), "an empty result is not said")
        one.page.click("#reset")
        require(one.rows().count() == min(len(one.data["principals"]), 50), "the filters are not cleared")
    passed(f"search: narrows {len(one.data['principals']):,} principals to {expected} in {seconds:.2f} s")


def check_sort(browser, path):
    with Page(browser, path) as one:
        if not one.data["principals"]:
            return passed("sort: the page has no principal")
        for key, convert in (("events", number), ("lost", number), ("name", str)):
            header = one.page.locator(f"#principals-table th[data-key='{key}']")
            seen = set()
            for _ in range(2):
                header.locator("button").click()
                way = header.get_attribute("aria-sort")
                seen.add(way)
                values = [convert(text) for text in one.column(key)]
                if convert is number:
                    require(values == sorted(values, reverse=way == "descending"), f"{key}, {way}: {values[:10]}")
                else:
                    require(len(values) < 2 or values[0] != values[-1], f"{key}, {way}: {values[:3]}")
                require(one.page.evaluate("document.activeElement.closest('th')?.dataset.key") == key, "sorting loses the focus")
            require(seen == {"ascending", "descending"}, f"aria-sort of {key} is {seen}")
        others = one.page.locator("#principals-table th[aria-sort=ascending], #principals-table th[aria-sort=descending]").count()
        require(others == 1, f"{others} columns say that they are sorted")
    passed("sort: header buttons order the rows both ways and say so")


def check_filter(browser, path):
    with Page(browser, path) as one:
        filtered = 0
        for candidate in range(len(one.data["candidates"])):
            one.choose(candidate)
            for change in CHANGING:
                expected = sum(p["by"][candidate]["events"][change] > 0 for p in one.data["principals"])
                one.page.select_option("#filter-change", str(change))
                require(one.rows().count() == min(expected, 50), f"{CHANGES[change]}: {one.rows().count()} rows, not {expected}")
                filtered += expected > 0
            one.page.select_option("#filter-change", "all")
        if one.data["principals"]:
            ref = one.data["principals"][-1]["account"]
            one.page.select_option("#filter-account", str(ref).lower() if ref is not None else "null")
            expected = sum(p["account"] == ref for p in one.data["principals"])
            require(one.rows().count() == min(expected, 50), f"account {one.text(ref)}: {one.rows().count()} rows, not {expected}")
    passed(f"filter: by change ({filtered} that are not empty) and account")


def check_slices(browser, path):
    with Page(browser, path) as one:
        total = len(one.data["principals"])
        more = one.page.locator("#principals-more button")
        if total > 50:
            require(one.rows().count() == 50, f"{one.rows().count()} rows are drawn at first")
            more.click()
            require(one.rows().count() == min(total, 250), "the button does not show more")
        else:
            require(more.count() == 0 and one.rows().count() == total, "not all principals are shown")
        left = one.data["more_principals"]
        said = one.page.inner_text("#principals-left-out")
        require((f"{left:,}" in said and "principals.parquet" in said) if left else not said, f"what is left out: {said!r}")
    passed("slices: long tables are drawn in parts, and what is left out is said")


# --- The drawer -------------------------------------------------------------------------------------------------------

def affected(one):
    """A candidate and a principal of it that has rows, or None."""
    for row in one.data["rows"]:
        if one.text(row[3]) and row[2] in CHANGING[:4]:
            return row[0], row[1]
    return None


def check_drawer(browser, path):
    with Page(browser, path) as one:
        found = affected(one)
        if found is None:
            return passed("drawer: nothing changes on this page")
        candidate, principal = found
        one.choose(candidate)
        name = one.text(one.data["principals"][principal]["arn"]) or one.text(one.data["principals"][principal]["name"])
        one.page.fill("#search", name)
        one.settle()
        opener = one.page.locator(f"{ROWS}[data-principal='{principal}'] button").first
        rows = [row for row in one.data["rows"] if row[0] == candidate and row[1] == principal]

        opener.click()
        one.page.wait_for_selector(DRAWER)
        drawer = one.page.locator(DRAWER)
        require(drawer.get_attribute("role") == "dialog" and drawer.get_attribute("aria-modal") == "true", "the drawer is no modal dialog")
        one.page.locator("#drawer-close").click()
        require(drawer.count() == 0, "the button does not close the drawer")

        opener.focus()
        one.page.keyboard.press("Enter")
        one.page.wait_for_selector(DRAWER)
        if len(rows) <= 20:
            check_drawer_rows(one, drawer, rows)
        require(drawer.locator(".pane").count() >= 2, "no statement stands side by side with another")
        covered = drawer.locator(".pane-head").evaluate_all(COVERED)
        require(not covered, f"what stands below covers {covered[:1]}")
        for _ in range(2 * drawer.locator("button, summary").count() + 2 if len(rows) <= 20 else 40):
            one.page.keyboard.press("Tab")
            require(one.page.evaluate("document.getElementById('drawer').contains(document.activeElement)"), "Tab leaves the drawer")
        one.page.keyboard.press("Escape")
        require(drawer.count() == 0, "Escape does not close the drawer")
        require(opener.evaluate("element => element === document.activeElement"), "the focus does not return to what opened the drawer")
        require("principal=" not in one.page.url, "the address still names a principal")
    passed("drawer: opens by click and Enter, keeps the focus, closes with Escape and gives the focus back")


def check_drawer_rows(one, drawer, rows):
    text = drawer.text_content()
    for row in rows:
        require(one.text(row[3]) is None or one.text(row[3]) in text, f"the drawer has no {one.text(row[3])}")
        require(f"retrial explain REPORT --change {row[17]}" in text, f"the drawer has no command for {row[17]}")
        require(row[16] is None or row[16] in text, f"the drawer has no sample event {row[16]}")
    one.open_details("details.statements")
    text = drawer.text_content()
    for ref in {ref for row in rows for ref in row[10:12] if ref is not None}:
        statement = one.data["statements"][ref]
        require(one.text(statement["policy"]) in text, f"the drawer has no {one.text(statement['policy'])}")
        place = f"{one.text(statement['file'])}:{statement['line']}"
        require(place in text, f"the drawer has no {place}")
    if any(row[2] == 0 and row[11] is None for row in rows):
        require("No statement of this candidate allows it" in text, "a missing statement is not said in words")


def check_marks(browser, path):
    """A statement that stands on both sides with another text has marked lines, and only such."""
    with Page(browser, path) as one:
        texts = [statement["text"] for statement in one.data["statements"]]
        both = [row for row in one.data["rows"] if None not in row[10:12] and row[2] < 4]
        pair = next((row for row in both if texts[row[10]] != texts[row[11]]), None)
        if pair is None:
            return passed("statements: no pair on this page")
        one.choose(pair[0])
        arn = one.text(one.data["principals"][pair[1]]["arn"])
        link = urlencode({"candidate": one.data["candidates"][pair[0]]["name"], "principal": arn or f"#{pair[1]}"})
        one.page.goto(f"{one.url}#{link}")
        one.page.wait_for_selector(DRAWER)
        one.open_details("details.statements")
        before = one.page.locator(f"{DRAWER} .line.gone").count()
        after = one.page.locator(f"{DRAWER} .line.new").count()
        require(before + after > 0, "no line is marked as changed")
    passed(f"statements: changed lines are marked ({before} before, {after} after); a link with candidate and principal opens the drawer")


# --- How it looks -----------------------------------------------------------------------------------------------------

def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def check_themes(browser, path):
    with Page(browser, path) as one:
        light = background(one.page)
        one.page.emulate_media(color_scheme="dark")
        dark = background(one.page)
        require(light != dark, "dark mode has the same background")
        one.page.click("#theme")
        require(background(one.page) == light, "the button does not make a dark page light")
        one.page.reload()
        require(background(one.page) == light, "the choice is not remembered")
        one.page.click("#theme")
        require(background(one.page) == dark, "the button does not make a light page dark")
    passed("themes: follow the system, the button changes them and is remembered")


def check_widths(browser, path):
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            with Page(browser, path, scheme, width) as one:
                require(not one.scrolls_sideways(), f"the page scrolls sideways at {width} px")
                if one.data["principals"]:
                    one.page.locator(f"{ROWS} button").first.click()
                    one.page.wait_for_selector(DRAWER)
                    wide = one.page.locator("#drawer-body").evaluate("body => body.scrollWidth > body.clientWidth")
                    require(not wide, f"the drawer scrolls sideways at {width} px")
    passed(f"widths: no sideways scroll at {', '.join(map(str, WIDTHS))} px, drawer included")


def check_contrast(browser, path):
    for scheme in ("light", "dark"):
        with Page(browser, path, scheme) as one:
            found = affected(one)
            results = [one.page.evaluate(CONTRAST, "body")]
            if found:
                one.choose(found[0])
                results.append(one.page.evaluate(CONTRAST, "body"))
                one.page.locator(f"{ROWS} button").first.click()
                one.page.wait_for_selector(DRAWER)
                results.append(one.page.evaluate(CONTRAST, "#drawer"))
            worst = min((result["worst"] for result in results), key=lambda one: one["ratio"])
            require(worst["ratio"] >= 4.5, f"{scheme}: contrast {worst['ratio']:.2f} of {worst}")
            total = sum(result["count"] for result in results)
        passed(f"contrast: {scheme}, at least {worst['ratio']:.2f} to 1 in {total:,} texts")


def check_names(browser, path):
    roles = {"button", "link", "searchbox", "textbox", "combobox", "radio", "checkbox", "DisclosureTriangle", "dialog", "image"}
    with Page(browser, path) as one:
        session = one.context.new_cdp_session(one.page)

        def nameless():
            tree = session.send("Accessibility.getFullAXTree")["nodes"]
            nodes = [node for node in tree if not node.get("ignored") and node["role"]["value"] in roles]
            return len(nodes), [node["role"]["value"] for node in nodes if not node.get("name", {}).get("value", "").strip()]

        count, without = nameless()
        require(not without, f"without an accessible name: {without[:5]}")
        require(one.page.locator("h1").count() == 1, "the page needs one h1")
        if one.data["principals"]:
            one.page.locator(f"{ROWS} button").first.click()
            one.page.wait_for_selector(DRAWER)
            inside, without = nameless()
            require(not without, f"in the drawer, without an accessible name: {without[:5]}")
            count += inside
    passed(f"names: {count:,} controls and images have an accessible name")


def check_keyboard(browser, path):
    with Page(browser, path) as one:
        steps = []
        for _ in range(40):
            one.page.keyboard.press("Tab")
            state = one.page.evaluate(
                "(() => { const e = document.activeElement; const s = getComputedStyle(e.matches('.options input') ? e.parentElement : e);"
                " return [e.id || e.className || e.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; })()")
            steps.append(state)
            if state[0] == "BODY":
                break
            require(state[1], f"the focus is not visible on {state[0]!r}")
        reached = {step[0] for step in steps}
        for wanted in ("theme", "search", "filter-change", "filter-account", "filter-type"):
            require(wanted in reached, f"Tab does not reach {wanted}: {sorted(reached)}")
    passed("keyboard: Tab reaches the controls, and the focus is visible")


def check_print(browser, path):
    with Page(browser, path) as one, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "page.pdf"
        one.page.pdf(path=out, format="A4")
        require(out.stat().st_size > 10_000, f"the PDF has {out.stat().st_size} bytes")
        if not shutil.which("pdftotext"):
            return passed("print: a PDF (pdftotext is not there to read it)")
        text = squeezed(subprocess.run(["pdftotext", out, "-"], check=True, capture_output=True, text=True).stdout)
        candidate = one.data["candidates"][0]
        for part in candidate["verdict"].split(";"):
            require(squeezed(part) in text, f"the PDF does not say {part!r}")
        for heading in ("Principals", "Coverage", "Not replayed and skipped"):
            require(squeezed(heading) in text, f"the PDF has no {heading!r}")
        known = [p for p in one.data["principals"] if any(p["by"][0]["events"][change] for change in CHANGING)]
        for principal in known[:200]:
            require(squeezed(one.name(principal)) in text, f"the PDF does not name {one.name(principal)}")
    passed(f"print: a PDF with the verdict, the coverage and {len(known):,} principals that are affected")


# --- Numbers ----------------------------------------------------------------------------------------------------------

def check_numbers(browser, path, manifest):
    with Page(browser, path) as one:
        data = one.data
        require(data["window"] == manifest["window"], f"the window is {data['window']}, not {manifest['window']}")
        require([c["name"] for c in data["candidates"]] == [c["name"] for c in manifest["candidates"]], "other candidates")
        for index, candidate in enumerate(manifest["candidates"]):
            one.choose(index)
            check_candidate(one, index, candidate)
        check_totals(one, manifest)
    passed(f"numbers: {len(manifest['candidates'])} candidates, agreement, and what was not replayed are as in the manifest")


def check_candidate(one, index, candidate):
    name, events = candidate["name"], candidate["events"]
    shown = one.page.eval_on_selector_all("#sure .n[data-count]", "all => all.map((one) => [Number(one.dataset.count), one.textContent])")
    require(len(shown) == len(CHANGES), f"{name}: {len(shown)} changes are listed")
    for change, text in shown:
        require(number(text) == events[CHANGES[change]], f"{name}: {text} events {CHANGES[change]}, not {events[CHANGES[change]]:,}")
    tiles = one.page.locator("#numbers > *").all_inner_texts()
    for tile, change in zip(tiles, ("lost", "potentially_lost", "gained", "potentially_gained")):
        count = number(re.search(r"([\d,]+) events?\b", tile).group(1))
        require(count == events[change], f"{name}: {count:,} events {change} in big, not {events[change]:,}")
    if one.data["more_principals"] == 0:
        for change, key in enumerate(CHANGES):
            total = sum(p["by"][index]["events"][change] for p in one.data["principals"])
            require(total == events[key], f"{name}: the principals have {total:,} events {key}, not {events[key]:,}")
    if one.data["more_rows"]["rows"] == 0:
        for change in CHANGING:
            key = CHANGES[change]
            rows = [row for row in one.data["rows"] if row[0] == index and row[2] == change]
            total, requests = sum(row[5] for row in rows), sum(row[4] for row in rows)
            require(total == events[key], f"{name}: the rows have {total:,} events {key}, not {events[key]:,}")
            require(requests == candidate["requests"][key], f"{name}: the rows have {requests:,} requests {key}")
    if not one.page.locator("#candidates").is_visible():
        return
    place = one.data["standings"].index(index)
    cells = one.page.locator("#candidates-table tbody tr").nth(place).locator("td")
    labels = {"Would lose": "lost", "May lose": "potentially_lost", "Would gain": "gained", "May gain": "potentially_gained",
              "May lose or gain": "undetermined", "Contradicted": "baseline_contradicted"}
    for cell in cells.all():
        change = labels.get(cell.get_attribute("data-label"))
        if change:
            count = number(cell.inner_text().split("\n")[0])
            require(count == events[change], f"side by side, {name}: {count:,} events {change}, not {events[change]:,}")


def check_totals(one, manifest):
    counts = manifest["counts"]
    body = one.page.locator("#not-judged-body").text_content()
    cells = "all => all.map((one) => [one.querySelector('code').textContent, one.cells[1].textContent])"
    reasons = one.page.eval_on_selector_all("#not-judged-body tr:has(code)", cells)
    expected = {key: value for part in (counts["not_replayed"], manifest["skipped_by_reason"]) for key, value in part.items() if value}
    require({key: number(text) for key, text in reasons} == expected, f"reasons are {reasons}, not {expected}")
    for key in ("records", "duplicates", "filtered", "skipped", "events", "replayed"):
        require(f"{counts[key]:,}" in body, f"{key}: {counts[key]:,} is not among what was not replayed")
    scope = one.page.inner_text("#scope")
    require(f"{counts['replayed']:,} of {counts['events']:,} event" in scope, f"the scope is {scope!r}")
    agreement = manifest["agreement"]
    if agreement:
        shown = [number(text) for text in one.page.locator("#sure > div").first.locator(".n").all_text_contents()]
        counted = [agreement[key] for key in ("agree", "explained_by_opaque", "open", "contradict")]
        require(shown == counted, f"agreement is {shown}, not {counted}")


# --- Texts that try to act --------------------------------------------------------------------------------------------

INJECTED = """
() => {
  const allowed = new Set(("HTML HEAD META TITLE LINK STYLE SCRIPT NOSCRIPT BODY DIV HEADER NAV MAIN SECTION FOOTER DIALOG FORM "
    + "FIELDSET LEGEND LABEL INPUT SELECT OPTION BUTTON A DETAILS SUMMARY H1 H2 H3 H4 P SPAN SMALL B I BDI CODE KBD UL LI DL DT DD "
    + "TABLE THEAD TBODY TR TH TD").split(" "));
  const all = [...document.querySelectorAll("*")];
  return all.filter((one) => !allowed.has(one.tagName) || [...one.attributes].some((attribute) => attribute.name.startsWith("on"))
    || (one.tagName === "A" && !one.getAttribute("href").startsWith("#"))).map((one) => one.outerHTML.slice(0, 100));
}
"""


def check_hostile(browser, path):
    opened = 0
    for width in (400, 1280):
        with Page(browser, path, width=width) as one:
            def nothing_ran():
                require(not one.faults, "; ".join(one.faults[:3]))
                found = one.page.evaluate(INJECTED)
                require(not found, f"elements were injected: {found[:3]}")
                require(one.page.locator("script").count() == 2, "a script was injected")

            for candidate in range(len(one.data["candidates"])):
                one.choose(candidate)
                nothing_ran()
                require(not one.scrolls_sideways(), f"hostile: the page scrolls sideways at {width} px")
                name = one.data["candidates"][candidate]["name"]
                require(name in one.page.locator("#kicker").text_content(), f"the candidate {name!r} is not shown as it is")
                for row in one.rows().all()[:6]:
                    principal = one.data["principals"][int(row.get_attribute("data-principal"))]
                    shown = row.locator(".who").text_content()
                    require(shown == one.name(principal), f"{shown!r} is not the name of the principal")
                    row.locator("button").click()
                    one.page.wait_for_selector(DRAWER)
                    require(one.page.locator("#drawer-title").text_content() == shown, f"the drawer does not show {shown!r}")
                    one.open_details("details", 5)
                    nothing_ran()
                    one.page.keyboard.press("Escape")
                    opened += 1
            if one.page.locator("#gaps").is_visible():
                one.page.locator("#gaps summary").click()
            nothing_ran()
    passed(f"hostile: {opened} drawers opened; no script, no element, no dialog, no request; texts stand as they are")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("report", type=Path, help="a report folder, or its report.html")
    parser.add_argument("--hostile", type=Path, help="a page whose texts try to be markup")
    arguments = parser.parse_args()
    folder = arguments.report.is_dir()
    path = arguments.report / "report.html" if folder else arguments.report
    for file in [path] + ([arguments.hostile] if arguments.hostile else []):
        if not file.is_file():
            sys.exit(f"{file}: no such file")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        try:
            for check in (check_quiet, check_search, check_sort, check_filter, check_slices, check_drawer, check_marks, check_themes,
                          check_widths, check_contrast, check_names, check_keyboard, check_print):
                step = check.__name__
                check(browser, path)
            if folder:
                step = "check_numbers"
                check_numbers(browser, path, json.loads((arguments.report / "manifest.json").read_text()))
            if arguments.hostile:
                step = "check_hostile"
                check_hostile(browser, arguments.hostile)
        except (Failed, BrowserError) as error:
            sys.exit(f"FAILED: {step}: {error}")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
