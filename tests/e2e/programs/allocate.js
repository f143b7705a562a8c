// Allocates from functions that are known, when SIGUSR2 asks: keepMany() three times as much as
// keepFew(), both of which is kept, and waste() what is garbage at once. Says by how much the heap
// grew, as the collector counts it.
'use strict';
const { setFlagsFromString } = require('node:v8');
setFlagsFromString('--expose-gc');
const gc = require('node:vm').runInNewContext('gc');
const kept = [];
function keepMany() {
  for (let i = 0; i < 12000; i++) {
    kept.push(new Array(128).fill(i));
  }
}
function keepFew() {
  for (let i = 0; i < 4000; i++) {
    kept.push(new Array(128).fill(i));
  }
}
function waste() {
  let n = 0;
  for (let i = 0; i < 30000; i++) {
    n += new Array(128).fill(i).length;
  }
  return n;
}
process.on('SIGUSR2', () => {
  gc();
  const before = process.memoryUsage().heapUsed;
  keepMany();
  keepFew();
  waste();
  gc();
  console.log('kept', process.memoryUsage().heapUsed - before);
});
setInterval(() => {}, 1 << 30);
console.log('ready');
