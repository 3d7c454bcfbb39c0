import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasPassword, readSecret, redactUrl } from '../../config/secrets.ts';

test.each([
  ['rtsp://user:hunter2@10.0.0.7/stream1', 'rtsp://user:***@10.0.0.7/stream1'],
  ['rtsp://:hunter2@h/a', 'rtsp://:***@h/a'],
  ['rtsp://user:hun@ter2@h:554/a', 'rtsp://user:***@h:554/a'],
  ['rtsp://user:hun/ter2@h/a', 'rtsp://user:***@h/a'],
  ['rtsp://user:1234@h/a', 'rtsp://user:***@h/a'],
  ['mqtts://user:hunter2@h', 'mqtts://user:***@h'],
  ['rtsp://h/cam?user=admin&password=hunter2&channel=1', 'rtsp://h/cam?user=admin&password=***&channel=1'],
])('%s is shown without its password', (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

test.each([
  'rtsp://user@h:554/a',
  'rtsp://h:554/ch@1',
  'rtsp://h/a:b@c',
  'mqtt://127.0.0.1:1883',
  'file:./a@b',
])('%s has no password and is not changed', (url) => {
  expect(hasPassword(url)).toBe(false);
  expect(redactUrl(url)).toBe(url);
});

test.each([
  ['UTF-8', Buffer.from('hünter 2')],
  ['a line end', Buffer.from('hünter 2\n')],
  ['CRLF and an empty line', Buffer.from('hünter 2\r\n\r\n')],
  ['a byte order mark', Buffer.from('\uFEFFhünter 2\r\n')],
  ['UTF-16 as written by PowerShell', Buffer.from('\uFEFFhünter 2\r\n', 'utf16le')],
])('a password is read from a file with %s', (_, bytes) => {
  expect(readBack(bytes)).toEqual({ secret: 'hünter 2' });
});

test('spaces belong to a password; bytes other than text are refused', () => {
  expect(readBack(Buffer.from(' a \n'))).toEqual({ secret: ' a ' });
  expect(readBack(Buffer.from([0x61, 0xfc, 0x62]))).toHaveProperty('fault');
});

function readBack(bytes: Buffer) {
  const folder = mkdtempSync(join(tmpdir(), 'qc-secret-'));
  try {
    writeFileSync(join(folder, 'password'), bytes);
    return readSecret(join(folder, 'password'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
