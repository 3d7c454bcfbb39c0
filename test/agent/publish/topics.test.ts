import { expect, it } from 'vitest';
import { topicsUnder } from '../../../agent/publish/topics.ts';

const topics = topicsUnder('acme/line2/qc');

it('derives every topic from the base topic', () => {
  expect([
    topics.status,
    topics.commands,
    topics.result('top'),
    topics.verdict('top'),
    topics.reply('trigger'),
  ]).toEqual([
    'acme/line2/qc/status',
    'acme/line2/qc/command/+',
    'acme/line2/qc/top/result',
    'acme/line2/qc/top/verdict',
    'acme/line2/qc/command/trigger/reply',
  ]);
});

it('distinguishes a command from all other messages', () => {
  expect(topics.commandOf('acme/line2/qc/command/trigger')).toBe('trigger');
  for (const other of [
    'acme/line2/qc/command/',
    'acme/line2/qc/command/trigger/reply',
    'acme/line2/qc/status',
  ]) {
    expect(topics.commandOf(other)).toBeUndefined();
  }
});

it('accepts only harmless response topics', () => {
  for (const fine of ['plc/7/answers', 'acme/line2/qc2/status', 'acme/line2/qc/command/trigger/reply']) {
    expect(topics.acceptsResponse(fine), fine).toBe(true);
  }
  const sly = ['', 'a/#', 'a/+/b', '$SYS/x', 'a\0b', 'x'.repeat(2_000)];
  const ours = [
    'acme/line2/qc',
    'acme/line2/qc/status',
    'acme/line2/qc/top/verdict',
    'acme/line2/qc/command/mode',
  ];
  for (const refused of [...sly, ...ours]) expect(topics.acceptsResponse(refused), refused).toBe(false);
});
