// Bun: holds argv[2] objects of class KnownThing, each SIGUSR2 adds as many. With "leave"
// SIGUSR2 lets it end by itself, with "block MS" SIGUSR2 keeps the event loop busy instead.
class KnownThing {
  constructor(i) {
    this.i = i;
    this.name = `thing-${i}`;
  }
}
const [, , count, mode, ms] = process.argv;
const things = [];
function grow() {
  for (let i = 0; i < Number(count); i++) {
    things.push(new KnownThing(i));
  }
}
function block() {
  const until = Date.now() + Number(ms);
  console.log('blocking');
  while (Date.now() < until);
}
grow();
if (mode === 'leave') {
  const reason = setInterval(() => {}, 1 << 30);
  process.once('SIGUSR2', () => clearInterval(reason));
} else {
  process.on('SIGUSR2', () => {
    if (mode === 'block') {
      block();
    } else {
      grow();
    }
    console.log('grown', things.length);
  });
  setInterval(() => {}, 1 << 30);
}
console.log('ready');
