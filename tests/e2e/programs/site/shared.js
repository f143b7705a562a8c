'use strict';
class SharedThing {
  constructor(i) {
    this.at = { i };
  }
}
const sharedThings = [];
for (let i = 0; i < 1234; i++) sharedThings.push(new SharedThing(i));
