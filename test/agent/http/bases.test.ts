/** Uploads of bases over a real socket. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig, type StationRig } from '../../rigs/station.ts';

const calibration = createCalibrationRig();
let rig: StationRig;
beforeAll(async () => {
  rig = await openStationRig({ maxBodyMb: 1 }, { calibration });
});
afterAll(() => rig?.[Symbol.asyncDispose]());

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, type = 'application/octet-stream') =>
  fetch(`${rig.http.url}/api/v1/bases/${path}`, { method: 'POST', body, headers: { 'content-type': type } });

const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;

it('streams an upload above the limit of other bodies, and records it', async () => {
  const answer = await post('import?file=mine.pth&licence=MIT&acceptLicence=true', new Uint8Array(5_000_000));
  expect(await answer.json()).toEqual({ ok: true });
  expect(calibration.asked).toContain('import mine.pth: 5000000 of 5000000 bytes');
  expect(rig.recorded.at(-1)).toMatchObject({
    action: 'import-base',
    outcome: 'done',
    what: { file: 'mine.pth', licence: 'MIT', acceptLicence: true },
  });
});

it.each(['', '?file=../evil.pth', '?file=a.pth&unknown=1', '?file=a.pth&width=5'])(
  'refuses import%s',
  async (query) => {
    const answer = await post(`import${query}`, new Uint8Array(10));
    expect([answer.status, await codeOf(answer)]).toEqual([400, 'http-invalid']);
  },
);

it('refuses other bodies', async () => {
  const answer = await post('import?file=a.pth', '{}', 'application/json');
  expect([answer.status, await codeOf(answer)]).toEqual([415, 'http-media-unsupported']);
});

it('pulls a name or a safe address', async () => {
  const pull = (body: object) => post('pull', JSON.stringify(body), 'application/json');
  expect(await (await pull({ address: 'resnet18' })).json()).toEqual({ ok: true });
  expect(calibration.asked).toContain('pull resnet18');
  expect(rig.recorded.at(-1)).toMatchObject({ action: 'pull-base', what: { address: 'resnet18' } });
  for (const address of ['http://10.0.0.1/a.pth', 'https://h/a.pth?token=secret', 'a b', ''])
    expect((await pull({ address })).status).toBe(400);
  const offered = await (await fetch(`${rig.http.url}/api/v1/bases/catalogue`)).json();
  expect((offered as object[])[1]).toMatchObject({ name: 'barlowtwins-resnet50', commercial: false });
});
