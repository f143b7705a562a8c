// A plain HTTP server that is no inspector. Prints its port.
'use strict';
const http = require('node:http');
const server = http.createServer((request, response) => response.end('<html>shop</html>\n'));
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
