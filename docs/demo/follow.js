// Tells what heapwatchd at argv[2] (a URL) sees, as it happens: heap, alerts, captures.
'use strict';
const base = process.argv[2];
const STEP_MS = 1000;
const began = Date.now();
let heap = -1;
const seen = new Set();

function tell(text) {
  const seconds = String(Math.round((Date.now() - began) / 1000)).padStart(4);
  console.log(`[${seconds} s] ${text}`);
}

async function api(path) {
  const answer = await (await fetch(`${base}api/v1/${path}`)).json();
  if (answer.status !== 'success') {
    throw new Error(answer.error);
  }
  return answer.data;
}

function once(key, text) {
  if (!seen.has(key)) {
    seen.add(key);
    tell(text);
  }
}

async function metric(name) {
  const text = await (await fetch(`${base}metrics`)).text();
  const row = new RegExp(`^${name}\\{[^}]*isolate="main"[^}]*\\} (\\S+)$`, 'm').exec(text);
  return row ? Number(row[1]) : NaN;
}

async function look() {
  const share = await metric('heapwatch_heap_used_bytes') / await metric('heapwatch_heap_limit_bytes');
  const tenth = Math.floor(share * 10);
  if (tenth > heap) {
    heap = tenth;
    tell(`the heap is at ${Math.round(share * 100)} % of its limit`);
  }
  for (const alert of (await api('alerts')).alerts) {
    once(alert.labels.alertname + alert.state, `alert ${alert.labels.alertname} is ${alert.state}`);
  }
  for (const capture of (await api('captures')).ready) {
    const how = capture.name.endsWith('.zst') ? 'after zstd -d open it' : 'open it';
    once(capture.name, `${capture.kind} ${capture.name} is in the spool` +
      (capture.kind === 'snapshot' ? `; ${how} in Chrome: DevTools, Memory, Load` : ''));
  }
}

(async () => {
  for (;;) {
    try {
      await look();
    } catch (error) {
      once(error.message, `heapwatchd does not answer: ${error.message}`);
    }
    await new Promise(resolve => setTimeout(resolve, STEP_MS));
  }
})();
