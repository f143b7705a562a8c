// Runs over a `debugger` statement all the time; SIGUSR2 prints how often, and the longest time
// between two of them since the last SIGUSR2. Where the first argument is "held" it waits at one.
'use strict';
let longest = 0;
let turns = 0;
let last = performance.now();
function step() {
  debugger; // eslint-disable-line no-debugger
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
  turns++;
}
process.on('SIGUSR2', () => {
  console.log(`turns ${turns} gap ${longest.toFixed(1)}`);
  longest = 0;
});
function burst() {
  for (let i = 0; i < 1000; i++) {
    step();
  }
  setImmediate(burst);
}
if (process.argv[2] !== 'held') {
  burst();
} else {
  globalThis.stop = () => {
    debugger; // eslint-disable-line no-debugger
    console.log('passed');
  };
  setInterval(() => {}, 1 << 30);
}
console.log('ready');
