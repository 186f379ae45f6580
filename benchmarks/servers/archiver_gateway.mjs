// The same job with Node's archiver, as its documentation shows it: one stream after another, nothing kept.
import { randomUUID } from 'node:crypto';
import { Agent, createServer, get } from 'node:http';
import { createRequire } from 'node:module';

const [port, folder] = process.argv.slice(2);
const archiver = createRequire(`${folder}/`)('archiver');
const agent = new Agent({ keepAlive: true });
const archives = new Map();

const fetched = (url) => new Promise((resolve, reject) => get(url, { agent }, resolve).on('error', reject));

const create = async (request, response) => {
  const blocks = [];
  for await (const block of request) blocks.push(block);
  const key = randomUUID();
  archives.set(key, JSON.parse(Buffer.concat(blocks)));
  response.writeHead(201).end(JSON.stringify({ url: `/archive/get/${key}.zip` }));
};

const send = async (request, response) => {
  const { urls, compression } = archives.get(request.url.slice('/archive/get/'.length, -'.zip'.length));
  const archive = archiver('zip', { store: compression !== 'deflate' });
  archive.on('error', (error) => response.destroy(error));
  archive.pipe(response);
  for (const url of urls) {
    const packed = new Promise((resolve) => archive.once('entry', resolve));
    archive.append(await fetched(url), { name: url.slice(url.lastIndexOf('/') + 1) });
    await packed;
  }
  await archive.finalize();
};

createServer((request, response) => (request.method === 'POST' ? create : send)(request, response)).listen(+port, '127.0.0.1');
