// Walks all pages in headless Chromium: as the operator and as a project, light and dark, wide and narrow, with and without
// scripts. Prints figures as JSON; ends with 1 and what was wrong if anything was.
//
//   node pages.mjs   with the environment: SITE, KEY, OTHER_KEY (public:secret), PASSWORD, MODULES, CHROMIUM, SHOTS, PROJECT
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fill } from "./data.mjs";

const { SITE, KEY, OTHER_KEY, PASSWORD, MODULES, CHROMIUM, SHOTS, PROJECT } = process.env;
const { chromium } = createRequire(join(MODULES, "package.json"))("playwright-core");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const STEPS = 5_000;
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 320, height: 720 } };

const faults = [];
const fault = (where, what) => faults.push(`${where}: ${what}`);
const check = (where, holds, what) => holds || fault(where, what);
const path = (...parts) => `/project/${PROJECT}/${parts.map(encodeURIComponent).join("/")}`;

/** What every page must be: named, labelled, in order, and no wider than the screen. */
function wellMade() {
  const told = [];
  const name = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();
  if (document.documentElement.lang !== "en") told.push("no language");
  if (!document.title.endsWith("· Tracemill")) told.push(`title ${document.title}`);
  if (document.querySelectorAll("main").length !== 1) told.push("not one main");
  const headings = [...document.querySelectorAll("main h1, main h2, main h3")].filter((one) => !one.closest("aside"));
  if (headings.filter((one) => one.tagName === "H1").length !== 1) told.push("not one first heading");
  headings.reduce((before, one) => {
    const level = Number(one.tagName[1]);
    if (level > before + 1) told.push(`heading ${one.textContent} skips a level`);
    return level;
  }, 0);
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) told.push(`field ${field.name} has no label`);
  }
  for (const one of document.querySelectorAll("a, button, summary")) {
    if (!name(one)) told.push(`a ${one.tagName} has no name`);
  }
  for (const one of document.querySelectorAll("svg")) {
    if (one.getAttribute("aria-hidden") !== "true" && !(one.getAttribute("role") === "img" && one.getAttribute("aria-label"))) told.push("an svg is neither hidden nor named");
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (ids.length < 500 && twice) told.push(`id ${twice} twice`);
  const wide = document.scrollingElement.scrollWidth - window.innerWidth;
  if (wide > 0) told.push(`${wide} px wider than the screen`);
  if (document.querySelector("[style], style, script:not([src]), main script, main img")) told.push("inline style or script, or an image");
  if (window.pwned) told.push("a script of a client ran");
  return told;
}

/** The contrast of text and what is behind it, where both are plain colours. */
function contrasts() {
  const parse = (text) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      const colour = parse(style.backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = new Map();
  for (const element of [...document.querySelectorAll("body *")].slice(0, 1_500)) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || !element.checkVisibility() || element.closest("svg")) continue;
    const [text, ground] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (ratio < 4.5) low.set(`${element.tagName}.${element.className}`, ratio.toFixed(2));
  }
  return [...low].map(([what, ratio]) => `contrast of ${what} is ${ratio}`);
}

/** Tells of everything that goes wrong in a page. */
function watch(page, where, expected = []) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected.some((part) => message.text().includes(part))) fault(where(), `console: ${message.text()}`);
  });
  page.on("pageerror", (error) => fault(where(), `script: ${error.message}`));
  // A browser may leave the icon when it goes to the next page.
  page.on("requestfailed", (request) => request.url().endsWith("icon.svg") || fault(where(), `failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) fault(where(), `${response.status()} of ${response.url()}`);
    if (!response.url().startsWith(SITE)) fault(where(), `asks another: ${response.url()}`);
  });
  page.on("dialog", (dialog) => { fault(where(), `dialog: ${dialog.message()}`); void dialog.dismiss(); });
}

async function signIn(page, isOperator, key = KEY) {
  await page.goto(`${SITE}/sign-in`);
  if (isOperator) {
    await page.fill("#password", PASSWORD);
    await page.click("form:has(#password) button");
  } else {
    const [publicKey, secret] = key.split(":");
    await page.fill("#public", publicKey);
    await page.fill("#secret", secret);
    await page.click("form:has(#secret) button");
  }
  await page.waitForURL(/traces$/);
}

async function visible(ids) {
  const headers = { authorization: `Basic ${btoa(KEY)}` };
  for (let tries = 0; tries < 240; tries += 1) {
    const answers = await Promise.all([
      fetch(`${SITE}/api/public/observations?limit=1&traceId=${ids.long}`, { headers }).then((answer) => answer.json()),
      fetch(`${SITE}/api/public/traces?limit=1`, { headers }).then((answer) => answer.json()),
    ]);
    if (answers[0].meta?.totalItems === STEPS && answers[1].meta?.totalItems === 98) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error("not stored in time");
}

async function walk(browser, ids, scheme, size, hasScript) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: SIZES[size], javaScriptEnabled: hasScript, deviceScaleFactor: 1 });
  const page = await context.newPage();
  let now = "sign-in";
  watch(page, () => `${now} (${scheme}, ${size}${hasScript ? "" : ", no script"})`);
  const look = async (name, full = true) => {
    if (hasScript) {
      for (const told of await page.evaluate(wellMade)) fault(`${name} (${scheme}, ${size})`, told);
      for (const told of await page.evaluate(contrasts)) fault(`${name} (${scheme}, ${size})`, told);
      await page.screenshot({ path: join(SHOTS, `${name}-${scheme}-${size}.png`), fullPage: full });
    }
  };
  await page.goto(`${SITE}/sign-in`);
  await look("sign-in");
  await signIn(page, true);
  const pages = {
    traces: path("traces"),
    "traces-filtered": `${path("traces")}?q=support&user=${encodeURIComponent("user-1@example.com")}&span=30d`,
    "traces-payloads": `${path("traces")}?q=cassette&in=payloads&span=7d`,
    "traces-none": `${path("traces")}?q=nothing-like-that-at-all&span=1h`,
    "traces-refused": `${path("traces")}?q=chain&in=payloads&span=all`,
    trace: path("traces", ids.run),
    "trace-failed": path("traces", ids.failed),
    "trace-hostile": path("traces", ids.hostile),
    "trace-payload": path("traces", ids.run, "payload"),
    "step-chat": path("traces", ids.run, "step", `${ids.run}-write-answer`),
    "step-json": `${path("traces", ids.run, "step", `${ids.run}-write-answer`)}?view=json`,
    "step-error": path("traces", ids.failed, "step", `${ids.failed}-find_orders`),
    "step-hostile": path("traces", ids.hostile, "step", `a-${ids.hostile.slice("hostile-".length)}`),
    sessions: path("sessions"),
    session: path("sessions", ids.session),
    dashboard: path("dashboard"),
    operations: "/operations",
  };
  for (const [name, where] of Object.entries(pages)) {
    now = name;
    const answer = await page.goto(`${SITE}${where}`);
    check(name, answer.status() === 200, `status ${answer.status()}`);
    check(name, answer.headers()["content-security-policy"]?.includes("frame-ancestors 'none'"), "no policy");
    await look(name);
    if (!hasScript) {
      const text = await page.textContent("main");
      const has = { trace: "write answer", "step-chat": "bicycle shop", "traces-payloads": "support-agent", operations: "ClickHouse", dashboard: "gpt-4o", session: "visit-0" };
      check(name, text.includes(has[name] ?? ""), `without scripts, ${has[name]} is not there`);
    }
  }
  await context.close();
}

/** Keys, the pane, and folding: what the script adds. */
async function keys(browser, ids) {
  const context = await browser.newContext({ viewport: SIZES.wide });
  const page = await context.newPage();
  watch(page, () => "keys");
  await signIn(page, false);
  await page.keyboard.press("/");
  check("keys", (await page.evaluate(() => document.activeElement.id)) === "q", "/ does not go to the search");
  await page.keyboard.type("crawl");
  await Promise.all([page.waitForURL(/q=crawl/), page.keyboard.press("Enter")]);
  await page.keyboard.press("j");
  check("keys", (await page.evaluate(() => document.activeElement.className)) === "go", "j does not go to the first trace");
  await Promise.all([page.waitForURL(/traces\/long/), page.keyboard.press("Enter")]);
  await page.goto(`${SITE}${path("traces", ids.run)}`);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector("aside article");
  check("keys", page.url().endsWith(ids.run), "a step opens beside the tree");
  check("keys", (await page.textContent("aside h1")).includes("retrieve"), "the second step is opened");
  await page.click(`[data-tree] a[href$="write-answer"]`);
  await page.waitForFunction(() => document.querySelector("aside h1")?.textContent.includes("write answer"));
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(SHOTS, `trace-pane-${scheme}-wide.png`) });
  }
  await page.keyboard.press("Escape");
  check("keys", await page.isHidden("aside"), "Escape does not close the pane");
  await page.keyboard.press("f");
  check("keys", (await page.locator("[data-tree] details[open]").count()) === 0, "f does not fold");
  await page.keyboard.press("e");
  check("keys", (await page.locator("[data-tree] details:not([open])").count()) === 0, "e does not open");
  await page.click("text=Sign out");
  await page.waitForURL(/sign-in$/);
  await page.goto(`${SITE}${path("traces")}`);
  check("keys", page.url().includes("/sign-in?next="), "signed out, a page is shown");
  await context.close();
}

/** A key's session sees its own project, and of another nothing at all. */
async function others(browser, ids) {
  const context = await browser.newContext({ viewport: SIZES.wide });
  const page = await context.newPage();
  await signIn(page, false, OTHER_KEY);
  const own = "/project/other";
  const run = encodeURIComponent(ids.run);
  const foreign = [path("traces"), path("traces", ids.run), path("traces", ids.run, "payload"), path("traces", ids.run, "payload", "input"), path("traces", ids.run, "step", `${ids.run}-plan`), path("traces", ids.run, "step", `${ids.run}-plan`, "input"), path("sessions"), path("sessions", ids.session), path("dashboard"), path("operations"),
    `${own}/traces/${run}`, `${own}/traces/${run}/payload`, `${own}/traces/${run}/payload/input`, `${own}/traces/${run}/step/${run}-plan`, `${own}/traces/other-0001-of-another-project/step/${run}-plan`, `${own}/traces/other-0001-of-another-project/step/${run}-plan/input`, `${own}/sessions/${ids.session}`, `/trace/${run}`];
  for (const where of foreign) {
    const answer = await context.request.get(`${SITE}${where}`, { maxRedirects: 3 });
    const text = await answer.text();
    check("others", answer.status() === 404, `${where} is ${answer.status()}`);
    for (const part of ["support-agent", "bicycle", "write answer", "user-1@"]) check("others", !text.includes(part), `${where} tells ${part}`);
  }
  for (const where of ["traces?span=all", "traces?q=support&span=all", "sessions?span=all", "dashboard?span=90d", "operations"]) {
    const answer = await context.request.get(`${SITE}${own}/${where}`);
    const text = await answer.text();
    check("others", answer.status() === 200, `${where} is ${answer.status()}`);
    for (const part of ["support-agent", "gpt-4o", "visit-0", `${PROJECT} /`]) check("others", !text.includes(part), `${where} tells ${part}`);
  }
  const all = await context.request.get(`${SITE}/operations`, { maxRedirects: 0 });
  check("others", all.status() === 303 && all.headers().location === "/project/other/operations", "a key's session sees all operations");
  const mine = await context.request.get(`${SITE}${own}/traces/other-0001-of-another-project`);
  check("others", mine.status() === 200 && (await mine.text()).includes("other step"), "its own trace is there");
  await context.close();
}

/** The long trace: how long ClickHouse, the page's making and the browser take. */
async function long(browser, ids) {
  const context = await browser.newContext({ viewport: SIZES.wide });
  const page = await context.newPage();
  watch(page, () => "long");
  await signIn(page, true);
  const took = { query: [], render: [], answer: [], shown: [] };
  let bytes = 0;
  for (let turn = 0; turn < 5; turn += 1) {
    const response = await page.goto(`${SITE}${path("traces", ids.long)}`, { waitUntil: "load" });
    const part = (name) => Number(new RegExp(`${name};dur=([0-9.]+)`).exec(response.headers()["server-timing"])[1]);
    const browserSaw = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => {
      const timing = performance.getEntriesByType("navigation")[0];
      resolve({ answer: timing.responseEnd - timing.startTime, shown: performance.now() });
    }))));
    took.query.push(part("query"));
    took.render.push(part("render"));
    took.answer.push(browserSaw.answer);
    took.shown.push(browserSaw.shown);
    bytes = (await response.body()).length;
  }
  check("long", (await page.locator("[data-tree] a[data-step]").count()) === STEPS, "not all steps are there");
  check("long", !(await page.content()).includes("xxxxxxxxxx"), "payloads are in the page");
  await page.screenshot({ path: join(SHOTS, "trace-long-light-wide.png") });
  await context.close();
  const middle = (all) => Math.round(all.sort((one, other) => one - other)[2] * 10) / 10;
  return { steps: STEPS, bytes, ...Object.fromEntries(Object.entries(took).map(([name, all]) => [`${name}_ms`, middle(all)])) };
}

mkdirSync(SHOTS, { recursive: true });
// With a profile of its own, new and empty.
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, headless: true });
try {
  const ids = await fill(SITE, KEY, OTHER_KEY, STEPS);
  await visible(ids);
  for (const scheme of ["light", "dark"]) for (const size of ["wide", "narrow"]) await walk(browser, ids, scheme, size, true);
  await walk(browser, ids, "light", "wide", false);
  await keys(browser, ids);
  await others(browser, ids);
  console.log(JSON.stringify(await long(browser, ids)));
} finally {
  await browser.close();
}
if (faults.length > 0) {
  console.error([...new Set(faults)].join("\n"));
  process.exit(1);
}
