/**
 * Reads a pickle as data. Python's own reader calls any function that a pickle names; this one supports the opcodes and the
 * few names that tensors need, converts them to plain values, and refuses everything else by name. It never calls anything.
 * Opcodes: https://github.com/python/cpython/blob/3.13/Lib/pickletools.py
 */
import { type Cursor, damaged, unsupported } from './bytes.ts';
import { shown } from './tensors.ts';

/** A name such as torch.FloatStorage, which is never looked up. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
/** An object whose content is not needed, for example the arguments of a training. */
export class Inert {}

/** Lists and tuples are arrays, dictionaries are maps. */
export type Value = null | boolean | number | string | Global | Inert | object | Value[] | Map<Value, Value>;

export interface Names {
  /** Whether a pickle may mention "module.name". */
  allows(name: string): boolean;
  /** The result that a call would have, made without a call. @throws QcError for invalid arguments */
  make(name: string, args: readonly Value[]): Value;
  /** The value of a persistent id: the bytes of a tensor. */
  persistent(id: Value): Value;
}

/** Of an integer in the file; those of a state dictionary have at most 8 bytes, the magic number of old files 10. */
const widestInteger = 16;
const deepest = 1_000;

/** Reads one pickle at the cursor, which is after it then. @throws QcError weights-… */
export function unpickle(cursor: Cursor, names: Names): Value {
  const machine = new Machine(cursor, names);
  while (machine.step());
  return machine.result();
}

class Machine {
  readonly #from: Cursor;
  readonly #names: Names;
  #stack: Value[] = [];
  readonly #marks: Value[][] = [];
  readonly #memo = new Map<number, Value>();

  constructor(from: Cursor, names: Names) {
    this.#from = from;
    this.#names = names;
  }

  result(): Value {
    if (this.#stack.length !== 1 || this.#marks.length > 0)
      throw this.#broken('it ends with unfinished values');
    return this.#stack[0]!;
  }

  /** @returns false at the end of the pickle */
  step(): boolean {
    const from = this.#from;
    const code = from.u8();
    switch (String.fromCharCode(code)) {
      case '.':
        return false;
      case '\x80':
        if (from.u8() > 5) throw this.#broken('its protocol is newer than 5');
        return true;
      case '\x95': // FRAME
        from.u64();
        return true;
      case '(':
        if (this.#marks.length >= deepest) throw this.#broken('it is nested too deep');
        this.#marks.push(this.#stack);
        this.#stack = [];
        return true;
      case '0':
        this.#pop();
        return true;
      case 'N':
        return this.#push(null);
      case '\x88':
        return this.#push(true);
      case '\x89':
        return this.#push(false);
      case 'J':
        return this.#push(from.i32());
      case 'K':
        return this.#push(from.u8());
      case 'M':
        return this.#push(from.u16());
      case 'I':
        return this.#push(this.#decimal());
      case '\x8a':
        return this.#push(this.#integer(from.u8()));
      case 'G':
        return this.#push(from.f64be());
      case 'X':
        return this.#push(from.text(from.u32()));
      case '\x8c':
        return this.#push(from.text(from.u8()));
      case '\x8d':
        return this.#push(from.text(from.u64()));
      case 'U': // Python 2 wrote names so.
        return this.#push(from.text(from.u8()));
      case 'T':
        return this.#push(from.text(from.u32()));
      case 'C':
        from.skip(from.u8());
        return this.#push(new Inert());
      case 'B':
        from.skip(from.u32());
        return this.#push(new Inert());
      case ')':
        return this.#push([]);
      case 't':
        return this.#push(this.#popMark());
      case '\x85':
        return this.#push(this.#popMany(1));
      case '\x86':
        return this.#push(this.#popMany(2));
      case '\x87':
        return this.#push(this.#popMany(3));
      case ']':
        return this.#push([]);
      case 'l':
        return this.#push(this.#popMark());
      case 'a':
        return this.#append([this.#pop()]);
      case 'e':
        return this.#append(this.#popMark());
      case '}':
        return this.#push(new Map());
      case 'd':
        this.#setItems(new Map(), this.#popMark(), true);
        return true;
      case 's':
        return this.#update(this.#popMany(2));
      case 'u':
        return this.#update(this.#popMark());
      case 'q':
        return this.#remember(from.u8());
      case 'r':
        return this.#remember(from.u32());
      case '\x94':
        return this.#remember(this.#memo.size);
      case 'h':
        return this.#recall(from.u8());
      case 'j':
        return this.#recall(from.u32());
      case 'c':
        return this.#push(this.#global(this.#line(), this.#line()));
      case '\x93': {
        const [module, name] = this.#popMany(2);
        return this.#push(this.#global(String(module), String(name)));
      }
      case 'Q':
        return this.#push(this.#names.persistent(this.#pop()));
      case 'R':
      case '\x81': // NEWOBJ: a class called instead of a function
        return this.#call();
      case 'b': {
        // BUILD would set the content of an object, which is not needed here.
        this.#pop();
        if (this.#stack.length === 0) throw this.#broken('it fills an object that does not exist');
        return true;
      }
      default:
        throw unsupported(
          from.name,
          `its pickle has the opcode 0x${code.toString(16).padStart(2, '0')} at byte ${from.at - 1}, which tensors do not need; it was not loaded`,
        );
    }
  }

  #broken(what: string) {
    return damaged(this.#from.name, `its pickle is damaged at byte ${this.#from.at}: ${what}`);
  }

  #push(value: Value): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): Value {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#broken('a value is missing');
    return value;
  }

  #popMany(count: number): Value[] {
    if (this.#stack.length < count) throw this.#broken('a value is missing');
    return this.#stack.splice(-count);
  }

  #popMark(): Value[] {
    const values = this.#stack;
    const before = this.#marks.pop();
    if (!before) throw this.#broken('a mark is missing');
    this.#stack = before;
    return values;
  }

  #append(values: Value[]): true {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw this.#broken('it adds to a value that is not a list');
    for (const value of values) list.push(value);
    return true;
  }

  #update(values: Value[]): true {
    const map = this.#stack.at(-1);
    if (map instanceof Inert) return true;
    if (!(map instanceof Map)) throw this.#broken('it adds to a value that is not a dictionary');
    this.#setItems(map, values, false);
    return true;
  }

  #setItems(map: Map<Value, Value>, values: Value[], isNew: boolean): void {
    if (values.length % 2 !== 0) throw this.#broken('a key has no value');
    for (let i = 0; i < values.length; i += 2) map.set(values[i]!, values[i + 1]!);
    if (isNew) this.#push(map);
  }

  #remember(index: number): true {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.#broken('a value is missing');
    this.#memo.set(index, value);
    return true;
  }

  #recall(index: number): true {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#broken(`it repeats value ${index}, which does not exist`);
    return this.#push(value);
  }

  #call(): true {
    const args = this.#pop();
    const called = this.#pop();
    if (!(called instanceof Global) || !Array.isArray(args))
      throw this.#broken('it calls a value that is not a name');
    return this.#push(this.#names.make(called.name, args));
  }

  #global(module: string, name: string): Global {
    const full = `${module}.${name}`;
    if (!this.#names.allows(full)) {
      throw unsupported(
        this.#from.name,
        `its pickle calls ${shown(full)}, which tensors do not need; nothing was executed`,
        'do not load this file with Python either unless you trust its author; ask for the weights as safetensors',
      );
    }
    return new Global(full);
  }

  #line(): string {
    const { bytes, at } = this.#from;
    const end = bytes.indexOf(10, at);
    if (end < 0 || end - at > 1_000) throw this.#broken('a name has no end');
    const text = this.#from.text(end - at);
    this.#from.skip(1);
    return text;
  }

  #decimal(): Value {
    const text = this.#line();
    if (text === '00' || text === '01') return text === '01';
    const value = Number(text);
    if (!/^-?\d{1,15}$/.test(text) || !Number.isSafeInteger(value)) throw this.#broken('a number is invalid');
    return value;
  }

  /** Two's complement; the precision of large ones is lost, which only the magic number has. */
  #integer(width: number): number {
    if (width > widestInteger) throw this.#broken(`an integer has ${width} bytes`);
    const bytes = this.#from.take(width);
    let value = 0n;
    for (const [i, byte] of bytes.entries()) value += BigInt(byte) << BigInt(8 * i);
    return Number(width > 0 ? BigInt.asIntN(8 * width, value) : 0n);
  }
}
