/** A hub over HTTPS that only a proxy can reach, pulled from by the command itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeAuthority } from '../../../rigs/certificates.ts';
import { tempFolder } from '../../temp-folder.ts';
import { placeOf } from '../fixtures.ts';

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
};

test('the proxy is used with its log-in, NO_PROXY excepts from it, and https never becomes http', async () => {
  await using folder = await tempFolder();
  const authority = makeAuthority(folder.path);
  const { cert, key } = authority.issue({ names: 'DNS:hub.test,DNS:localhost' });
  const weights = await readFile(placeOf('torchvision/resnet50-small-dino-full.pth')!);
  const hub = createHttps({ cert: await readFile(cert), key: await readFile(key) }, (request, response) => {
    if (request.url === '/mine.pth') response.end(weights);
    else response.writeHead(302, { location: 'http://hub.test/mine.pth' }).end();
  });
  const port = await listen(hub);
  const connected: string[] = [];
  const proxy = createHttp((_request, response) => response.writeHead(400).end());
  proxy.on('connect', (request, socket) => {
    connected.push(request.url!);
    const login = Buffer.from('me:secret').toString('base64');
    if (request.headers['proxy-authorization'] !== `Basic ${login}`)
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [socket, onward]) one.on('error', () => undefined);
  });
  const proxyPort = await listen(proxy);
  const yaml = join(folder.path, 'agent.yaml');
  await writeFile(
    yaml,
    `station: s\ncameras: {top: {url: "rtsp://h/a"}}\nstorage: {directory: ${folder.path}/data, minFreeMb: 0}\n`,
  );
  const main = fileURLToPath(new URL('../../../../agent/main.js', import.meta.url));
  const pull = async (address: string, name: string, more: Record<string, string>) => {
    const child = spawn(
      execPath,
      [main, 'models', 'pull', address, '--name', name, '--size', '64', '--config', yaml],
      {
        env: { ...env, NODE_EXTRA_CA_CERTS: authority.ca, HOME: folder.path, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk;
      });
    const [code] = await once(child, 'exit');
    return `${code} ${said}`;
  };
  const proxied = { HTTPS_PROXY: `http://me:secret@127.0.0.1:${proxyPort}` };
  try {
    const done = await pull(`https://hub.test:${port}/mine.pth`, 'a', proxied);
    expect(done).toMatch(/^0 /);
    expect(connected).toEqual([`hub.test:${port}`]);

    const refused = await pull(`https://hub.test:${port}/mine.pth`, 'b', {
      HTTPS_PROXY: `127.0.0.1:${proxyPort}`,
    });
    expect(refused).toMatch(/^1 [\s\S]*the proxy answers 407 — put user and password into HTTPS_PROXY/);
    const weaker = await pull(`https://hub.test:${port}/weaker`, 'c', proxied);
    expect(weaker).toMatch(/^1 [\s\S]*redirects to http:\/\/hub\.test, which is not safe/);

    connected.length = 0;
    const direct = await pull(`https://localhost:${port}/mine.pth`, 'd', {
      ...proxied,
      NO_PROXY: 'localhost',
    });
    expect(direct).toMatch(/^0 /);
    expect(connected).toEqual([]);
    expect(done + refused + weaker + direct).not.toContain('secret');
  } finally {
    hub.closeAllConnections();
    proxy.closeAllConnections();
    hub.close();
    proxy.close();
  }
}, 60_000);
