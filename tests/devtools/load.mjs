// Load a .heapsnapshot the way Chrome DevTools does and say what it saw:
//   node load.mjs BUNDLE FILE [CLASS...]  ->  {"nodes":N,"edges":N,"classes":{"CLASS":N}}
// Exit status 1 when DevTools would refuse the file.
import fs from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [bundle, file, ...classes] = isMainThread ? process.argv.slice(2) : [workerData.bundle];
const { HeapSnapshotLoader, SecondaryInitManager } = await import(bundle);

async function parse() {
  const loader = new HeapSnapshotLoader({ sendEvent() {} });
  for await (const text of fs.createReadStream(file, { encoding: 'latin1', highWaterMark: 4 << 20 })) {
    loader.write(text);
  }
  loader.close();
  await loader.parsingComplete;
  return loader;
}

// DevTools splits the work over two threads; the second one is this file again.
async function build(loader) {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(import.meta.url),
    { workerData: { bundle, port: port2 }, transferList: [port2] });
  worker.on('error', error => { throw error; });
  return loader.buildSnapshot(port1);
}

function counts(snapshot) {
  const aggregates = Object.values(snapshot.getAggregatesByClassKey(false, 'allObjects'));
  const count = name => aggregates.filter(a => a.name === name).reduce((n, a) => n + a.count, 0);
  return {
    nodes: snapshot.nodeCount,
    edges: snapshot.containmentEdges.length / snapshot.edgeFieldsCount,
    classes: Object.fromEntries(classes.map(name => [name, count(name)])),
  };
}

if (isMainThread) {
  console.log(JSON.stringify(counts(await build(await parse()))));
  process.exit(0);
} else {
  new SecondaryInitManager(workerData.port);
}
