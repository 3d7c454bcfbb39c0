import { expect, test } from 'vitest';
import { hasPassword, redactUrl } from '../../config/secrets.ts';

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
])('%s holds no password and stays as it is', (url) => {
  expect(hasPassword(url)).toBe(false);
  expect(redactUrl(url)).toBe(url);
});
