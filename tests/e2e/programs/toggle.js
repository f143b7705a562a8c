// SIGUSR2 switches argv[2] MiB of buffers on and off; starts with them off. Needs --expose-gc.
'use strict';
const mib = Number(process.argv[2]);
let kept = null;
process.on('SIGUSR2', () => {
  kept = kept ? null : Buffer.alloc(mib << 20, 1);
  globalThis.gc();
  console.log(kept ? 'on' : 'off');
});
setInterval(() => {}, 1 << 30);
console.log('ready');
