// After SIGUSR2 the main thread spins in JavaScript for the given milliseconds.
'use strict';
const ms = Number(process.argv[2]);
process.on('SIGUSR2', () => {
  console.log('busy');
  const until = Date.now() + ms;
  while (Date.now() < until) {
    // spins
  }
  console.log('free');
});
setInterval(() => {}, 1 << 30);
console.log('ready');
