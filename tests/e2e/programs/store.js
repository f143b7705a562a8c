// A store of orders, N of them: many small objects of a few classes, as servers have.
//   node store.js N FILE: writes a snapshot of itself and ends.
'use strict';
const v8 = require('node:v8');

class Item {
  constructor(i) {
    this.sku = `sku-${i % 5000}`;
    this.count = { value: i % 7 };
  }
}

class Order {
  constructor(i) {
    this.id = i;
    this.items = [new Item(i), new Item(i + 1), new Item(i + 2)];
    this.customer = { name: `customer ${i % 1000}`, tags: [`t${i % 13}`] };
    this.next = null;
  }
}

const orders = new Map();
const seen = new WeakMap();
let last = null;
for (let i = 0; i < Number(process.argv[2]); i++) {
  const order = new Order(i);
  order.next = last;
  last = order;
  orders.set(i, order);
  if (i % 100 === 0) {
    seen.set(order, { at: i });
  }
}
globalThis.kept = { orders, seen };
v8.writeHeapSnapshot(process.argv[3]);
