// A worker thread within a worker thread: they hold 4321 objects of class OuterThing and 3456 of class
// InnerThing. SIGUSR2 ends the inner one, or starts it anew; SIGHUP ends the outer one.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
class OuterThing {
  constructor(i) {
    this.i = i;
  }
}
class InnerThing {
  constructor(i) {
    this.i = i;
  }
}
function hold(Thing, n) {
  globalThis.held = Array.from({ length: n }, (_, i) => new Thing(i));
}
setInterval(() => {}, 1 << 30);
if (isMainThread) {
  const outer = new Worker(__filename, { workerData: 'outer' });
  outer.on('message', (said) => console.log(said));
  process.on('SIGUSR2', () => outer.postMessage('turn'));
  process.on('SIGHUP', () => outer.terminate().then(() => console.log('gone')));
} else if (workerData === 'outer') {
  hold(OuterThing, 4321);
  let inner = null;
  const turn = () => {
    if (inner) {
      inner.terminate().then(() => parentPort.postMessage('ended'));
      inner = null;
    } else {
      inner = new Worker(__filename, { workerData: 'inner' });
      inner.once('message', (said) => parentPort.postMessage(said));
    }
  };
  parentPort.on('message', turn);
  turn();
} else {
  hold(InnerThing, 3456);
  parentPort.postMessage('ready');
}
