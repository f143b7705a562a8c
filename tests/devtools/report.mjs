// What Chrome DevTools computes from heap snapshots, for comparison:
//   node report.mjs BUNDLE FILE OUT [BASE | --tell]
// OUT gets {nodes, edges, digest, classes: {KEY: [count, self, retained, distance]}, statistics, total,
// variables: {KEY: [contexts, retained]} that no function can use any more, detached: [count, self, retained],
// allocations: [[function, count, size]] of a timeline with stacks, as its view has them, largest first,
// samples: {ms, sizes} of a timeline, when each interval ended and what of it lives; null: none there}
// and, with BASE, diff: {KEY: [added, removed, addedSize, removedSize]} and between: {KEY: count}, what
// its "objects allocated between" takes by a range of ids. With --tell a line on stdout says when what
// `heapwatchctl analyze` shows is there, the rows of classes with their retained sizes and the
// statistics; all else comes after.
// The digest runs over all nodes in the order of the file, in 32 bits that wrap:
// idRetained: a = 31 a + id; a = 31 a + retained; domDistance: the same of dominator's id and
// distance.
import fs from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [bundle, file, out, base] = isMainThread ? process.argv.slice(2) : [workerData.bundle];
const { HeapSnapshotLoader, SecondaryInitManager } = await import(bundle);

async function load(path) {
  const loader = new HeapSnapshotLoader({ sendEvent() {} });
  for await (const text of fs.createReadStream(path, { encoding: 'utf8', highWaterMark: 4 << 20 })) {
    loader.write(text);
  }
  loader.close();
  await loader.parsingComplete;
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(import.meta.url),
    { workerData: { bundle, port: port2 }, transferList: [port2] });
  worker.on('error', error => { throw error; });
  return loader.buildSnapshot(port1);
}

function digest(s) {
  const id = node => s.nodes.getValue(node * s.nodeFieldCount + s.nodeIdOffset);
  let a = 0;
  let b = 0;
  for (let i = 0; i < s.nodeCount; i++) {
    a = (Math.imul(a, 31) + id(i)) | 0;
    a = (Math.imul(a, 31) + ((s.retainedSizes[i] % 4294967296) | 0)) | 0;
    b = (Math.imul(b, 31) + id(s.dominatorsTree[i])) | 0;
    b = (Math.imul(b, 31) + s.nodeDistances[i]) | 0;
  }
  return { idRetained: a >>> 0, domDistance: b >>> 0 };
}

function classes(s) {
  return Object.fromEntries(Object.entries(s.getAggregatesByClassKey(false, 'allObjects'))
    .map(([key, a]) => [key, [a.count, a.self, a.maxRet, a.distance]]));
}

function diff(current, before) {
  const rows = current.calculateSnapshotDiff('base',
    before.aggregatesForDiff(current.interfaceDefinitions()));
  return Object.fromEntries(Object.entries(rows).map(([key, d]) =>
    [key, [d.addedCount, d.removedCount, d.addedSize, d.removedSize]]));
}

function between(current, before) {
  const rows = current.aggregatesWithFilter(
    { minNodeId: before.maxJsNodeId(), maxNodeId: current.maxJsNodeId() });
  return Object.fromEntries(Object.entries(rows).map(([key, a]) => [key, a.count]));
}

// "SCRIPT:START:NAME": [contexts, bytes that the values retain]
function variables(s) {
  const rows = {};
  for (const scope of s.analyzeContexts().scopes) {
    for (const field of scope.contexts.flatMap(context => context.deadFields)) {
      const row = rows[`${scope.scriptName}:${scope.scopeStart}:${field.name}`] ??= [0, 0];
      row[0]++;
      row[1] += field.retainedSize;
    }
  }
  return rows;
}

// [count, self, retained] of DOM nodes that are detached; what one of them dominates counts with it.
function detached(s) {
  const sums = [0, 0, 0];
  const node = s.createNode(0);
  const isDetached = (i) => {
    node.nodeIndex = i * s.nodeFieldCount;
    return node.type() === 'native' && node.detachedness() === 2;
  };
  for (let i = 0; i < s.nodeCount; i++) {
    if (!isDetached(i)) {
      continue;
    }
    sums[0] += node.selfSize() > 0;
    sums[1] += node.selfSize();
    let above = s.dominatorsTree[i];
    while (above !== s.dominatorsTree[above] && !isDetached(above)) {
      above = s.dominatorsTree[above];
    }
    sums[2] += isDetached(above) ? 0 : s.retainedSizes[i];
  }
  return sums;
}

function allocations(s) {
  return s.profile.snapshot.trace_function_count ? s.allocationTracesTops()
    .map(top => [top.name, top.count, top.size]) : [];
}

function samples(s) {
  const all = s.getSamples();
  return all && { ms: all.timestamps, sizes: all.sizes };
}

if (isMainThread) {
  const snapshot = await load(file);
  const shown = {
    nodes: snapshot.nodeCount,
    edges: snapshot.containmentEdges.length / snapshot.edgeFieldsCount,
    classes: classes(snapshot),
    statistics: snapshot.getStatistics(),
    total: snapshot.totalSize,
  };
  if (base === '--tell') {
    fs.writeSync(1, 'told\n');
  }
  const report = {
    ...shown,
    digest: digest(snapshot),
    variables: variables(snapshot),
    detached: detached(snapshot),
    allocations: allocations(snapshot),
    samples: samples(snapshot),
  };
  if (base && base !== '--tell') {
    const before = await load(base);
    report.diff = diff(snapshot, before);
    report.between = between(snapshot, before);
  }
  fs.writeFileSync(out, JSON.stringify(report));
  process.exit(0);
} else {
  new SecondaryInitManager(workerData.port);
}
