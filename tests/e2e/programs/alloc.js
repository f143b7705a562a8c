// Allocation bench: on SIGUSR2 prints how many objects it makes in a millisecond of CPU time, all
// threads together, so that a busy machine only makes it wait. They live long enough to be moved by
// the collector, which is what object-id tracking makes dear. Run it with semi-spaces of a fixed
// size (see lab/node.py), so that it is as fast at the first go as at the last. argv[2] objects are
// held besides, so that a snapshot takes a while.
'use strict';
const SPAN_MS = 200;
const ring = globalThis.ring = new Array(1 << 16).fill(null); // seen from outside: really allocated
let at = 0;
function bench(spanMs) {
  const start = performance.now();
  const cpu = process.cpuUsage();
  let n = 0;
  let now;
  do {
    for (let i = 0; i < 4096; i++) {
      at = (at + 1) & (ring.length - 1);
      ring[at] = { i, pair: [n, i] };
    }
    n += 4096;
    now = performance.now();
  } while (now - start < spanMs);
  const spent = process.cpuUsage(cpu);
  return 1000 * n / (spent.user + spent.system);
}
const held = globalThis.held = [];
for (let i = 0; i < Number(process.argv[2] || 0); i++) {
  held.push({ i, next: { i } });
}
bench(4 * SPAN_MS);
process.on('SIGUSR2', () => console.log(`speed ${bench(SPAN_MS).toFixed(1)}`));
setInterval(() => {}, 1 << 30);
console.log('ready');
