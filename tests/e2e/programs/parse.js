// Parse a .heapsnapshot as JSON and count: parse.js FILE CLASS -> {"nodes","edges","count"}
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const [file, wanted] = process.argv.slice(2);
const { snapshot, nodes, edges, strings } = JSON.parse(fs.readFileSync(file, 'utf8'));
const fields = snapshot.meta.node_fields;
const [type, name] = [fields.indexOf('type'), fields.indexOf('name')];
const object = snapshot.meta.node_types[type].indexOf('object');
assert.strictEqual(nodes.length, snapshot.node_count * fields.length);
assert.strictEqual(edges.length, snapshot.edge_count * snapshot.meta.edge_fields.length);
let count = 0;
for (let i = 0; i < nodes.length; i += fields.length) {
  if (nodes[i + type] === object && strings[nodes[i + name]] === wanted) {
    count++;
  }
}
console.log(JSON.stringify({ nodes: snapshot.node_count, edges: snapshot.edge_count, count }));
