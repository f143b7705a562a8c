// Keeps about argv[3] KiB more of argv[2] (heap, buffers, native; nothing, churn) each 50 ms.
'use strict';
const [kind, kib] = [process.argv[2], Number(process.argv[3])];
const { createSecureContext } = require('node:tls');
const kept = [];
let last;
const drips = {
  heap: () => kept.push(new Array(kib << 7).fill(kept.length)),
  buffers: () => kept.push(Buffer.alloc(kib << 10, 1)),
  // OpenSSL's own: some 45 KiB that V8 does not know of, and 4 of the heap.
  native: () => { for (let i = 0; i < kib; i += 50) kept.push(createSecureContext()); },
  churn: () => { last = new Array(kib << 7).fill(0); },
  nothing: () => { kept[0] = new Array(kib << 7).fill(0); },
};
setInterval(drips[kind], 50);
console.log('ready');
