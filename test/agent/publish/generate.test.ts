import { expect, it } from 'vitest';
import { messageSchemas, staleSchemas } from '../../../agent/publish/generate.ts';

it('has up-to-date JSON Schemas in deploy/schemas', async () => {
  expect(Object.keys(messageSchemas())).toContain('result.schema.json');
  expect(await staleSchemas(), 'run: node dist/agent/publish/generate.js').toEqual([]);
});
