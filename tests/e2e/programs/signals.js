// Measures how long it stood still; SIGUSR2 prints that and begins anew. Arguments: how many worker
// threads, and `own` for a handler of its own for SIGUSR1.
'use strict';
const { Worker, isMainThread } = require('node:worker_threads');
if (isMainThread) {
  const TICK_MS = 10;
  let last = performance.now();
  let longestMs = 0;
  setInterval(() => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last - TICK_MS);
    last = now;
  }, TICK_MS);
  process.on('SIGUSR2', () => {
    console.log(`stood ${longestMs.toFixed(0)}`);
    longestMs = 0;
  });
  if (process.argv[3] === 'own') process.on('SIGUSR1', () => console.log('own handler'));
  let missing = Number(process.argv[2] || 0);
  if (!missing) console.log('ready');
  for (let i = missing; i > 0; i--) {
    new Worker(__filename).once('message', () => --missing === 0 && console.log('ready'));
  }
} else {
  require('node:worker_threads').parentPort.postMessage('ready');
  setInterval(() => {}, 1 << 30);
}
