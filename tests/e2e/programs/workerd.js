// workerd: GET /?grow=N adds N objects of class KnownThing, /?drop lets go of all.
class KnownThing {
  constructor(i) {
    this.i = i;
    this.next = { i };
  }
}
const things = [];
export default {
  async fetch(request) {
    const wish = new URL(request.url).searchParams;
    if (wish.has('drop')) {
      things.length = 0;
    }
    for (let i = 0; i < Number(wish.get('grow')); i++) {
      things.push(new KnownThing(i));
    }
    return new Response(`things ${things.length}\n`);
  },
};
