class WorkerThing {
  constructor(i) {
    this.i = i;
  }
}
globalThis.things = Array.from({ length: 4321 }, (_, i) => new WorkerThing(i));
setInterval(() => {}, 1 << 30);
globalThis.onmessage = ({ data }) => postMessage((0, eval)(data));
postMessage('ready');
