'use strict';
class InnerThing {
  constructor(i) {
    this.at = { i };
  }
}
const innerThings = [];
for (let i = 0; i < 3456; i++) innerThings.push(new InnerThing(i));
onmessage = ({ data }) => postMessage((0, eval)(data));
