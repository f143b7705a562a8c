// Each SIGUSR2 goes to the next of the levels in argv: so many MiB of buffers. Starts with the
// first. Needs --expose-gc. The new ones come before the old ones go: a poll may fall in between,
// and is not to see less than there is on either side. Opens the inspector at the first level, unless
// it is open already.
'use strict';
const inspector = require('node:inspector');
const levels = process.argv.slice(2).map(Number);
let at = 0;
let kept = null;
const take = () => {
  kept = Buffer.alloc(levels[at % levels.length] << 20, 1);
  globalThis.gc();
  at += 1;
};
process.on('SIGUSR2', () => {
  take();
  console.log(`level ${kept.length >> 20}`);
});
take();
if (!inspector.url()) inspector.open();
setInterval(() => {}, 1 << 30);
console.log('ready');
