'use strict';
class KnownThing {
  constructor(i) {
    this.at = { i };
  }
}
const things = [];
function grow(n) {
  for (let i = 0; i < n; i++) things.push(new KnownThing(i));
  return things.length;
}
