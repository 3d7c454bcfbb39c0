import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { auditDraft } from '../../../agent/audit/entry.ts';
import { createToken } from '../../../agent/http/tokens.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { deepJson, hostileJson, hostileValues } from '../../rigs/hostile.ts';
import { notRecorded } from '../../rigs/role-table.ts';
import { openStationRig } from '../../rigs/station.ts';

interface Operation {
  readonly method: string;
  /** A schema of the document. */
  readonly route: string;
  readonly path: string;
  readonly fields: readonly string[];
  readonly hasBody: boolean;
}

type JsonSchema = { properties?: Record<string, unknown>; anyOf?: JsonSchema[] };

/** Every operation of the OpenAPI document, with the fields of its body. */
async function operationsOf(url: string, headers: Record<string, string>): Promise<Operation[]> {
  const document = (await (await fetch(`${url}/api/v1/openapi.json`, { headers })).json()) as {
    paths: Record<
      string,
      Record<string, { requestBody?: { content: Record<string, { schema: JsonSchema }> } }>
    >;
  };
  return Object.entries(document.paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      const shapes = schema ? [schema, ...(schema.anyOf ?? [])] : [];
      return {
        method: method.toUpperCase(),
        route,
        path: route.replace(/\{\w+\}/g, 'top'),
        fields: shapes.flatMap(({ properties = {} }) => Object.keys(properties)),
        hasBody: requestBody !== undefined,
      };
    }),
  );
}

/** Bodies for one operation: each hostile value alone, and as the value of each field. */
function bodiesFor({ fields }: Operation): string[] {
  const values = hostileValues.flatMap((value) => [
    hostileJson(value),
    hostileJson({ x: [value] }),
    ...fields.map((field) => hostileJson({ [field]: value })),
    hostileJson(Object.fromEntries(fields.map((field) => [field, value]))),
  ]);
  return [...new Set([...values, deepJson(3_000), '{', '"', '1e999'])];
}

it('refuses hostile bodies on all routes, never with 500, and records every change', async () => {
  await using folder = await tempFolder();
  const tokensFile = join(folder.path, 'tokens');
  const engineer = createToken('kim', 'engineer');
  await writeFile(tokensFile, `${engineer.line}\n`);
  const calibration = createCalibrationRig();
  await using rig = await openStationRig({ tokensFile, requestsPerMinute: 1e6 }, { calibration });
  const authorization = `Bearer ${engineer.token}`;
  const operations = await operationsOf(rig.http.url, { authorization });
  expect(operations.length).toBeGreaterThan(30);

  for (const operation of operations) {
    const { method, route, path } = operation;
    if (method === 'GET') continue;
    for (const body of bodiesFor(operation)) {
      const before = rig.recorded.length;
      const response = await fetch(`${rig.http.url}${path}`, {
        method,
        headers: { authorization, 'content-type': 'application/json' },
        body,
      });
      const what = `${method} ${path} ${body.slice(0, 80)}: ${response.status}`;
      const text = await response.text();
      expect(response.status === 500 ? `${what} ${text}` : '').toBe('');
      if (!operation.hasBody && !['{}', 'null'].includes(body)) expect(what).toMatch(/4\d\d$/);
      const isChange = !notRecorded.includes(`${method} ${route}`);
      if (response.ok && isChange) expect([what, rig.recorded.length]).toEqual([what, before + 1]);
    }
  }
  for (const draft of rig.recorded) expect(auditDraft.safeParse(draft).error).toBeUndefined();
}, 120_000);

it('refuses hostile log-ins, addresses and queries', async () => {
  await using folder = await tempFolder();
  const tokensFile = join(folder.path, 'tokens');
  const engineer = createToken('kim', 'engineer');
  await writeFile(tokensFile, `${engineer.line}\n`);
  await using rig = await openStationRig(
    { tokensFile, requestsPerMinute: 1e6 },
    { calibration: createCalibrationRig() },
  );
  const { url } = rig.http;
  for (const value of hostileValues) {
    const { status } = await fetch(`${url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: hostileJson({ token: value }),
    });
    expect([400, 401, 413, 429]).toContain(status);
  }
  const headers = { authorization: `Bearer ${engineer.token}` };
  const texts = [
    '%00',
    '%ff',
    '%F0%9F%92%A9',
    '..%2f..%2fetc',
    '__proto__',
    'constructor',
    '1e999',
    '-1',
    '%5B%5D',
  ];
  for (const { method, route } of await operationsOf(url, headers)) {
    if (method !== 'GET' || route.endsWith('/events')) continue;
    for (const text of texts) {
      const path = route.replace(/\{\w+\}/g, text);
      const query = `limit=${text}&limit=2&after=${text}&label=${text}&waitMs=${text}&width=${text}&camera=${text}&__proto__=${text}`;
      const response = await fetch(`${url}${path}?${query}`, { headers });
      await response.arrayBuffer();
      expect(`${path}?${query} ${response.status}`).not.toMatch(/ 500$/);
    }
  }
}, 60_000);
