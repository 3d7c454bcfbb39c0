import { expect, it } from 'vitest';
import { Closer } from '../../../agent/lifecycle/closer.ts';

function closing(names: string[]) {
  return (name: string): AsyncDisposable => ({
    async [Symbol.asyncDispose]() {
      names.push(name);
    },
  });
}

it('closes in reverse order and only once', async () => {
  const closed: string[] = [];
  const open = closing(closed);
  const closer = new Closer();
  closer.use(open('first'));
  closer.defer(() => void closed.push('second'));
  closer.use(open('third'));
  await closer[Symbol.asyncDispose]();
  await closer[Symbol.asyncDispose]();
  expect(closed).toEqual(['third', 'second', 'first']);
});

it('closes everything even if one fails, and reports all failures', async () => {
  const closed: string[] = [];
  const closer = new Closer();
  closer.use(closing(closed)('first'));
  closer.defer(() => Promise.reject(new Error('one')));
  closer.defer(() => {
    throw new Error('two');
  });
  await expect(closer[Symbol.asyncDispose]()).rejects.toMatchObject({
    errors: [{ message: 'two' }, { message: 'one' }],
  });
  expect(closed).toEqual(['first']);
});

it('passes everything on, so that a failed scope cleans up and a successful one does not', async () => {
  const closed: string[] = [];
  const openBoth = async (fails: boolean): Promise<Closer> => {
    await using opened = new Closer();
    opened.use(closing(closed)('first'));
    if (fails) throw new Error('no');
    return opened.move();
  };
  await expect(openBoth(true)).rejects.toThrow('no');
  expect(closed).toEqual(['first']);
  const both = await openBoth(false);
  expect(closed).toEqual(['first']);
  await both[Symbol.asyncDispose]();
  expect(closed).toEqual(['first', 'first']);
});
