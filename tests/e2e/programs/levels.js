// Each SIGUSR2 goes to the next of the levels in argv: so many MiB in a buffer. Starts with the
// first. A poll may fall anywhere, and is to see the one level or the other: a transfer is one step.
// Opens the inspector at the first level, unless it is open already.
'use strict';
const inspector = require('node:inspector');
const levels = process.argv.slice(2).map(Number);
let at = 0;
let kept = new ArrayBuffer(0);
const take = () => {
  kept = kept.transfer(levels[at++ % levels.length] << 20);
};
process.on('SIGUSR2', () => {
  take();
  console.log(`level ${kept.byteLength >> 20}`);
});
take();
if (!inspector.url()) inspector.open();
setInterval(() => {}, 1 << 30);
console.log('ready');
