// Holds argv[2] objects of class KnownThing, argv[3] MiB of long strings and argv[4] million
// references (which fill a snapshot at little cost to the heap), and stays.
'use strict';
class KnownThing {
  constructor(i) {
    this.i = i;
    this.next = { i };
  }
}
const things = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
  things.push(new KnownThing(i));
}
const STRING_BYTES = 1000; // shorter than what a snapshot cuts a string to
const strings = [];
for (let i = 0; i < Number(process.argv[3] || 0) * (1 << 20) / STRING_BYTES; i++) {
  strings.push(Buffer.alloc(STRING_BYTES, `${i} `).toString('latin1'));
}
const references = [];
for (let i = 0; i < Number(process.argv[4] || 0); i++) {
  references.push(new Array(1000000).fill(things[i % things.length]));
}
setInterval(() => {}, 1 << 30);
console.log('ready');
module.exports = { things, strings, references };
