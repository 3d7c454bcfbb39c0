import { expect, it } from 'vitest';
import { codeOf, files, imports, shipped } from './import-graph.ts';

const code = new Map(files.map((file) => [file, codeOf(file)]));

it('exports no function, constant or class that no other file uses', () => {
  const words = new Map(
    files.map((file) => [file, new Set(code.get(file)!.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu))]),
  );
  const unused = shipped.flatMap((file) => {
    const found = code.get(file)!.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm);
    return [...found]
      .map((match) => match[1]!)
      .filter((name) => !files.some((other) => other !== file && words.get(other)!.has(name)))
      .map((name) => `${file}: ${name}`);
  });
  expect(unused).toEqual([]);
});

it('has no barrels: no file only re-exports', () => {
  const handsOn = imports.filter(({ file }) => shipped.includes(file)).map(({ file }) => file);
  const barrels = [...new Set(handsOn)].filter(
    (file) =>
      code
        .get(file)!
        .replace(/^export (?:type )?(?:\*|\{[^}]*\})[^;]*from '[^']+';/gm, '')
        .trim() === '',
  );
  expect(barrels).toEqual([]);
});

it('starts no timer, opens no file and connects to nothing in a constructor', () => {
  const bodies = shipped.flatMap((file) =>
    [...code.get(file)!.matchAll(/^( +)constructor\([\s\S]*?\n\1\}/gm)].map(([body]) => ({ file, body })),
  );
  const starting =
    /\b(?:setTimeout|setInterval|setImmediate|open\w*|connect|createServer|spawn|fork|(?:read|write|mk)\w*Sync)\(/;
  expect(bodies.filter(({ body }) => starting.test(body)).map(({ file }) => file)).toEqual([
    // Creates a server that does not listen yet.
    'agent/camera/rtsp/relay.ts',
  ]);
});
