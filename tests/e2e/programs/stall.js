// Holds argv[2] objects. After SIGUSR2 the main thread spins in JavaScript for argv[3] milliseconds,
// and then prints the longest gap of its event loop in the second that follows.
'use strict';
const held = globalThis.held = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
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
  console.log('busy');
  const until = Date.now() + Number(process.argv[3]);
  while (Date.now() < until) {
    // spins
  }
  console.log('free');
  watch(1000, (longest) => console.log(`gap ${longest.toFixed(1)}`));
});
setInterval(() => {}, 1 << 30);
console.log('ready');
