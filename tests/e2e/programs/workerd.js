// workerd: GET /?grow=N adds N objects of class KnownThing, /?drop lets go of all, /?keep=N keeps N
// arrays of 128, /?large=N N of 40000, /?waste=N makes N that are garbage at once, /?bench=N makes N
// objects of which the last 65536 live.
class KnownThing {
  constructor(i) {
    this.i = i;
    this.next = { i };
  }
}
const things = [], kept = [];
let model;
function keepMany(n) {
  for (let i = 0; i < n; i++) {
    kept.push(new Array(128).fill(i));
  }
}
function keepLarge(n) {
  model ??= Array.from({ length: 40000 }, (_, i) => i);
  for (let i = 0; i < n; i++) {
    kept.push(model.slice());
  }
}
function waste(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += new Array(128).fill(i).length;
  }
  return sum;
}
const ring = new Array(1 << 16).fill(null);
let at = 0;
function bench(n) {
  for (let i = 0; i < n; i++) {
    at = (at + 1) & (ring.length - 1);
    ring[at] = { i, pair: [n, i] };
  }
}
export default {
  async fetch(request) {
    const wish = new URL(request.url).searchParams;
    if (wish.has('drop')) {
      things.length = 0;
    }
    for (let i = 0; i < Number(wish.get('grow')); i++) {
      things.push(new KnownThing(i));
    }
    keepMany(Number(wish.get('keep')));
    keepLarge(Number(wish.get('large')));
    waste(Number(wish.get('waste')));
    bench(Number(wish.get('bench')));
    return new Response(`things ${things.length}\n`);
  },
};
