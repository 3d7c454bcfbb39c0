import { describe, expect, it, test } from 'vitest';
import { checkLabelName, folderOfLabel, labelOfFolder } from '../../config/label-name.ts';

const refused = (label: string, existing: readonly string[] = []) =>
  expect(() => checkLabelName(label, existing), JSON.stringify(label));

describe('the name of a label', () => {
  it('is stored in one form: NFC, trimmed, single plain spaces, no choice between text and emoji', () => {
    expect(checkLabelName('  Missing\u00a0 screw ')).toBe('Missing screw');
    expect(checkLabelName('Ri\u0073\u0323')).toBe('Ri\u1e63');
    expect(checkLabelName('\u26a0\ufe0f hot')).toBe('\u26a0 hot');
  });

  it.each([
    'i.O.',
    'n.i.O.',
    'NUL',
    'com1.b',
    'a/b',
    '50 %',
    'Riß 🙂',
    'سليم',
    '欠陥',
    'हिंदी',
    '__x',
    '😀'.repeat(63),
  ])('may be %s', (label) => {
    expect(checkLabelName(label)).toBe(label);
    const folder = folderOfLabel(label);
    expect(labelOfFolder(folder)).toBe(label);
    // Names that Linux, macOS and Windows store unchanged.
    expect(Buffer.byteLength(folder)).toBeLessThanOrEqual(255);
    expect(folder).not.toMatch(/[\\/:*?"<>|]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
  });

  it.each([
    ['', 'empty'],
    [' \u00a0', 'empty'],
    ['x'.repeat(65), '65 characters'],
    ['😀'.repeat(64), '256 bytes'],
    ['labels.jsonl', 'a file or folder of this name'],
    ['Labels.JSONL', 'a file or folder of this name'],
    ['annotations.jsonl', 'a file or folder of this name'],
    ['.', 'begins with a dot'],
    ['..', 'begins with a dot'],
    ['.trash', 'begins with a dot'],
    ['__proto__', 'programs reserve'],
    ['constructor', 'programs reserve'],
    ['\u0301', 'only invisible characters'],
    ['goo\ufffdd', 'U+FFFD'],
  ])('cannot be %j', (label, why) => {
    refused(label).toThrow(why);
  });

  test.each([
    ...['\u0000', '\t', '\n', '\u007f', '\u0085', '\u00ad', '\u034f', '\u061c', '\u115f', '\u17b4', '\u180e'],
    ...['\u200b', '\u200d', '\u200e', '\u202e', '\u2028', '\u2060', '\u2066', '\u2800', '\u3164', '\ufeff'],
    ...['\uffa0', '\ufff9', '\uffff', '\ue000', '\ud800', '\u{e0041}', '\u{1d173}'],
  ])('cannot contain %j, and the message names it', (sign) => {
    const name = `U+${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
    refused(`go${sign}od`).toThrow(
      new RegExp(`^"go<${name}>od" cannot .* contains ${name}`.replaceAll('+', '\\+')),
    );
  });

  it('cannot differ from one that is in use only in case or width', () => {
    refused('Good', ['scratch', 'good']).toThrow('the label "good" exists already');
    refused('ｇｏｏｄ', ['good']).toThrow('"good"');
    refused('RISS', ['riss']).toThrow('"riss"');
    expect(checkLabelName('good', ['Good', 'good'])).toBe('good');
  });

  it('is checked quickly at any length', () => {
    refused(`${' a'.repeat(500_000)}`).toThrow('characters');
  });
});
