// Leaks nothing: what healthy.js does is all there is.
'use strict';
globalThis.leaking = () => {};
