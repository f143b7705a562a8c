// Starts N worker threads; SIGUSR2 ends one of them at a time.
'use strict';
const { Worker, isMainThread } = require('node:worker_threads');
if (isMainThread) {
  const workers = [];
  let ready = 0;
  for (let i = 0; i < Number(process.argv[2]); i++) {
    const worker = new Worker(__filename, { name: `job ${i}` });
    worker.once('message', () => ++ready === workers.length && console.log('ready'));
    workers.push(worker);
  }
  process.on('SIGUSR2', () => workers.pop()?.terminate().then(() => console.log('ended')));
  setInterval(() => {}, 1 << 30);
} else {
  require('node:worker_threads').parentPort.postMessage('ready');
  setInterval(() => {}, 1 << 30);
}
