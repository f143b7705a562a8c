// programs/hoards.js at work all the time: steady.js [LEAK...]; it only does what is healthy, and
// that is full within two seconds, unless it is told what to leak: of hoards.js, or one of leaking/.
'use strict';
require('./hoards.js');

const names = process.argv.slice(2);
const others = names.filter((name) => !globalThis.hoards.leaks.includes(name));
others.forEach((name) => require(`./leaking/${name}.js`));
globalThis.hoards.start(...names.filter((name) => !others.includes(name)));
let done = 0;
setInterval(() => {
  globalThis.hoards.work(40);
  for (let i = 0; i < 40 && globalThis.leaking; i++) {
    globalThis.leaking(done++);
  }
}, 100);
console.log('ready');
