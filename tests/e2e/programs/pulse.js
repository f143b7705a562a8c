// Allocates steadily, half of the time, beside a heap of argv[2] MiB of strings, or with argv[3] `objects`
// of small objects. On SIGUSR2 it prints
// since the last time: milliseconds, how often it could run (ticks a second), the objects it made per
// millisecond of its own time, the longest time it stood still, and the objects it made per millisecond
// of CPU time of all its threads.
'use strict';
const STRING_BYTES = 1000;
const BURST_MS = 5;
const kept = globalThis.kept = [];
const bytes = Number(process.argv[2] || 0) * (1 << 20);
if (process.argv[3] === 'objects') {
  while (process.memoryUsage().heapUsed < bytes) {
    const some = [];
    for (let i = 0; i < 10000; i++) {
      some.push({ i, pair: [i, some] });
    }
    kept.push(some);
  }
} else {
  for (let i = 0; i < bytes / STRING_BYTES; i++) {
    kept.push(Buffer.alloc(STRING_BYTES, `${i} `).toString('latin1'));
  }
}
const ring = globalThis.ring = new Array(1 << 16).fill(null);
let at = 0;
let objects = 0;
let busyMs = 0;
let ticks = 0;
let longestMs = 0;
let since = performance.now();
let last = since;
let cpuSince = process.cpuUsage();
// What an inspector asks for may come between two turns of the loop, or in the middle of one.
function ran(now, wantedMs) {
  longestMs = Math.max(longestMs, now - last - wantedMs);
  last = now;
}
function burst() {
  const start = performance.now();
  ran(start, BURST_MS);
  let now;
  do {
    for (let i = 0; i < 256; i++) {
      at = (at + 1) & (ring.length - 1);
      ring[at] = { i, pair: [at, i] };
    }
    objects += 256;
    now = performance.now();
    ran(now, 0);
  } while (now - start < BURST_MS);
  busyMs += now - start;
  ticks++;
}
setInterval(burst, 2 * BURST_MS);
function cpuMs() {
  const used = process.cpuUsage(cpuSince);
  return (used.user + used.system) / 1000;
}
process.on('SIGUSR2', () => {
  ran(performance.now(), BURST_MS);
  const spanMs = performance.now() - since;
  console.log(`pulse ${spanMs.toFixed(1)} ${(ticks * 1000 / spanMs).toFixed(1)} ` +
    `${(objects / busyMs).toFixed(1)} ${longestMs.toFixed(1)} ${(objects / cpuMs()).toFixed(1)}`);
  objects = busyMs = ticks = longestMs = 0;
  since = last = performance.now();
  cpuSince = process.cpuUsage();
});
console.log('ready');
