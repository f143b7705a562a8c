// Deno: holds Deno.args[0] objects of class KnownThing, each SIGUSR2 adds as many, "workers" starts
// a worker with things of its own (`worker`: it evaluates what it is sent), "ending" one that the next
// SIGUSR2 ends, "leave MS" ends by itself after so long.
class KnownThing {
  constructor(i) {
    this.i = i;
    this.next = { i };
  }
}
const things = [];
function grow() {
  for (let i = 0; i < Number(Deno.args[0]); i++) {
    things.push(new KnownThing(i));
  }
}
grow();
if (['workers', 'ending'].includes(Deno.args[1])) {
  const url = new URL('deno_worker.js', import.meta.url);
  globalThis.worker = new Worker(url, { type: 'module' });
  await new Promise((resolve) => { worker.onmessage = resolve; });
}
if (Deno.args[1] === 'leave') {
  setTimeout(() => {}, Number(Deno.args[2]));
} else {
  Deno.addSignalListener('SIGUSR2', () => {
    if (Deno.args[1] === 'ending') {
      worker.terminate();
    }
    grow();
    console.log('grown', things.length);
  });
  setInterval(() => {}, 1 << 30);
}
console.log('ready');
