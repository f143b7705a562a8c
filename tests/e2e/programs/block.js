// Holds argv[3] objects. After SIGUSR2 the main thread waits in native code until a line comes on the
// fifo argv[2], and then prints the longest gap of its event loop in the second that follows.
'use strict';
const fs = require('node:fs');
const held = globalThis.held = [];
for (let i = 0; i < Number(process.argv[3] || 0); i++) {
  held.push({ i, next: { i } });
}
function watch(spanMs, then) {
  const end = performance.now() + spanMs;
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (now > end) {
      clearInterval(timer);
      then(longest);
    }
  }, 1);
}
process.on('SIGUSR2', () => {
  fs.writeSync(1, 'blocked\n');
  fs.readFileSync(process.argv[2]);
  fs.writeSync(1, 'free\n');
  watch(1000, (longest) => fs.writeSync(1, `gap ${longest.toFixed(1)}\n`));
});
setInterval(() => {}, 1 << 30);
console.log('ready');
