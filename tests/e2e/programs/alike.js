// bun alike.js N: nearly all that it holds is N objects of one class. SIGUSR2 adds some of another
// class, then a few more.
const things = [];
const others = [];
function add(n) {
  for (let i = 0; i < n; i++) {
    things.push({ i });
  }
}
add(Number(process.argv[2]));
process.on('SIGUSR2', () => {
  for (let i = 0; i < 300; i++) {
    others.push(new Map([[i, {}]]));
  }
  add(1000);
  console.log('grown', things.length);
});
setInterval(() => {}, 1 << 30);
console.log('ready');
