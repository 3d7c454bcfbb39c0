/** The texts of the pages that a person reads: those of the HTML files, and those given to `t`, `tn` and `counted`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PageTexts {
  /** By English text: the files that contain it. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
  /** Texts with a form for each plural. */
  readonly plurals: ReadonlySet<string>;
  /** Calls whose text is not a plain string, so that it cannot be found. */
  readonly unreadable: readonly string[];
}

export interface Catalogue {
  readonly texts: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly server: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, string>>;
}

const page = fileURLToPath(new URL('../../../agent/page/', import.meta.url));

/** Tags of the languages other than English. */
export const languageTags = (): string[] =>
  readdirSync(join(page, 'languages')).map((name) => name.replace('.json', ''));

export const catalogueOf = (tag: string): Catalogue =>
  JSON.parse(readFileSync(join(page, 'languages', `${tag}.json`), 'utf8')) as Catalogue;

export function pageTexts(): PageTexts {
  const texts = new Map<string, string[]>();
  const plurals = new Set<string>();
  const unreadable: string[] = [];
  for (const file of readdirSync(page, { recursive: true }).map(String).sort()) {
    const add = (text: string) => texts.set(text, [...new Set([...(texts.get(text) ?? []), file])]);
    if (file.endsWith('.html'))
      for (const text of htmlTexts(readFileSync(join(page, file), 'utf8'))) add(text);
    if (!file.endsWith('.js') || file.endsWith('language.js')) continue;
    const found = scriptTexts(readFileSync(join(page, file), 'utf8'), file.endsWith('format.js'));
    for (const text of found.texts) add(text);
    for (const text of found.plurals) plurals.add(text);
    for (const call of found.unreadable) unreadable.push(`${file}: ${call}`);
  }
  return { texts, plurals, unreadable };
}

/** Texts and attributes, as `translateTree` of language.js finds them. */
export function htmlTexts(html: string): string[] {
  const shown = html
    .replace(/<!--[\s\S]*?-->|<(script|style|kbd|noscript)\b[\s\S]*?<\/\1>/g, '')
    .replace(/<!doctype[^>]*>/i, '');
  const found: string[] = [];
  for (const [tag] of shown.matchAll(/<[a-z][^>]*>/gi)) {
    if (tag.includes('translate="no"')) continue;
    for (const [, text = ''] of tag.matchAll(/\s(?:aria-label|title|placeholder|alt)="([^"]*)"/g))
      found.push(text);
  }
  found.push(...shown.split(/<[^>]*>/));
  return found.map((text) => text.trim().replace(/\s+/g, ' ').replaceAll('&amp;', '&')).filter(isWords);
}

const isWords = (text: string) => /\p{L}{2}/u.test(text);

interface Literal {
  readonly start: number;
  readonly end: number;
  /** Code in the `${}` of a template. */
  readonly inner: readonly string[];
}

/** Comments and literals of a script, in their order; a comment has no `inner`. */
function literalsOf(script: string): (Literal | { start: number; end: number; inner?: undefined })[] {
  const found: ReturnType<typeof literalsOf> = [];
  for (let at = 0; at < script.length; at++) {
    const start = at;
    const two = script.slice(at, at + 2);
    const quote = script[at];
    if (two === '//' || two === '/*') {
      const end = two === '//' ? script.indexOf('\n', at) : script.indexOf('*/', at) + 2;
      at = (end < at ? script.length : end) - 1;
      found.push({ start, end: at + 1 });
    } else if (quote === "'" || quote === '"') {
      for (at++; at < script.length && script[at] !== quote; at++) if (script[at] === '\\') at++;
      found.push({ start, end: at + 1, inner: [] });
    } else if (quote === '`') {
      const inner: string[] = [];
      for (at++; at < script.length && script[at] !== '`'; at++) {
        if (script[at] === '\\') at++;
        else if (script.startsWith('${', at)) {
          const end = closingOf(script, at + 2);
          inner.push(script.slice(at + 2, end));
          at = end;
        }
      }
      found.push({ start, end: at + 1, inner });
    }
  }
  return found;
}

/** Where the `}` is that ends the code from here. */
function closingOf(script: string, from: number): number {
  const skipped = literalsOf(script.slice(from)).map((one) => ({
    ...one,
    start: one.start + from,
    end: one.end + from,
  }));
  let depth = 0;
  for (let at = from; at < script.length; at++) {
    const literal = skipped.find(({ start }) => start === at);
    if (literal) at = literal.end - 1;
    else if (script[at] === '{') depth++;
    else if (script[at] === '}' && depth-- === 0) return at;
  }
  return script.length;
}

/** Texts in a script. `isFormat`: the file that defines `counted`. */
export function scriptTexts(script: string, isFormat = false) {
  const texts: string[] = [];
  const plurals: string[] = [];
  const unreadable: string[] = [];
  let code = '';
  let end = 0;
  /** The call that the literals belong to. */
  let call: 't' | 'tn' | 'counted' | undefined;
  let one = '';
  const addPlural = (many: string) => {
    const key = call === 'counted' ? `{n} ${many}` : many;
    texts.push(key);
    plurals.push(key);
    one = '';
  };
  const finish = () => {
    if (call === 'counted' && one !== '') addPlural(`${one}s`);
    call = undefined;
    one = '';
  };
  for (const literal of literalsOf(script)) {
    const source = script.slice(literal.start, literal.end);
    const before = script.slice(end, literal.start);
    end = literal.end;
    code += before;
    if (!literal.inner) continue;
    const name = /(?<![.\w])(t|tn)\(\s*$/.exec(code)?.[1] ?? /\b(counted)\([^;']*,\s*$/.exec(code)?.[1];
    const text = literalValue(source);
    if (name !== undefined) {
      finish();
      call = name as typeof call;
      if (literal.inner.length > 0 && !isFormat) unreadable.push(source);
      else if (name === 't') texts.push(text);
      else if (literal.inner.length === 0) one = text;
    } else if (one !== '' && /^\s*,\s*$/.test(before)) addPlural(text);
    else finish();
    code += "''";
    for (const inner of literal.inner) {
      const nested = scriptTexts(inner);
      texts.push(...nested.texts);
      plurals.push(...nested.plurals);
      unreadable.push(...nested.unreadable);
    }
  }
  finish();
  code += script.slice(end);
  const dynamic = /(?<![.\w])tn?\(\s*(?!'')[^\s)][^\n]*/g;
  if (!isFormat) for (const [found] of code.matchAll(dynamic)) unreadable.push(found);
  return { texts: texts.filter(isWords), plurals, unreadable };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t' };
const literalValue = (source: string) =>
  source
    .slice(1, -1)
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\([\s\S])/g, (_, c: string) => escapes[c] ?? c);

/** What a catalogue lacks, and what it has in excess, one line each. */
export function problemsOf(tag: string, { texts, plurals }: PageTexts, catalogue: Catalogue) {
  const categories = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [text, files] of texts) {
    const found = catalogue.texts[text];
    if (found === undefined) missing.push(`${JSON.stringify(text)} (${files.join(', ')})`);
    else if (plurals.has(text) !== (typeof found === 'object'))
      wrong.push(`${text}: a form for each plural only where the number matters`);
    const forms = typeof found === 'object' ? found : { other: found };
    if (found !== undefined && plurals.has(text)) {
      for (const one of categories) if (!(one in forms)) wrong.push(`${text}: no form for ${one}`);
    }
    for (const form of Object.values(forms)) {
      if (form === undefined) continue;
      // "this frame" is the form for 1 of "these {n} frames".
      const [own, wanted] = plurals.has(text) ? [`${form}{n}`, `${text}{n}`] : [form, text];
      if (placeholders(own) !== placeholders(wanted)) wrong.push(`${text}: other placeholders`);
    }
  }
  const unused = Object.keys(catalogue.texts).filter((text) => !texts.has(text));
  for (const [text, translation] of Object.entries(catalogue.server)) {
    if (placeholders(text) !== placeholders(translation)) wrong.push(`${text}: other placeholders`);
  }
  return { missing, unused, wrong };
}

const placeholders = (text: string) =>
  [...new Set([...text.matchAll(/\{\w+\}/g)].map(([one]) => one))].sort().join(' ');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = pageTexts();
  for (const tag of languageTags()) {
    const { missing, unused, wrong } = problemsOf(tag, found, catalogueOf(tag));
    console.log(
      `${tag}.json: ${missing.length} of ${found.texts.size} texts are missing, ${unused.length} are not used`,
    );
    for (const line of missing) console.log(`  missing  ${line}`);
    for (const line of unused) console.log(`  unused   ${JSON.stringify(line)}`);
    for (const line of wrong) console.log(`  wrong    ${line}`);
  }
}
