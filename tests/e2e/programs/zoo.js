// Objects of every kind that an analyser could get wrong. A plain script for any engine:
// zoo.build() makes them, zoo.grow() adds to some, drops others, between two snapshots.
'use strict';
{
  class Node {
    constructor(value) {
      this.value = value;
      this.next = null;
    }
  }
  const Other = new Function('return class Node { constructor(y) { this.y = y; } }')();
  const kept = { list: [], weak: new WeakMap(), head: null, dom: [] };

  // What nothing reaches but itself, if the collector has not been yet.
  function circle() {
    const a = { name: 'a' };
    a.b = { a };
  }

  function add(from, to) {
    for (let i = from; i < to; i++) {
      const node = new Node({ text: `s${i}`, 'we,ird "k"': [i, {}], '': {}, "a'b": {} });
      kept.list.push(node);
      kept.weak.set(node, { of: `weak ${i}` });
      kept.weak.set(kept.weak.get(node), node);
      kept.list.push({ p: {}, q: {}, [`x${i % 7}`]: {} }, { q: {}, p: {} }, {});
      if (i % 2) {
        kept.list.push(new Other({ '{brace}': {}, 'é\u{1f600}': {} }));
      }
      circle();
    }
  }

  function chain(n) {
    for (let i = 0; i < n; i++) {
      const node = new Node(`link ${i}`);
      node.next = kept.head;
      kept.head = node;
    }
  }

  function elements(n) {
    if (typeof document === 'undefined') {
      return;
    }
    for (let i = 0; i < n; i++) {
      const div = document.createElement('div');
      div.id = `d${i}`;
      div.appendChild(document.createElement('span')).textContent = `t${i}`;
      kept.dom.push(div);
      if (i % 2) {
        document.body.appendChild(div);
      }
    }
  }

  globalThis.zoo = {
    kept,
    build() {
      add(0, 500);
      chain(20000);
      elements(50);
      kept.map = new Map(kept.list.map((value, i) => [i, value]));
      kept.set = new Set(kept.list);
      kept.symbols = { [Symbol('s')]: {}, [Symbol.iterator]: function* () { yield kept; } };
      kept.buffer = new Uint8Array(1 << 20);
      kept.joined = kept.list.map(String).join('-') + Math.random();
      kept.sliced = kept.joined.slice(5, 500);
      kept.regexp = /zoo(.*)/g;
      kept.regexp.exec('zoo animals');
      kept.bound = kept.set.has.bind(kept.set);
      kept.date = new Date();
    },
    grow() {
      kept.list.splice(0, 200);
      add(500, 900);
      chain(100);
      elements(20);
      kept.dom.splice(0, 5);
      kept.map.delete(3);
    },
  };
}
