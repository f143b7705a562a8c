// Leaves in the way argv[2] names, when told by SIGUSR2 (SIGTERM for "sigterm"); argv[3] workers.
'use strict';
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const hold = setInterval(() => {}, 1 << 30);
const workers = [];

const ways = {
  natural: () => {
    clearInterval(hold);
    workers.forEach(worker => worker.unref());
  },
  exit: () => process.exit(0),
  sigterm: () => process.exit(0),
  uncaught: () => {
    throw new Error('uncaught on purpose');
  },
};

if (isMainThread) {
  const [way, count] = [process.argv[2], Number(process.argv[3] || 0)];
  let ready = 0;
  const announce = () => ready === count && console.log('ready');
  for (let i = 0; i < count; i++) {
    workers.push(new Worker(__filename));
    workers[i].once('message', () => {
      ready++;
      announce();
    });
  }
  process.on(way === 'sigterm' ? 'SIGTERM' : 'SIGUSR2', ways[way]);
  announce();
} else {
  parentPort.postMessage('ready');
}
