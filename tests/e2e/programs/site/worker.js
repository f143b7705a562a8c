'use strict';
class WorkerThing {
  constructor(i) {
    this.at = { i };
  }
}
const workerThings = [];
for (let i = 0; i < 4321; i++) workerThings.push(new WorkerThing(i));
onmessage = ({ data }) => postMessage((0, eval)(data));
