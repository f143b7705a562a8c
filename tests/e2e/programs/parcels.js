// Bun: holds argv[2] objects of class Parcel after each SIGUSR2, none before; SIGHUP keeps a buffer
// of argv[3] MiB, SIGTERM lets it end by itself.
class Parcel {
  constructor(i) {
    this.i = i;
    this.next = null;
  }
}
const [, , count, mebibytes] = process.argv;
const parcels = [];
const buffers = [];
process.on('SIGUSR2', () => {
  for (let i = 0; i < Number(count); i++) {
    parcels.push(new Parcel(i));
  }
  console.log('grown', parcels.length);
});
process.on('SIGHUP', () => {
  buffers.push(new Uint8Array(Number(mebibytes) << 20).fill(1));
  console.log('swollen');
});
const reason = setInterval(() => {}, 1 << 30);
process.once('SIGTERM', () => {
  clearInterval(reason);
  process.removeAllListeners();
});
console.log('ready');
