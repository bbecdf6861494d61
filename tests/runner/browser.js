// SPDX-License-Identifier: Apache-2.0
// browser.js - looks at pages as a person would, in a real browser (playwright-core drives it).
//
//   node browser.js PLAYWRIGHT CHROMIUM < pages.json      pages.json: [{"url": ..., "kind": ...}]
//
// Prints a JSON list of what is wrong; empty when nothing is. Every page is looked at narrow and
// wide, light and dark, with and without scripts; `kind` says what is then done on it.
"use strict";
const { chromium } = require(process.argv[2]);
const problems = [];
let where = "";
const wrong = (what) => problems.push(where + ": " + what);
const check = (holds, what) => { if (!holds) wrong(what); };

const NAMED = new Set(["button", "link", "searchbox", "textbox", "combobox", "checkbox", "radio",
                       "image", "columnheader", "heading", "option"]);

async function checkNames(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  let level = 0;
  for (const node of nodes) {
    if (node.ignored || !NAMED.has(node.role.value)) continue;
    check(node.name && node.name.value.trim(), "a " + node.role.value + " without a name");
    if (node.role.value !== "heading") continue;
    const now = node.properties.find((p) => p.name === "level").value.value;
    check(now <= level + 1, "heading '" + node.name.value + "' skips from level " + level);
    level = now;
  }
  check(nodes.some((n) => n.role && n.role.value === "main"), "no main landmark");
}

// What is too wide, and text that is hard to read on what is behind it (WCAG 2.2, 1.4.3).
function inspect() {
  const found = [], seen = new Set();
  const wide = document.scrollingElement.scrollWidth - innerWidth;
  if (wide > 0) found.push("the page is " + wide + " px too wide");
  const parse = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a), a: 1 });
  const light = (c) => {
    const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b);
  };
  const behind = (node) => {
    const layers = [];
    for (; node; node = node.parentElement) layers.push(parse(getComputedStyle(node).backgroundColor));
    return layers.reduceRight((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest("svg")) continue;
    const style = getComputedStyle(node), back = behind(node);
    const a = light(over(parse(style.color), back)), b = light(back);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const big = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const key = style.color + node.className;
    if (ratio >= (big ? 3 : 4.5) || seen.has(key) || node.closest(":disabled")) continue;
    seen.add(key);
    found.push("'" + text.data.trim().slice(0, 30) + "' has a contrast of " + ratio.toFixed(2));
  }
  return found;
}

const texts = (page, selector) => page.locator(selector).allTextContents();

const act = {
  async report(page) {
    check((await texts(page, "h1")).length === 1, "not one h1");
    const first = page.locator("details > summary").first();
    await first.focus();
    await page.keyboard.press("Enter");
    check(await first.evaluate((s) => s.parentElement.open), "Enter does not open a case");
  },
  async trend(page, width) {
    const chart = page.locator("svg.trend[data-v]").first();
    await chart.scrollIntoViewIfNeeded();
    await chart.hover();
    check(await page.locator(".tip").isVisible(), "a chart tells nothing under the pointer");
    await page.mouse.move(0, 0);
    await chart.focus();
    await page.keyboard.press("End");
    const last = await page.locator(".tip").textContent();
    await page.keyboard.press("Home");
    check(await page.locator(".tip").textContent() !== last, "arrow keys do not move along a chart");
    await page.keyboard.press("Escape");
    check(await page.locator(".tip").isHidden(), "Escape leaves the chart's value");

    const runs = page.locator("section", { has: page.locator("table.sortable") }).last();
    for (const summary of await runs.locator("details:not([open]) > summary").all())
      await summary.click();
    const head = runs.locator("th button").first();
    if (width > 1000 || await head.isVisible()) { // a narrow page has no heads
      await head.click();
      const down = await texts(runs, "tbody tr > :first-child");
      await head.click();
      const up = await texts(runs, "tbody tr > :first-child");
      check(down.length > 1 && down.join() === up.reverse().join(), "a table sorts one way only");
      check(await runs.locator("th[aria-sort=ascending]").count() === 1, "a table does not say how it sorts");
    }

    const home = page.locator("#all-cases"), status = home.getByRole("status");
    const all = await status.textContent();
    await home.getByRole("button", { name: "More" }).click();
    check(/^51 to /.test(await status.textContent()), "More does not turn the page");
    await home.getByRole("searchbox").fill("C-0003");
    check(await status.textContent() === "1 to 1 of 1", "the search finds " +
          await status.textContent());
    await home.getByRole("searchbox").fill("");
    await home.getByRole("combobox", { name: "Which cases" }).selectOption("wrong now");
    check(await status.textContent() !== all, "the filter keeps all cases");
  },
  async cases(page) {
    const before = await page.locator("ol.all > li").count();
    await page.getByRole("searchbox").fill("c-0003");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=c-0003/);
    check(before > 1 && await page.locator("ol.all > li").count() === 1, "the search keeps all");
    await page.locator("ol.all a").click();
    check((await texts(page, "h1")).join().includes("c-0003"), "a case's link leads elsewhere");
  },
  async suite(page) {
    await page.getByRole("button", { name: "Compare" }).click();
    await page.waitForURL(/compare/);
    check((await texts(page, "h1")).length === 1, "the form leads to no comparison");
  },
  async plain() {},
  async missing(page) { check(await page.locator("h1").isVisible(), "a missing page says nothing"); },
};

async function look(browser, { url, kind }) {
  for (const width of [400, 1600]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const javaScriptEnabled of [true, false]) {
        where = [url.replace(/^.*\//, "/"), width, colorScheme,
                 javaScriptEnabled ? "scripts" : "no scripts"].join(" ");
        const context = await browser.newContext({
          viewport: { width, height: 900 }, colorScheme, javaScriptEnabled });
        const page = await context.newPage();
        page.setDefaultTimeout(10000);
        page.on("console", (m) => {
          const gone = kind === "missing" && /status of 404/.test(m.text());
          if (!gone) wrong("the console says " + m.text());
        });
        page.on("pageerror", (e) => wrong(e.message));
        page.on("request", (r) => {
          if (new URL(r.url()).origin !== new URL(url).origin) wrong("asks for " + r.url());
        });
        page.on("requestfailed", (r) => wrong(r.url() + " failed"));
        await page.goto(url);
        await page.evaluate(() => document.fonts.ready);
        for (const found of await page.evaluate(inspect)) wrong(found);
        if (width === 1600 && colorScheme === "light") await checkNames(page);
        if (javaScriptEnabled && colorScheme === "light") await act[kind](page, width);
        await context.close();
      }
    }
  }
}

(async () => {
  const browser = await chromium.launch({
    executablePath: process.argv[3], args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    for (const page of JSON.parse(require("fs").readFileSync(0, "utf8"))) await look(browser, page);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(problems, null, 1));
})().catch((error) => { console.error(where, error); process.exit(1); });
