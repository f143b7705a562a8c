// Load a .heapsnapshot with MemLab:  node memlab.js FILE [CLASS...]
//   ->  {"nodes":N,"edges":N,"classes":{"CLASS":N}}
'use strict';
const { config, utils } = require('@memlab/core');

async function main(file, classes) {
  config.muteConsole = true;
  const snapshot = await utils.getSnapshotFromFile(file, { buildNodeIdIndex: true });
  const found = Object.fromEntries(classes.map(name => [name, 0]));
  snapshot.nodes.forEach(node => {
    if (node.type === 'object' && Object.hasOwn(found, node.name)) {
      found[node.name]++;
    }
  });
  console.log(JSON.stringify({
    nodes: snapshot.nodes.length, edges: snapshot.edges.length, classes: found }));
}

main(process.argv[2], process.argv.slice(3)).catch(error => {
  console.error(error);
  process.exit(1);
});
