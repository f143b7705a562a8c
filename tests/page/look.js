// Looks at the status page as a person would, in a real browser, and prints what it saw as JSON:
//   look.js URL '{"javaScript": true, "scheme": "light", "width": 1280, "shot": "file"}'
// With "download": "href" and "to": "file" it clicks that link, with "renewed" it waits for the page
// to load itself again, with "report": "href" it goes to the page of a profile by that link, and
// with "chart": "href" to that of a timeline.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('../node_modules/playwright-core');

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const LIMIT_MS = 30000;

// What is painted, not what is in the source: rows as lists of cells, links as they resolve.
function tables(page) {
  return page.locator('main h2').evaluateAll(heads => heads.map(head => {
    let next = head.nextElementSibling;
    while (next && next.tagName !== 'H2' && !next.querySelector('table')) {
      next = next.nextElementSibling;
    }
    const rows = next && next.tagName !== 'H2' ? [...next.querySelectorAll('tr')].slice(1) : [];
    return {
      head: head.innerText,
      rows: rows.map(row => ({
        text: [...row.cells].map(cell => cell.innerText),
        pill: row.querySelector('.pill')?.className,
        links: [...row.querySelectorAll('a')].map(a => [a.innerText, a.href]),
        spark: row.querySelector('svg polyline') !== null,
      })),
    };
  }));
}

// [text colour, background behind it] of every piece of text, each pair once.
function colours(page) {
  return page.evaluate(() => {
    const behind = element => {
      const colour = getComputedStyle(element).backgroundColor;
      return colour === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : colour;
    };
    const texts = [...document.body.querySelectorAll('*')].filter(
      element => [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
    const pairs = texts.map(element => [getComputedStyle(element).color, behind(element)]);
    return [...new Set(pairs.map(pair => JSON.stringify(pair)))].map(pair => JSON.parse(pair));
  });
}

// The places where the page, or a box of it, would have to be scrolled sideways.
function overflows(page) {
  return page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.card')]
    .filter(box => box.scrollWidth > box.clientWidth).map(box => box.innerText.slice(0, 60)));
}

async function download(page, href, to) {
  const [file] = await Promise.all([
    page.waitForEvent('download'), page.locator(`a[href="${href}"]`).first().click()]);
  await file.saveAs(to);
  return { name: file.suggestedFilename(), failure: await file.failure() };
}

// The page that is shown now, with what is drawn on it: groups of rectangles with a title each.
async function drawn(page, groups, shot) {
  if (shot) {
    await page.screenshot({ path: shot, fullPage: true });
  }
  return {
    title: await page.title(),
    sections: await tables(page),
    frames: await page.locator(groups).evaluateAll(all => all.map(g => ({
      title: g.querySelector('title').textContent,
      width: g.querySelector('rect').getBoundingClientRect().width,
      rects: [...g.querySelectorAll('rect')].map(rect => {
        const { left, top, height } = rect.getBoundingClientRect();
        return { class: rect.getAttribute('class'), fill: getComputedStyle(rect).fill, left, top,
          height };
      }),
    }))),
    colours: await colours(page),
    sideways: await page.evaluate(() => document.documentElement.scrollWidth -
      document.documentElement.clientWidth),
  };
}

async function look(url, wish, profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium', args: FLAGS, chromiumSandbox: false, timeout: LIMIT_MS,
    javaScriptEnabled: wish.javaScript, colorScheme: wish.scheme,
    viewport: { width: wish.width, height: 900 },
  });
  const seen = { console: [], requests: [] };
  try {
    context.setDefaultTimeout(LIMIT_MS);
    const page = context.pages()[0];
    page.on('console', message => seen.console.push(message.text()));
    page.on('pageerror', error => seen.console.push(String(error)));
    context.on('request', request => seen.requests.push(request.url()));
    await page.goto(url);
    seen.title = await page.title();
    seen.header = await page.locator('header').innerText();
    seen.footer = await page.locator('footer a').evaluateAll(all => all.map(a => a.href));
    seen.sections = await tables(page);
    seen.overflows = await overflows(page);
    seen.colours = await colours(page);
    if (wish.shot) {
      await page.screenshot({ path: wish.shot, fullPage: true });
    }
    if (wish.download) {
      seen.download = await download(page, wish.download, wish.to);
    }
    if (wish.renewed) {
      await page.waitForRequest(request => request.isNavigationRequest());
    }
    if (wish.report) {
      await page.locator(`a[href="${wish.report}"]`).first().click();
      await page.waitForURL(`**${wish.report}`);
      seen.report = await drawn(page, '.flame svg g', wish.shot && `${wish.shot}.report.png`);
    }
    if (wish.chart) {
      await page.goto(new URL(wish.chart, url).href);
      await page.locator('summary').click();
      seen.chart = await drawn(page, 'svg.bars g', wish.shot && `${wish.shot}.chart.png`);
    }
  } finally {
    await context.close();
  }
  return seen;
}

async function main() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'heapwatch-browser-'));
  try {
    const seen = await look(process.argv[2], JSON.parse(process.argv[3]), profile);
    process.stdout.write(JSON.stringify(seen));
  } finally {
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
