// So many equal objects, each of which holds the next one, or all of which are held by one array.
//   node chain.js chain|array N FILE: writes a snapshot of itself and ends.
'use strict';
const v8 = require('node:v8');

class Link {
  constructor(next) {
    this.next = next;
  }
}

const [, , shape, n, file] = process.argv;
const all = shape === 'array' ? new Array(Number(n)) : null;
let last = null;
for (let i = 0; i < Number(n); i++) {
  last = new Link(all ? null : last);
  if (all) {
    all[i] = last;
  }
}
globalThis.kept = all || last;
v8.writeHeapSnapshot(file);
