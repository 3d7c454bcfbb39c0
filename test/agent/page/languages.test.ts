/** Every text of the page exists in German, and no catalogue has a text that the page does not use. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errors } from '../../../config/errors.ts';
import {
  catalogueOf,
  htmlTexts,
  languageTags,
  pageTexts,
  problemsOf,
  scriptTexts,
} from '../../house/page-texts.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const sources = ['agent', 'calibration', 'models', 'config'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((file) => join(root, folder, String(file)))
    .filter((file) => file.endsWith('.ts')),
);

describe('the texts of the page', () => {
  const found = pageTexts();

  it('can all be found: each is a plain string where it is translated', () => {
    expect(found.unreadable).toEqual([]);
    expect(found.texts.size).toBeGreaterThan(500);
  });

  it('are complete in German', () => {
    expect(problemsOf('de', found, catalogueOf('de')).missing).toEqual([]);
  });

  it.each(languageTags())('%s.json has no text in excess, all values and all plural forms', (tag) => {
    const { unused, wrong } = problemsOf(tag, found, catalogueOf(tag));
    expect({ unused, wrong }).toEqual({ unused: [], wrong: [] });
  });

  it.each(languageTags())('%s.json translates only texts and codes that the agent has', (tag) => {
    const { server, errors: byCode } = catalogueOf(tag);
    const code = sources.map((file) => skeletonOf(readFileSync(file, 'utf8'))).join('\n');
    const isMade = (text: string) =>
      skeletonOf(text)
        .split('{}')
        .every((piece) => code.includes(piece.trim()));
    expect(Object.keys(server).filter((text) => !isMade(text))).toEqual([]);
    expect(Object.keys(byCode).filter((one) => !(one in errors))).toEqual([]);
  });

  it('are found in scripts and HTML as the page translates them', () => {
    const script = `
      // t('in a comment')
      set(t('one text'), \`\${t('nested {n}', { n: 1 })} \${more}\`, 'not shown');
      tn('{n} thing', '{n} things', list.length); counted(count(x), 'part'); counted(n, 'mass', 'masses');
      t(text); t(\`made of \${pieces}\`);`;
    const { texts, plurals, unreadable } = scriptTexts(script);
    expect(texts.sort()).toEqual(['nested {n}', 'one text', '{n} masses', '{n} parts', '{n} things'].sort());
    expect(plurals.sort()).toEqual(['{n} masses', '{n} parts', '{n} things']);
    expect(unreadable).toHaveLength(2);
    const html = `<!-- no --><p title="A title">Some\n text <kbd>S</kbd> <b>bold</b></p><input placeholder="x1" translate="no">`;
    expect(htmlTexts(html)).toEqual(['A title', 'Some text', 'bold']);
  });

  it('that lack a translation, a plural form or a value are named', () => {
    const some = {
      texts: new Map([
        ['{n} parts', ['a.js']],
        ['Stop', ['b.js']],
      ]),
      plurals: new Set(['{n} parts']),
      unreadable: [],
    };
    const { missing, unused, wrong } = problemsOf('pl', some, {
      texts: { '{n} parts': { one: '{n} część', few: '{n} części', other: 'części' }, Old: 'Stary' },
      server: {},
      errors: {},
    });
    expect(missing).toEqual(['"Stop" (b.js)']);
    expect(unused).toEqual(['Old']);
    expect(wrong).toEqual(['{n} parts: no form for many']);
  });
});

/** Without what changes between a text and the code that makes it: values, and capitals. */
const skeletonOf = (text: string) =>
  text
    .replace(/\$\{[^{}]*\}|\{\d+\}/g, '{}')
    .replaceAll("\\'", "'")
    .toLowerCase();
