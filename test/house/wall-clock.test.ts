import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../config/package.ts';
import { sources } from './sources.ts';

/** Who may read the wall clock, and why. Everything that lasts or expires is counted by `monotonicMs` or `performance.now`. */
const allowed: Readonly<Record<string, string>> = {
  'agent/cli/audit.ts': 'since when entries are listed, as somebody writes it on the command line',
  'agent/bench/clip.ts': 'timestamp of a drawn frame',
  'agent/bench/results.ts': 'compared with capture times that another process wrote',
  'agent/camera/camera-clock.ts': 'compared with the clock of the camera; steps of either are noticed',
  'agent/camera/wall-times.ts': 'the times of a frame in messages',
  'agent/challenge/challenge.ts':
    'due times are times of day; how long a test may take does not depend on it',
  'agent/demo/line-process.ts': 'start of the drawn line; it goes on by the monotonic clock',
  'agent/demo/rtsp/connection.ts': 'NTP time of a sender report',
  'agent/demo/score.ts': 'compared with capture times in results',
  'agent/demo/shutter.ts': 'start of the drawn line; it goes on by the monotonic clock',
  'agent/doctor/clock.ts': 'checks the wall clock',
  'agent/handshake/handshake.ts': 'since when a job is in its state, in messages',
  'agent/http/aim-channel.ts': 'sent to the browser, which compares it with its own clock',
  'agent/http/routes/events.ts': 'sent to the browser, which compares it with its own clock',
  'agent/lifecycle/id.ts': 'time in an id; it never goes back',
  'agent/statistics/statistics.ts': 'times of counts, changes and downtimes, which are shown',
  'agent/setup/onvif.ts': 'compared with the clock of the camera, which checks the time of a log-in',
  'agent/station.ts': 'since when the station is in its state, in messages',
  'agent/publish/commands.ts': 'compared with issuedAt, which another machine wrote; a wrong clock refuses',
  'agent/publish/compose.ts': 'times in messages',
  'agent/publish/outbox/clock.ts': 'starts a clock that never runs backwards and does not jump',
  'agent/publish/sparkplug/edge-node.ts': 'timestamps of payloads',
  'agent/publish/sparkplug/session.ts': 'timestamps of payloads',
  'agent/page/aim/aim.js': 'compared with the clock of the agent, for the chart',
  'agent/page/calibrate/label-view.js': 'age of an image, shown',
  'agent/page/andon/andon.js': 'compared with the clock of the agent, for ages that are shown',
  'agent/page/line/line.js': 'compared with the clock of the agent, for durations that are shown',
  'agent/page/live/live.js': 'compared with the clock of the agent, for ages that are shown',
  'config/certificate.ts': 'a certificate expires by the wall clock',
  'models/run/compiled.ts': 'age of a file left by another process; only its removal depends on it',
};

const folders = ['config', 'models', 'calibration', 'agent'];
const files = ['.ts', '.js', '.mjs'].flatMap((ending) => sources(folders, ending));
const readers = files.filter((file) =>
  /\bDate\.now\b|new Date\(\)\.getTime|\+new Date\(\)/.test(readFileSync(join(packageRoot, file), 'utf8')),
);

it('reads the wall clock only where a time is shown or comes from another machine', () => {
  expect(readers.filter((file) => !Object.hasOwn(allowed, file))).toEqual([]);
  expect(Object.keys(allowed).filter((file) => !readers.includes(file))).toEqual([]);
});
