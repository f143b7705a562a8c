// The module of addresses.js, which is loaded with a secret behind its path.
export function fromModule(kept) {
  for (let i = 0; i < 1000; i++) {
    kept.push(new Array(128).fill(i));
  }
}
