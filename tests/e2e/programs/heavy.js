// Holds argv[2] objects, so that a snapshot streams for a while, and exits when told by SIGUSR2, with
// status 0.
'use strict';
const held = globalThis.held = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
  held.push({ i, next: { i } });
}
process.on('SIGUSR2', () => process.exit(0));
setInterval(() => {}, 1 << 30);
console.log('ready');
