/** Invalid commands over MQTT and invalid requests over HTTP, random and repeatable by seed. */
import { connect } from 'node:net';
import type { Random } from '../../calibration/train/random.ts';
import type { Probe } from './mqtt-probe.ts';

const commands = [
  'trigger',
  'mode',
  'label',
  'recipe',
  'model',
  'acknowledge',
  'abort',
  'nonsense',
  '',
  '../..',
];
const keys = [
  'camera',
  'partId',
  'recipe',
  'mode',
  'resultId',
  'label',
  'action',
  'version',
  'issuedAt',
  '__proto__',
];
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'BREW'];
const paths = [
  '/',
  '/api/v1/results',
  '/api/v1/evidence',
  '/api/v1/trigger',
  '/api/v1/classify',
  '/metrics',
  '/readyz',
  '/api/v1/mode',
  '/api/v1/labels',
  '/api/v1/dataset/frames',
];

function bytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.integer(most) }, () => random.integer(256)));
}

function value(random: Random, depth = 0): unknown {
  const kind = random.integer(depth > 3 ? 6 : 8);
  if (kind === 0) return null;
  if (kind === 1) return random.integer(2) === 0;
  if (kind === 2) return random.between(-1e300, 1e300);
  if (kind === 3) return bytes(random, 40).toString('latin1');
  if (kind === 4) return '\u0000../'.repeat(random.integer(50));
  if (kind === 5) return 'x'.repeat(random.integer(3_000));
  const list = Array.from({ length: random.integer(5) }, () => value(random, depth + 1));
  return kind === 6 ? list : Object.fromEntries(list.map((one) => [random.pick(['a', ...keys]), one]));
}

/** A payload that a station must refuse: only the name of the command is valid. */
function payload(random: Random): Buffer {
  const kind = random.integer(4);
  if (kind === 0) return bytes(random, 2_000);
  if (kind === 1) return Buffer.from('['.repeat(random.integer(5_000)));
  if (kind === 2) return Buffer.alloc(random.integer(40_000), 0x7b);
  const fields = Array.from({ length: random.integer(6) }, () => [
    random.pick(['nonsense', ...keys]),
    value(random),
  ]);
  return Buffer.from(JSON.stringify({ ...Object.fromEntries(fields), nonsense: 1 }));
}

export async function sendGarbageCommands(
  probe: Probe,
  topic: string,
  count: number,
  random: Random,
): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const name = random.pick(['trigger', ...commands]);
    const retain = random.integer(50) === 0;
    const qos = random.pick([0, 1] as const);
    await probe.publish(`${topic}/command/${name}`, payload(random), { qos, retain });
    // A retained one would be sent again at every connection of the agent.
    if (retain) await probe.publish(`${topic}/command/${name}`, '', { retain });
  }
}

/** @returns statuses of the answers, and the number of requests without one */
export async function sendGarbageRequests(
  url: string,
  count: number,
  random: Random,
): Promise<{ readonly statuses: number[]; readonly unanswered: number }> {
  const { hostname, port } = new URL(url);
  const statuses: number[] = [];
  let unanswered = 0;
  for (let sent = 0; sent < count; sent++) {
    const answer = await say(hostname, Number(port), request(hostname, random));
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
    if (Number.isNaN(status)) unanswered++;
    else statuses.push(status);
  }
  return { statuses, unanswered };
}

function request(host: string, random: Random): Buffer {
  const kind = random.integer(6);
  if (kind === 0) return bytes(random, 500);
  const path = `${random.pick(['/', ...paths])}${random.pick(['', '/', '?limit=-1', '?limit=1e9', '/%00', '/..%2f..%2fetc%2fpasswd', `?${'a=1&'.repeat(random.integer(500))}`])}`;
  const body = payload(random);
  const length = kind === 1 ? body.length + random.integer(100_000) : body.length;
  const type = random.pick([
    'application/json',
    'image/png',
    'text/plain',
    'multipart/form-data',
    bytes(random, 9).toString('hex'),
  ]);
  const head = [
    `${random.pick(['GET', ...methods])} ${path} HTTP/1.1`,
    `Host: ${kind === 2 ? 'evil.example' : host}`,
    `Content-Type: ${type}`,
    `Content-Length: ${length}`,
    ...(kind === 3 ? [`X-Long: ${'y'.repeat(random.integer(30_000))}`] : []),
    'Connection: close',
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

/** Sends it and stops after a short time, because the server may wait for data that is not sent. */
function say(host: string, port: number, text: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, host, () => socket.write(text));
    socket.setTimeout(300, () => socket.destroy());
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > 20) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}
