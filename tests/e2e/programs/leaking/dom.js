// A list on a page that keeps the rows it has removed.
'use strict';
globalThis.leaking = (() => {
  class OrderList {
    removed = [];

    show(n) {
      for (const part of ['order', 'details']) {
        const row = document.createElement('section');
        row.innerHTML = `<b>${part} ${n}</b><i>${n}</i>`;
        document.body.append(row);
        row.remove();
        this.removed.push(row);
      }
    }
  }
  const orders = new OrderList();
  return (n) => orders.show(n);
})();
