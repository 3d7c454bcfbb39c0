/**
 * Finds ONVIF cameras: WS-Discovery (OASIS, 2005/04 as ONVIF Core Specification clause 7 requires). One probe is sent to
 * the multicast group on each network interface; every device answers with the address of its service.
 */
import { randomUUID } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { childNamed, parseXml, textOf } from './xml.ts';

export interface Discovered {
  /** Make and model as the device describes itself; its address if it does not. */
  readonly name: string;
  /** Address of its ONVIF service. */
  readonly address: string;
}

export interface DiscoveryOptions {
  readonly signal: AbortSignal;
  /** How long to wait for answers, ms. */
  readonly waitMs?: number;
  /** Default: the multicast group of WS-Discovery. */
  readonly target?: { readonly address: string; readonly port: number };
}

const group = { address: '239.255.255.250', port: 3702 };
/** UDP may lose a probe. */
const probes = 2;
const maxDevices = 200;

/** @returns what answered, and why an interface could not be used */
export async function discover({ signal, waitMs = 3_000, target = group }: DiscoveryOptions): Promise<{
  readonly devices: readonly Discovered[];
  readonly faults: readonly string[];
}> {
  const found = new Map<string, Discovered>();
  const faults: string[] = [];
  const sockets = await Promise.all(
    (target === group ? localAddresses() : ['0.0.0.0']).map((local) =>
      openSocket(local, target === group).catch((error: Error) => {
        faults.push(`${local}: ${error.message}`);
        return undefined;
      }),
    ),
  );
  const open = sockets.filter((socket) => socket !== undefined);
  for (const socket of open) {
    socket.on('error', (error) => void faults.push(error.message));
    socket.on('message', (message) => {
      for (const device of devicesIn(message.toString('utf8')))
        if (found.size < maxDevices) found.set(device.address, device);
    });
  }
  try {
    for (let sent = 0; sent < probes; sent++) {
      for (const socket of open) socket.send(probe(), target.port, target.address);
      await sleep(waitMs / probes, undefined, { signal });
    }
  } finally {
    for (const socket of open) socket.close();
  }
  return { devices: [...found.values()], faults };
}

/** IPv4 addresses of the networks of this machine. */
function localAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}

function openSocket(local: string, isMulticast: boolean): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(0, local, () => {
      try {
        if (isMulticast) {
          socket.setMulticastInterface(local);
          socket.setMulticastTTL(1);
        }
        socket.removeAllListeners('error');
        resolve(socket);
      } catch (error) {
        socket.close();
        reject(error);
      }
    });
  });
}

const probe = () => `<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:${randomUUID()}</w:MessageID><w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header><e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>`;

/** The devices in an answer; none if it is not one. */
function devicesIn(text: string): Discovered[] {
  const matches = childNamed(parseXml(text), 'Envelope', 'Body', 'ProbeMatches', 'ProbeMatch');
  return (Array.isArray(matches) ? matches : [matches]).flatMap((match) => {
    const addresses = textOf(childNamed(match, 'XAddrs')).split(/\s+/);
    // Some devices list addresses of IPv6 first, which need the name of an interface.
    const usable = addresses.filter((address) => /^https?:\/\/[^\s[\]]+$/i.test(address));
    const address = usable[0];
    if (address === undefined || !URL.canParse(address)) return [];
    const scopes = textOf(childNamed(match, 'Scopes')).split(/\s+/);
    const scope = (kind: string) => scopeValue(scopes, kind);
    const name = [...new Set([scope('name'), scope('hardware')])].filter((part) => part !== '').join(' ');
    return [{ name: name || new URL(address).hostname, address }];
  });
}

/** ONVIF Core clause 7.3.2.2: `onvif://www.onvif.org/name/AXIS%20M1065`. */
function scopeValue(scopes: readonly string[], kind: string): string {
  const prefix = `onvif://www.onvif.org/${kind}/`;
  const value = scopes.find((scope) => scope.toLowerCase().startsWith(prefix))?.slice(prefix.length) ?? '';
  try {
    return decodeURIComponent(value).slice(0, 100);
  } catch {
    return value.slice(0, 100);
  }
}
