// Load a .heapsnapshot with MemLab:  node memlab.js FILE [--sizes [--tell]] [CLASS...]
//   ->  {"nodes":N,"edges":N,"classes":{"CLASS":N}}
// --sizes adds "sizes", a digest of every node's id, self size, retained size and dominator, and
// "self", the sum of all self sizes. With --tell a line before that says when MemLab has the retained
// sizes; all else comes after.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const { analysis, config, utils } = require('@memlab/core');

function sizes(snapshot) {
  const all = new Float64Array(snapshot.nodes.length * 4);
  let at = 0;
  let self = 0;
  snapshot.nodes.forEach(node => {
    all.set([node.id, node.self_size, node.retainedSize, node.dominatorNode?.id ?? -1], at);
    at += 4;
    self += node.self_size;
  });
  return { self, sizes: crypto.createHash('sha256').update(all).digest('hex') };
}

async function main(file, rest) {
  const classes = rest.filter(word => !word.startsWith('--'));
  config.muteConsole = true;
  const snapshot = await utils.getSnapshotFromFile(file, { buildNodeIdIndex: true });
  if (rest.includes('--sizes')) {
    analysis.preparePathFinder(snapshot);
  }
  if (rest.includes('--tell')) {
    fs.writeSync(1, 'told\n');
  }
  const found = Object.fromEntries(classes.map(name => [name, 0]));
  snapshot.nodes.forEach(node => {
    if (node.type === 'object' && Object.hasOwn(found, node.name)) {
      found[node.name]++;
    }
  });
  console.log(JSON.stringify({
    nodes: snapshot.nodes.length,
    edges: snapshot.edges.length,
    classes: found,
    ...(rest.includes('--sizes') ? sizes(snapshot) : {}),
  }));
}

main(process.argv[2], process.argv.slice(3)).catch(error => {
  console.error(error);
  process.exit(1);
});
