/**
 * Reads HDF5 files of Keras without the C library: groups (both generations), contiguous and compact data sets of plain
 * numbers, and text attributes. Anything else (chunks, compression, external files, links) is refused by name.
 * Layout: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, quoted below by its section numbers.
 *
 * Bounds: an object is visited once (groups may form cycles), names and nesting are limited, and every length is compared with the
 * file before anything is allocated.
 */
import { type Bytes, Cursor, damaged, unsupported } from '../bytes.ts';
import { collect, type NamedTensor, shown, toFloat32, widthOf } from '../tensors.ts';
import { readAttribute } from './attributes.ts';
import { type Link, newGroup, oldGroup } from './groups.ts';
import { type Message, messageType, type Place, readMessages } from './messages.ts';
import { readDataspace, readType } from './types.ts';

export interface Hdf5 {
  /** By path from the root, without the first slash. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** Text attributes of the root group. */
  attribute(name: string): Promise<string | undefined>;
}

export const hdf5Start = Buffer.from('894844460d0a1a0a', 'hex');
const maxObjects = 50_000;
const deepest = 24;
const longestPath = 1_000;

/** @throws QcError weights-… */
export async function readHdf5(bytes: Bytes): Promise<Hdf5> {
  const place: Place = { bytes };
  const root = await rootOf(bytes);
  const seen = new Set<number>();
  const tensors: NamedTensor[] = [];
  const walk = async (address: number, path: string, depth: number): Promise<void> => {
    // A data set may have two names; a group that contains itself would never end.
    if (seen.has(address)) return;
    if (seen.size >= maxObjects || depth > deepest || path.length > longestPath)
      throw damaged(bytes.name, 'it has too many groups, or they are nested too deep');
    seen.add(address);
    const messages = await readMessages(place, address);
    const links = await linksOf(place, messages);
    if (links) {
      for (const { name, address: inner } of links)
        await walk(inner, path === '' ? name : `${path}/${name}`, depth + 1);
      return;
    }
    const tensor = dataset(place, path, messages);
    if (tensor) tensors.push(tensor);
  };
  await walk(root, '', 0);
  const rootMessages = await readMessages(place, root);
  return {
    tensors: collect(bytes.name, tensors),
    attribute: (name) => readAttribute(place, rootMessages, name),
  };
}

/** Format signature and superblock (II.A): the address of the root group. */
async function rootOf(bytes: Bytes): Promise<number> {
  const { name: file } = bytes;
  const cursor = new Cursor(file, await bytes.read(0, Math.min(96, bytes.size)));
  cursor.skip(8);
  const version = cursor.u8();
  if (version > 3) throw unsupported(file, `its HDF5 superblock has version ${version}`);
  let sizes: number[];
  if (version < 2) {
    cursor.skip(4);
    sizes = [cursor.u8(), cursor.u8()];
    cursor.skip(version === 0 ? 9 : 13);
  } else {
    sizes = [cursor.u8(), cursor.u8()];
    cursor.skip(1);
  }
  if (sizes.some((size) => size !== 8)) throw unsupported(file, `its HDF5 addresses have ${sizes[0]} bytes`);
  const base = cursor.u64();
  if (base !== 0) throw unsupported(file, 'it has other data before its HDF5 data');
  if (version < 2) {
    cursor.skip(24);
    cursor.skip(8); // link name offset
    return cursor.u64();
  }
  cursor.skip(16);
  return cursor.u64();
}

async function linksOf(place: Place, messages: readonly Message[]): Promise<readonly Link[] | undefined> {
  const of = (type: number) => messages.find((message) => message.type === type)?.body;
  const table = of(messageType.symbolTable);
  if (table) return oldGroup(place, table);
  const info = of(messageType.linkInfo);
  const links = messages.filter(({ type }) => type === messageType.link);
  if (info || links.length > 0)
    return newGroup(
      place,
      info,
      links.map(({ body }) => body),
    );
  return undefined;
}

/** A data set of numbers; undefined for others or one without values. */
function dataset({ bytes }: Place, path: string, messages: readonly Message[]): NamedTensor | undefined {
  const { name: file } = bytes;
  const of = (type: number) => messages.find((message) => message.type === type)?.body;
  const [space, datatype, layout] = [
    of(messageType.dataspace),
    of(messageType.datatype),
    of(messageType.layout),
  ];
  if (!space || !datatype || !layout) return undefined;
  if (messages.some(({ type }) => type === messageType.external))
    throw unsupported(file, `${shown(path)} keeps its values in another file`);
  const shape = readDataspace(file, path, space);
  const type = readType(file, datatype);
  // Keras stores no weights as text; some tools add tables that are not needed.
  if (type === undefined) return undefined;
  if (messages.some(({ type: kind }) => kind === messageType.filters)) throw compressed(file, path);
  const length = shape.reduce((a, b) => a * b, widthOf(type));
  return {
    name: path,
    shape,
    dtype: type,
    read: reader(bytes, path, layout, length, (raw) => toFloat32(raw, type)),
  };
}

const compressed = (file: string, path: string) =>
  unsupported(file, `${shown(path)} is stored in chunks`, 'write it without: h5repack -l CONTI in.h5 out.h5');

/** Data layout message (IV.A.2.i). */
function reader(
  bytes: Bytes,
  path: string,
  layout: Uint8Array,
  length: number,
  decode: (raw: Uint8Array) => Float32Array,
): () => Promise<Float32Array> {
  const { name: file } = bytes;
  const cursor = new Cursor(file, layout);
  const version = cursor.u8();
  if (version < 3 || version > 5)
    throw unsupported(file, `${shown(path)} has a layout of version ${version}`);
  const kind = cursor.u8();
  if (kind === 0) {
    const raw = cursor.take(cursor.u16());
    if (raw.length < length) throw damaged(file, `${shown(path)} has ${raw.length} of ${length} bytes`);
    return async () => decode(raw.subarray(0, length));
  }
  if (kind !== 1) throw compressed(file, path);
  const address = cursor.u64();
  const size = cursor.u64();
  if (length === 0) return async () => new Float32Array(0);
  if (address === Number.POSITIVE_INFINITY || size < length || address + length > bytes.size)
    throw damaged(file, `${shown(path)} has no values, or less than ${length} bytes of them`);
  return async () => decode(await bytes.read(address, length));
}
