// workerd: GET /?grow=N adds N objects of class KnownThing, /?drop lets go of all, /?keep=N keeps N
// arrays of 128.
class KnownThing {
  constructor(i) {
    this.i = i;
    this.next = { i };
  }
}
const things = [], kept = [];
function keepMany(n) {
  for (let i = 0; i < n; i++) {
    kept.push(new Array(128).fill(i));
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
    return new Response(`things ${things.length}\n`);
  },
};
