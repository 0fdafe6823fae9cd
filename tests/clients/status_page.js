// Opens the status page in a real browser and looks at it while the test that started this kills a node and
// starts it again: it asks for each by a line on stdout and waits for a line on stdin.
//
//   node status_page.js CHROMIUM PAGE FOLDER
//
// Screenshots go to FOLDER. It ends with 0, or says on stderr what the page did not show.

"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const [program, page_address, folder] = process.argv.slice(2);
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const PATIENCE = 120000; // for each thing to show, also on a machine that has much else to do
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  console.log(what);
  assert.strictEqual((await lines.next()).value, "done", what);
}

async function main() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "ketch-page-"));
  const browser = await chromium.launchPersistentContext(profile, { executablePath: program, args: quiet, timeout: PATIENCE, viewport: { width: 1280, height: 1000 } });
  try {
    await look(browser);
  } finally {
    await browser.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
}

async function look(browser) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  const trouble = [], foreign = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) trouble.push(message.text()); });
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(page_address) && !request.url().startsWith("data:")) foreign.push(request.url()); });
  const has = (selector, pattern) => page.waitForFunction(([selector, pattern]) =>
    [...document.querySelectorAll(selector)].some((node) => new RegExp(pattern).test(node.textContent)), [selector, pattern]);
  const shows = (selector, least, most) => page.waitForFunction(([selector, least, most]) => {
    const count = document.querySelectorAll(selector).length;
    return count >= least && count <= most;
  }, [selector, least, most]);
  const shoot = (name) => page.screenshot({ path: path.join(folder, name), fullPage: true });

  await page.goto(page_address);
  await has("#rate", "^[1-9]");
  const before = await page.textContent("#rate");
  await page.waitForFunction((before) => document.querySelector("#rate").textContent !== before, before);
  for (const [selector, pattern] of [["#hits", "%"], ["#p50", "s$"], ["#p99", "s$"], ["#health", "^all well$"], [".keys code", "hot"]]) await has(selector, pattern);
  await shows(".ring .arc", 7, 1e6); // an arc for each node and its points
  await shows(".state[data-state=up]", 3, 3);

  await ask("kill");
  await has(".state[data-state=ejected]", "ejected");
  await has("#health", "^1 node out$");
  await has(".timeline li", "is ejected: ");
  await shows(".ring .out", 1, 1e6);
  await has("#rate", "^[1-9]");

  await page.keyboard.press("/");
  await page.keyboard.type("user:42");
  await page.keyboard.press("Enter");
  await has("#explained dt", "Owner");
  assert.match(await page.textContent("#explained"), /127\.0\.0\.1:\d+/);

  await page.waitForTimeout(4000); // for a chart that has a shape
  await shoot("light.png");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("dark.png");
  await page.setViewportSize({ width: 390, height: 844 });
  await shoot("phone-dark.png");
  await page.emulateMedia({ colorScheme: "light" });
  await shoot("phone.png");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.strictEqual(wide, 0, "a phone need not scroll sideways");

  await ask("restart");
  await has("#health", "^all well$");
  await has(".timeline li", "is let in again");
  assert.deepStrictEqual(trouble, [], "the console is empty");
  assert.deepStrictEqual(foreign, [], "nothing comes from elsewhere");
}

// The open stdin would keep it alive.
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
