// Does nothing and stays.
'use strict';
setInterval(() => {}, 1 << 30);
console.log('ready');
