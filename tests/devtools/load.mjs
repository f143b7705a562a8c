// Load a .heapsnapshot the way Chrome DevTools does and say what it saw:
//   node load.mjs BUNDLE FILE [--sizes] [CLASS...]  ->  {"nodes":N,"edges":N,"classes":{"CLASS":N}}
// --sizes adds "sizes", a digest of every node's id, self size, retained size and dominator, and
// "self", the sum of all self sizes.
// Exit status 1 when DevTools would refuse the file.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [bundle, file, ...rest] = isMainThread ? process.argv.slice(2) : [workerData.bundle];
const classes = rest.filter(word => word !== '--sizes');
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

function sizes(snapshot) {
  const { nodes, nodeFieldCount: fields, nodeIdOffset, nodeSelfSizeOffset, nodeCount } = snapshot;
  const of = (node, offset) => nodes.getValue(node * fields + offset);
  const all = new Float64Array(nodeCount * 4);
  let self = 0;
  for (let i = 0; i < nodeCount; i++) {
    all.set([of(i, nodeIdOffset), of(i, nodeSelfSizeOffset), snapshot.retainedSizes[i],
      of(snapshot.dominatorsTree[i], nodeIdOffset)], i * 4);
    self += all[i * 4 + 1];
  }
  return { self, sizes: crypto.createHash('sha256').update(all).digest('hex') };
}

if (isMainThread) {
  const snapshot = await build(await parse());
  console.log(JSON.stringify(
    { ...counts(snapshot), ...(rest.includes('--sizes') ? sizes(snapshot) : {}) }));
  process.exit(0);
} else {
  new SecondaryInitManager(workerData.port);
}
