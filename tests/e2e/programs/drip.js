// Keeps argv[3] KiB more of argv[2] (heap, buffers, nothing) each 50 ms.
'use strict';
const [kind, kib] = [process.argv[2], Number(process.argv[3])];
const kept = [];
const drips = {
  heap: () => kept.push(new Array(kib << 7).fill(kept.length)),
  buffers: () => kept.push(Buffer.alloc(kib << 10, 1)),
  nothing: () => { kept[0] = new Array(kib << 7).fill(0); },
};
setInterval(drips[kind], 50);
console.log('ready');
