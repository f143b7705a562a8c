// After SIGUSR2 the main thread waits in native code until a line comes on the fifo argv[2].
'use strict';
const fs = require('node:fs');
process.on('SIGUSR2', () => {
  fs.writeSync(1, 'blocked\n');
  fs.readFileSync(process.argv[2]);
  fs.writeSync(1, 'free\n');
});
setInterval(() => {}, 1 << 30);
console.log('ready');
