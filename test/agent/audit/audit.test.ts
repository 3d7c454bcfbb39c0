/** The audit log on a real disk: durable, limited in size, chained, and written by agent and command line. */
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAudit } from '../../../agent/audit/audit.ts';
import { type AuditDraft, auditDraft, factsOf } from '../../../agent/audit/entry.ts';
import { listAuditFiles } from '../../../agent/audit/files.ts';
import { readAudit, verifyAudit } from '../../../agent/audit/read.ts';
import { commandRecorder } from '../../../agent/audit/record-commands.ts';
import { openBroker } from '../../../agent/demo/broker.ts';
import { createCommandDesk } from '../../../agent/publish/commands.ts';
import { deepJson, hostileJson, hostileValues } from '../../rigs/hostile.ts';
import { openProbe } from '../../rigs/mqtt-probe.ts';
import { base, openPublisherRig } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'qc-audit-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const newest = () => join(directory, 'audit.jsonl');
const draft = (over: Partial<AuditDraft> = {}): AuditDraft => ({
  who: 'token:anna',
  role: 'operator',
  from: '10.0.0.7',
  action: 'label',
  what: { label: 'scratch' },
  outcome: 'done',
  code: null,
  ...over,
});

function open(auditMb = 1) {
  const log: string[] = [];
  const faults: string[] = [];
  const deps = {
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
    onFault: (text: string) => void faults.push(text),
  };
  return openAudit({ directory, auditMb }, deps).then((audit) => Object.assign(audit, { log, faults }));
}

describe('the audit log', () => {
  it('keeps entries in order, also across restarts, and finds them', async () => {
    for (const [who, action] of [
      ['token:anna', 'label'],
      ['mqtt:qc/press-3/command/mode', 'mode'],
      ['token:kim', 'promote'],
    ] as const) {
      await using audit = await open();
      await Promise.all([1, 2, 3].map((n) => audit.record(draft({ who, action, what: { n } }))));
    }
    const all = await readAudit(directory, { limit: 100 });
    expect(all.map(({ sequence }) => sequence)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(all.map(({ what }) => what.n).toReversed()).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    const found = async (query: object) =>
      (await readAudit(directory, { limit: 100, ...query })).map(({ sequence }) => sequence);
    expect(await found({ who: 'token:' })).toEqual([9, 8, 7, 3, 2, 1]);
    expect(await found({ action: 'mode', limit: 2 })).toEqual([6, 5]);
    expect(await found({ before: 3 })).toEqual([2, 1]);
    expect(await found({ outcome: 'refused' })).toEqual([]);
    expect(await found({ since: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(await verifyAudit(directory)).toMatchObject({ whole: true, entries: 9, first: { sequence: 1 } });
    expect(statSync(newest()).mode & 0o007).toBe(0);
  });

  it('detects a line that was changed, removed, inserted or cut off at the end', async () => {
    {
      await using audit = await open();
      for (let n = 1; n <= 5; n++) await audit.record(draft({ what: { n } }));
    }
    const lines = readFileSync(newest(), 'utf8').trimEnd().split('\n');
    const { head } = await verifyAudit(directory);
    const problemsOf = async (changed: readonly string[], earlier?: string) => {
      writeFileSync(newest(), changed.map((line) => `${line}\n`).join(''));
      return (await verifyAudit(directory, earlier)).problems.join('; ');
    };
    expect(await problemsOf(lines)).toBe('');
    expect(await problemsOf(lines.with(2, lines[2]!.replace('"n":3', '"n":7')))).toMatch(/line 3: changed/);
    expect(await problemsOf(lines.toSpliced(2, 1))).toMatch(/line 3: does not follow number 2/);
    expect(await problemsOf(lines.toSpliced(3, 0, lines[1]!))).toMatch(/line 4: does not follow number 3/);
    // Missing lines at the end can only be detected with a copy of the newest hash.
    expect(await problemsOf(lines.slice(0, 4))).toBe('');
    expect(await problemsOf(lines.slice(0, 4), head!.hash)).toMatch(/is missing: lines were removed/);
    expect(await problemsOf(lines, head!.hash)).toBe('');
  });

  it('continues after a power cut in the middle of a line, and renames a file with an unreadable end', async () => {
    {
      await using audit = await open();
      await audit.record(draft());
    }
    appendFileSync(newest(), '{"schema":1,"sequence":2,"at":"20');
    {
      await using audit = await open();
      await audit.record(draft({ action: 'promote' }));
    }
    expect(await verifyAudit(directory)).toMatchObject({ whole: true, entries: 2 });
    appendFileSync(newest(), 'no line of ours\n');
    {
      await using audit = await open();
      await audit.record(draft({ action: 'mode' }));
      expect(audit.log.join('')).toContain('it was renamed to');
    }
    const proof = await verifyAudit(directory);
    expect(proof.problems.join()).toMatch(/audit-damaged-.*a damaged file/);
    expect(await readAudit(directory, { limit: 10 })).toMatchObject([{ action: 'mode' }]);
  });

  it('deletes its oldest entries at its limit of disk space, and the chain of the others stays valid', async () => {
    const what = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`fact${n}`, 'x'.repeat(200)]));
    await using audit = await open(1);
    for (let n = 0; n < 500; n++) await audit.record(draft({ what }));
    const { all } = await listAuditFiles(directory);
    expect(all).toHaveLength(10);
    const bytes = all.reduce((sum, file) => sum + statSync(file).size, 0);
    expect(bytes).toBeGreaterThan(0.8e6);
    expect(bytes).toBeLessThan(1.05e6);
    const proof = await verifyAudit(directory);
    expect(proof).toMatchObject({ whole: true, head: { sequence: 500 } });
    expect(proof.first!.sequence).toBeGreaterThan(100);
    const pages = await readAudit(directory, { limit: 1_000 });
    expect(pages.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: pages.length }, (_, i) => 500 - i),
    );
  });

  it('keeps a limited number of refusals and counts the others', async () => {
    {
      await using audit = await open();
      await audit.record(draft());
      for (let n = 0; n < 500; n++) await audit.record(draft({ outcome: 'refused', code: 'http-forbidden' }));
      await audit.record(draft({ action: 'mode' }));
    }
    const all = await readAudit(directory, { limit: 1_000 });
    expect(all.map(({ action }) => action)).toEqual(['refusals', 'mode', ...Array(21).fill('label')]);
    expect(all[0]).toMatchObject({ who: 'agent', what: { leftOut: 480 } });
  });

  it('keeps entries in memory while the disk fails, refuses changes meanwhile, and writes all entries afterwards', async () => {
    const audit = await open();
    await audit.record(draft({ action: 'first' }));
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'in the way');
    await expect(audit.ready()).resolves.toBeUndefined();
    await audit.record(draft({ action: 'second' }));
    await expect(audit.ready()).rejects.toMatchObject({ code: 'audit-unavailable' });
    await audit.record(draft({ action: 'third' }));
    rmSync(directory);
    mkdirSync(directory);
    await expect(audit.ready()).resolves.toBeUndefined();
    expect(audit.faults.at(-1)).toBe('');
    await audit[Symbol.asyncDispose]();
    const all = await readAudit(directory, { limit: 10 });
    expect(all.map(({ action }) => action)).toEqual(['third', 'second']);
  });

  it('writes the other entries if one entry is invalid', async () => {
    const bad = [
      draft({ action: 'infinite', what: { mode: Number.POSITIVE_INFINITY } }),
      draft({ action: 'nested', what: { x: [{ toString: 1 }] } as never }),
      draft({ who: '', action: 'nobody' }),
      { ...draft({ action: 'role' }), role: 'root', code: { length: { toString: 1 } } } as never,
    ];
    await using audit = await open();
    await Promise.all([draft(), ...bad, draft({ action: 'last' })].map((one) => audit.record(one)));
    const all = (await readAudit(directory, { limit: 100 })).toReversed();
    expect(all.map(({ action }) => action)).toEqual([
      'label',
      'infinite',
      'nested',
      'nobody',
      'role',
      'last',
    ]);
    expect(all[1]!.what).toEqual({ leftOut: 'the facts could not be recorded' });
    expect(all[3]!.who).toBe('unknown');
    expect(await verifyAudit(directory)).toMatchObject({ whole: true, entries: 6 });
  });

  it('reports a failed write, and the change remains', async () => {
    await using audit = await open();
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'in the way');
    await audit.record(draft());
    expect(audit.faults.at(-1)).toMatch(/changes cannot be recorded/);
    expect(audit.log.join('')).toContain('"action":"label"');
    rmSync(directory);
  });

  it('is written by several processes at once without a break in the chain', async () => {
    const writer = `
      import { appendAudit } from ${JSON.stringify(fileURLToPath(new URL('../../../agent/audit/files.js', import.meta.url)))};
      const draft = { who: 'cli:' + process.pid, role: null, from: 'test', action: 'x', what: {}, outcome: 'done', code: null };
      for (let i = 0; i < 25; i++)
        await appendAudit(process.argv[1], [{ draft, at: new Date() }], { maxBytes: 1e6, onNotice: console.error });`;
    const run = promisify(execFile);
    await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '-e', writer, directory])),
    );
    expect(await verifyAudit(directory)).toMatchObject({ whole: true, entries: 75 });
    expect(readdirSync(directory)).toEqual(['audit.jsonl']);
  });
});

it('describes facts without calling their methods, and in numbers that JSON supports', () => {
  for (const value of hostileValues) {
    const what = factsOf({ value }, { list: [value, value, value, value] }, value);
    expect(auditDraft.shape.what.safeParse(what).error).toBeUndefined();
  }
  expect(factsOf({ mode: Number.POSITIVE_INFINITY, x: [{ toString: 1 }, [1]] })).toEqual({
    mode: 'Infinity',
    x: 'an object, a list',
  });
});

it('shortens lists, and omits long and nested values', () => {
  const body = {
    label: 'x'.repeat(500),
    ids: ['a', 'b', 'c', 'd'],
    deep: { a: 1 },
    on: true,
    none: undefined,
  };
  expect(factsOf({ version: '1' }, body, undefined, 'text')).toEqual({
    version: '1',
    label: 'x'.repeat(200),
    ids: 'a, b, c and 1 more',
    on: true,
  });
});

describe('commands over MQTT', () => {
  it('are recorded with topic, request and outcome', async () => {
    await using broker = await openBroker();
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    await using probe = await openProbe(broker.url);
    const send = async (name: string, payload: unknown) => {
      const before = probe.on(`${base}/command/${name}/reply`).length;
      await probe.publish(`${base}/command/${name}`, payload);
      await probe.hears(`${base}/command/${name}/reply`, before + 1);
    };
    await send('mode', { mode: 'calibration' });
    await send('mode', { mode: 'nonsense', password: 'hunter2' });
    await send('trigger', { camera: 'top' });
    await send('nothing', {});
    const common = { role: null, from: 'mqtt' };
    expect(rig.recorded).toEqual([
      {
        ...common,
        who: `mqtt:${base}/command/mode`,
        action: 'mode',
        what: { mode: 'calibration' },
        outcome: 'done',
        code: null,
      },
      {
        ...common,
        who: `mqtt:${base}/command/mode`,
        action: 'mode',
        what: {},
        outcome: 'refused',
        code: 'command-invalid',
      },
      {
        ...common,
        who: `mqtt:${base}/command/nothing`,
        action: 'nothing',
        what: {},
        outcome: 'refused',
        code: 'command-unknown',
      },
    ]);
  });

  it('with an internal error are recorded as failed, without the message of the error', async () => {
    const recorded: AuditDraft[] = [];
    const fails = async () => {
      throw new TypeError('token hunter2');
    };
    const handlers = new Proxy({}, { get: () => fails }) as Parameters<typeof createCommandDesk>[0];
    const log = pino({ level: 'silent' });
    const audit = {
      record: async (one: AuditDraft) => void recorded.push(one),
      ready: async () => undefined,
    };
    const recorder = commandRecorder(audit, 'qc');
    const desk = createCommandDesk(handlers, { log, maxAgeMs: 1_000, recorder });
    const payload = Buffer.from('{"mode":"calibration"}');
    expect(await desk.handle({ name: 'mode', payload, retained: false })).toMatchObject({ ok: false });
    expect(recorded).toMatchObject([{ outcome: 'failed', code: 'internal' }]);
    expect(JSON.stringify(recorded)).not.toContain('hunter2');
  });

  it('are answered and recorded with any content, and the publisher continues', async () => {
    await using broker = await openBroker();
    await using rig = await openPublisherRig({ url: broker.url });
    await until(() => rig.publisher.connected);
    await using probe = await openProbe(broker.url);
    const fields = [
      'camera',
      'jobId',
      'partId',
      'requestId',
      'mode',
      'resultId',
      'label',
      'recipe',
      'version',
    ];
    const names = ['abort', 'acknowledge', 'trigger', 'mode', 'label', 'recipe', 'model'];
    const payloads = hostileValues.flatMap((value) => [
      hostileJson(value),
      hostileJson(Object.fromEntries(fields.map((field) => [field, value]))),
      hostileJson({ camera: { length: { toString: 1 } }, jobId: [value] }),
    ]);
    for (const name of names) {
      const all = [...payloads, deepJson(1_000), 'no JSON', Buffer.of(0xff)];
      for (const [index, payload] of all.entries()) {
        const text = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
        if (text.length === 0) continue;
        await probe.publish(`${base}/command/${name}`, text);
        await probe.hears(`${base}/command/${name}/reply`, index + 1);
      }
    }
    expect(rig.publisher.connected).toBe(true);
    for (const one of rig.recorded) expect(auditDraft.safeParse(one).error).toBeUndefined();
    expect(rig.recorded.length).toBeGreaterThan(5 * payloads.length);
    expect(rig.log.join('')).not.toMatch(/"level":50/);
  }, 60_000);
});
