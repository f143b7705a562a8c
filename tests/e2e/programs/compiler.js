// Loads TypeScript's compiler: nine megabytes of script in one file. SIGUSR2 prints the longest time
// since the last one in which the event loop did not turn.
'use strict';
globalThis.typescript = require('typescript'); // seen from outside: it stays
let longest = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);
process.on('SIGUSR2', () => {
  console.log(`gap ${longest.toFixed(1)}`);
  longest = 0;
});
setImmediate(() => {
  last = performance.now();
  console.log('ready');
});
