// What Chrome DevTools makes of a .heapprofile: node profile.mjs BUNDLE FILE
//
// Its view translates the nodes and leaves the sums to its model of trees; the translation is the
// five lines below, the model is DevTools' own.
import fs from 'node:fs';

const [, , bundle, file] = process.argv;
const { ProfileTreeModel } = await import(bundle);
const profile = JSON.parse(fs.readFileSync(file, 'utf8'));

class Node extends ProfileTreeModel.ProfileNode {
  constructor(node) {
    super(node.callFrame);
    this.self = node.selfSize;
  }
}

const root = new Node(profile.head);
const left = [[profile.head, root]];
while (left.length > 0) {
  const [from, to] = left.pop();
  to.children = from.children.map(child => new Node(child));
  from.children.forEach((child, i) => left.push([child, to.children[i]]));
}
const model = new ProfileTreeModel.ProfileTreeModel();
model.initialize(root);
const self = {};
for (const todo = [root]; todo.length > 0;) {
  const node = todo.pop();
  self[node.functionName] = (self[node.functionName] ?? 0) + node.self;
  todo.push(...node.children);
}
const sampled = profile.samples.reduce((sum, sample) => sum + sample.size, 0);
console.log(JSON.stringify({ total: model.total, depth: model.maxDepth, self, sampled }));
