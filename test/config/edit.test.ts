import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Change, editText } from '../../config/edit.ts';
import type { QcError } from '../../config/errors.ts';
import { packageRoot } from '../../config/package.ts';

const example = readFileSync(join(packageRoot, 'config/agent.yaml'), 'utf8');

/** Lines that were removed and added, in order. */
function difference(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  return [
    ...a.filter((line) => !b.includes(line)).map((line) => `- ${line.trim()}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line.trim()}`),
  ];
}

const change = (path: string, value: unknown): Change => ({ path: path.split('.'), value });

describe('a change of the example configuration touches only its own line', () => {
  test.each([
    [change('station', 'press-3'), ['- station: demo #', '+ station: press-3 # letters, digits']],
    [change('cameras.top.region.x', 0.25), ['- region', '+ region: { x: 0.25, y: 0, width: 1, height: 1 }']],
    [change('cameras.top.vote.frames', 5), ['- vote', '+ vote: { frames: 5 } # frames judged']],
    [
      change('cameras.top.region', { x: 0.1, y: 0.1, width: 0.5, height: 0.5 }),
      ['- region', '+ region: { x: 0.1, y: 0.1, width: 0.5, height: 0.5 }'],
    ],
    [change('cameras.top.trigger.enter', 0.1), ['- trigger', '+ trigger: { kind: presence, enter: 0.1 }']],
    [change('labels.good', ['good', 'ok, nearly']), ['- good', '+ good: [good, "ok, nearly"] # every other']],
    [change('thresholds.pass', 0.9), ['+ thresholds: { pass: 0.9 }']],
    [change('mqtt.username', 'press-3'), ['+ username: press-3']],
    [change('cameras.top.passwordFile', './secrets/top'), ['+ passwordFile: ./secrets/top']],
    [
      change('cameras.side', { url: 'file:./images', region: { x: 0.5, width: 0.5 } }),
      ['+ side:', '+ url: file:./images', '+ region: { x: 0.5, width: 0.5 }'],
    ],
    [change('http.port', null), ['- port: 8080']],
    [change('model.provider', 'cpu'), ['- provider', '+ provider: cpu # the fastest']],
  ])('%o', (one, lines) => {
    const after = editText(example, [one]);
    const found = difference(example, after);
    expect(found).toHaveLength(lines.length);
    for (const [index, line] of lines.entries()) expect(found[index]).toContain(line);
    const at = one.path.reduce(
      (node: unknown, key) => (node as Record<string, unknown>)?.[key],
      parse(after),
    );
    expect(at ?? null).toEqual(one.value);
  });
});

const block = `# top
station: s   # aligned comment

cameras:
  top:
    url: 'rtsp://h/a'
    # about the trigger
    trigger:
      kind: presence   # this kind
      enter: 0.06
      leave: 0.03
labels:
    good:
    - good
    - fine # both
mqtt:

# the end
`;

test('mappings and lists in block style keep their style and comments', () => {
  const after = editText(block, [
    change('cameras.top.trigger', { kind: 'presence', enter: 0.1, relearnAfterMs: 0 }),
    change('labels.good', ['good', 'dull']),
    change('cameras.top.url', 'rtsp://h/b'),
    change('mqtt.url', 'mqtt://h:1883'),
  ]);
  expect(after).toBe(`# top
station: s   # aligned comment

cameras:
  top:
    url: 'rtsp://h/b'
    # about the trigger
    trigger:
      kind: presence   # this kind
      enter: 0.1
      relearnAfterMs: 0
labels:
    good:
    - good
    - dull # both
mqtt: { url: mqtt://h:1883 }

# the end
`);
});

test('where the text alone cannot be replaced, comments stay', () => {
  const after = editText(block, [change('labels.good', null), change('labels', null)]);
  expect(after).toContain('# about the trigger');
  expect(after).toContain('# the end');
  expect(parse(after)).not.toHaveProperty('labels');
});

test('a change that does not fit the file is refused and never changes another key', () => {
  const shared =
    'station: s\nx: &r { x: 0, width: 1 }\ncameras: { top: { region: *r }, side: { region: *r } }\n';
  const refused = (text: string, one: Change) => {
    try {
      return editText(text, [one]);
    } catch (error) {
      return (error as QcError).code;
    }
  };
  expect(refused(shared, change('cameras.top.region.x', 0.5))).toBe('config-not-editable');
  expect(refused(block, change('station.name', 'x'))).toBe('config-not-editable');
  // Only this camera gets another region: the anchor stays.
  const after = editText(shared, [change('cameras.top.region', { x: 0.5, width: 0.5 })]);
  expect(parse(after).cameras).toEqual({
    top: { region: { x: 0.5, width: 0.5 } },
    side: { region: { x: 0, width: 1 } },
  });
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  refused(block, change('__proto__.polluted', 1));
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('any values of any section can be set in turn, and removed again', () => {
  const values: [string, unknown][] = [
    ['log.level', 'debug'],
    ['recipes.m8.thresholds.pass', 0.9],
    ['recipes.m8.thresholds.failByLabel.a: b', 0.5],
    ['recipes.m8.cameras.top.region', { x: 0, y: 0.3, width: 1, height: 0.4 }],
    ['mqtt.topic', 'acme/leipzig: #1'],
    ['storage.minFreeMb', 0],
    ['mqtt.sparkplug', { groupId: 'yes' }],
  ];
  let text = example;
  for (const [path, value] of values) text = editText(text, [change(path, value)]);
  const all = parse(text);
  for (const [path, value] of values) {
    expect(path.split('.').reduce((node, key) => node[key], all)).toEqual(value);
  }
  for (const section of ['log', 'recipes', 'mqtt.topic', 'storage.minFreeMb', 'mqtt.sparkplug']) {
    text = editText(text, [change(section, null)]);
  }
  expect(text).toBe(example);
});
