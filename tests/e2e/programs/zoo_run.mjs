// node|bun zoo_run.mjs BEFORE AFTER: builds a zoo and writes two snapshots of it.
import './zoo.js';

async function write(path) {
  if (typeof Bun !== 'undefined') {
    await Bun.write(path, Bun.generateHeapSnapshot('v8'));
  } else {
    (await import('node:v8')).writeHeapSnapshot(path);
  }
}

globalThis.zoo.build();
await write(process.argv[2]);
globalThis.zoo.grow();
await write(process.argv[3]);
