import { createServer } from 'node:http';
import { rowsBetween } from './hour';

/** Stands for the gateway's control interface in a process of its own: `window` alone, on the socket of the first argument. */
const [socket = '', seed = '1'] = process.argv.slice(2);

const server = createServer((req, res) => {
  const { searchParams } = new URL(req.url ?? '/', 'http://gateway');
  const rows = rowsBetween(Number(searchParams.get('from')), Number(searchParams.get('to')), Number(seed));
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ rows }));
});
server.listen(socket, () => process.stdout.write(`${JSON.stringify({ listening: true })}\n`));
