// programs/hoards.js at work all the time: steady.js [LEAK...]; it only does what is healthy, and
// that is full within two seconds, unless it is told what to leak.
'use strict';
require('./hoards.js');

globalThis.hoards.start(...process.argv.slice(2));
setInterval(() => globalThis.hoards.work(40), 100);
console.log('ready');
