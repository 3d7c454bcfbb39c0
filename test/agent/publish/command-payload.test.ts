/** Commands as sent by PLCs, and replies that name their command. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type CommandHandlers, createCommandDesk } from '../../../agent/publish/commands.ts';
import {
  type CommandName,
  commandMessages,
  type Reply,
  replyMessage,
} from '../../../agent/publish/messages.ts';
import { QcError } from '../../../config/errors.ts';

const commands: { readonly [Name in CommandName]: string } = {
  trigger: '{"camera":"top","partId":"A-1","requestId":"R-1"}',
  acknowledge: '{"camera":"top","jobId":"J-1","requestId":"R-1"}',
  abort: '{"camera":"top","jobId":"J-1","requestId":"R-1"}',
  mode: '{"mode":"calibration","requestId":"R-1"}',
  label: '{"resultId":"01JD0000000000000000000000","label":"scratch","requestId":"R-1"}',
  recipe: '{"recipe":"m8","requestId":"R-1"}',
  model: '{"action":"rollback","requestId":"R-1"}',
  challenge: '{"action":"start","camera":"top","requestId":"R-1"}',
};

/** The reply to a command. @param refusal error of the function that executes the command */
function ask(payload: string | Buffer, name: string = 'trigger', refusal?: QcError): Promise<Reply> {
  const carryOut = async () => {
    if (refusal) throw refusal;
    return {};
  };
  const handlers = Object.fromEntries(
    Object.keys(commandMessages).map((one) => [one, carryOut]),
  ) as unknown as CommandHandlers;
  const desk = createCommandDesk(handlers, { log: pino({ level: 'silent' }), maxAgeMs: 5_000 });
  return desk
    .handle({ name, payload: Buffer.from(payload), retained: false })
    .then((r) => replyMessage.parse(r));
}

describe.each(Object.entries(commands))('the command %s', (name, text) => {
  it('may be padded like the buffer of a PLC', async () => {
    const bom = Buffer.from([0xef, 0xbb, 0xbf]);
    for (const padding of ['\0', '\0'.repeat(200), ' \0\r\n\0', '\r\n', '   ']) {
      expect(await ask(text + padding, name)).toMatchObject({ ok: true, requestId: 'R-1' });
      expect(await ask(Buffer.concat([bom, Buffer.from(text + padding)]), name)).toMatchObject({ ok: true });
    }
  });

  it('is answered with its ids, also if it is refused', async () => {
    const { camera, jobId } = JSON.parse(text) as { camera?: string; jobId?: string };
    const about = { requestId: 'R-1', ...(camera && { camera }), ...(jobId && { jobId }) };
    expect(await ask(text, name)).toMatchObject({ ok: true, ...about });
    const busy = new QcError('busy', 'every place is taken');
    expect(await ask(text, name, busy)).toMatchObject({ ok: false, ...about, error: { code: 'busy' } });
    const stale = text.replace('}', ',"issuedAt":"2020-01-01T00:00:00Z"}');
    expect(await ask(stale, name)).toMatchObject({ ok: false, ...about, error: { code: 'command-stale' } });
    const unknown = text.replace('}', ',"color":"red"}');
    expect(await ask(unknown, name)).toMatchObject({
      ok: false,
      ...about,
      error: { code: 'command-invalid' },
    });
  });
});

describe('a payload that cannot be read', () => {
  const said = async (payload: Buffer) => (await ask(payload)).error?.message;

  it('is answered with the wrong byte and its ids', async () => {
    const part = Buffer.from('{"camera":"top","partId":"Gehäuse","requestId":"R-7"}', 'latin1');
    const reply = await ask(part);
    expect(reply).toMatchObject({ ok: false, camera: 'top', partId: 'Gehäuse', requestId: 'R-7' });
    expect(reply.error?.message).toContain('byte 0xE4 at offset 29 is wrong: not UTF-8, it would be "ä"');
    // The same after a byte order mark, and after characters of several bytes.
    const bom = Buffer.from([0xef, 0xbb, 0xbf]);
    expect(await said(Buffer.concat([bom, part]))).toContain('0xE4 at offset 32');
    const mixed = Buffer.concat([Buffer.from('{"partId":"€\uFFFD'), Buffer.from([0x80]), Buffer.from('"}')]);
    expect(await said(mixed)).toContain('byte 0x80 at offset 17');
  });

  it.each([
    ['{"camera":"top"}\0old text', 'byte 0x00 at offset 16 is wrong: there is text after a NUL'],
    ['', 'the command is empty'],
    ['\0\0', 'the command is empty'],
    ['{"camera":"top"', 'the command is not JSON'],
  ])('%j', async (payload, message) => {
    expect(await said(Buffer.from(payload))).toContain(message);
  });

  it('puts only short text into a reply', async () => {
    const odd = [
      '{"camera":{"length":1},"partId":["A"],"requestId":null}',
      '[1]',
      'null',
      '"A"',
      '{"partId":17}',
    ];
    const replies = await Promise.all(odd.map((payload) => ask(payload)));
    expect(replies.map(({ camera, partId, requestId }) => [camera, partId, requestId])).toEqual([
      ...Array(4).fill([undefined, undefined, undefined]),
      [undefined, '17', undefined],
    ]);
    const long = await ask(JSON.stringify({ camera: 'top', partId: 'x'.repeat(129) }));
    expect([long.camera, long.partId]).toEqual(['top', undefined]);
  });
});
