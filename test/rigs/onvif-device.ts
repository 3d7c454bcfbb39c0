/** An ONVIF device on loopback: answers WS-Discovery over UDP and SOAP over HTTP, and checks the log-in as clause 5.9.4 says. */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface OnvifDevice extends AsyncDisposable {
  /** Where it hears probes. */
  readonly discovery: { readonly address: string; readonly port: number };
  /** Address of its service. */
  readonly address: string;
}

export interface OnvifDeviceOptions {
  readonly user: string;
  readonly password: string;
  /** Of its streams, as it names them. */
  readonly streams: readonly string[];
  /** How far its clock is ahead, ms; it refuses log-ins of another time. */
  readonly clockMs?: number;
}

export async function openOnvifDevice(options: OnvifDeviceOptions): Promise<OnvifDevice> {
  const { user, password, streams, clockMs = 0 } = options;
  const web = createServer(async (request, response) => {
    const asked = await text(request);
    const answer = (status: number, body: string) =>
      response
        .writeHead(status, { 'content-type': 'application/soap+xml' })
        .end(
          `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>${body}</s:Body></s:Envelope>`,
        );
    if (asked.includes('GetSystemDateAndTime')) {
      const at = new Date(Date.now() + clockMs);
      return answer(
        200,
        `<t:GetSystemDateAndTimeResponse><t:SystemDateAndTime><t:UTCDateTime><t:Time><t:Hour>${at.getUTCHours()}</t:Hour><t:Minute>${at.getUTCMinutes()}</t:Minute><t:Second>${at.getUTCSeconds()}</t:Second></t:Time><t:Date><t:Year>${at.getUTCFullYear()}</t:Year><t:Month>${at.getUTCMonth() + 1}</t:Month><t:Day>${at.getUTCDate()}</t:Day></t:Date></t:UTCDateTime></t:SystemDateAndTime></t:GetSystemDateAndTimeResponse>`,
      );
    }
    if (!isLoggedIn(asked)) {
      return answer(
        400,
        '<s:Fault><s:Code><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code></s:Fault>',
      );
    }
    if (asked.includes('GetCapabilities')) {
      // The address that the device has behind a router.
      const media = `http://192.0.2.1:${(web.address() as AddressInfo).port}/media`;
      return answer(
        200,
        `<t:GetCapabilitiesResponse><t:Capabilities><x:Media><x:XAddr>${media}</x:XAddr></x:Media></t:Capabilities></t:GetCapabilitiesResponse>`,
      );
    }
    if (asked.includes('GetProfiles')) {
      const profiles = streams.map(
        (_, index) =>
          `<t:Profiles token="p&amp;${index}"><x:Name>stream ${index + 1}</x:Name><x:VideoEncoderConfiguration token="v"><x:Encoding>H264</x:Encoding><x:Resolution><x:Width>${1280 >> index}</x:Width><x:Height>${720 >> index}</x:Height></x:Resolution></x:VideoEncoderConfiguration></t:Profiles>`,
      );
      return answer(200, `<t:GetProfilesResponse>${profiles.join('')}</t:GetProfilesResponse>`);
    }
    const index = Number(/p&#38;(\d)/.exec(asked)?.[1]);
    const uri = (streams[index] ?? '').replaceAll('&', '&amp;');
    return answer(
      200,
      `<t:GetStreamUriResponse><t:MediaUri><x:Uri>${uri}</x:Uri></t:MediaUri></t:GetStreamUriResponse>`,
    );
  });

  function isLoggedIn(asked: string): boolean {
    const value = (name: string) => new RegExp(`<${name}(?: [^>]*)?>([^<]*)<`).exec(asked)?.[1] ?? '';
    const created = value('Created');
    if (Math.abs(Date.parse(created) - Date.now() - clockMs) > 5_000) return false;
    const digest = createHash('sha1')
      .update(Buffer.from(value('Nonce'), 'base64'))
      .update(created)
      .update(password)
      .digest('base64');
    return value('Username') === user && value('Password') === digest;
  }

  await once(web.listen(0, '127.0.0.1'), 'listening');
  const address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/onvif/device_service`;
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    if (!message.includes('NetworkVideoTransmitter')) return;
    const id = /MessageID>([^<]*)</.exec(message.toString())?.[1];
    socket.send('not XML', from.port, from.address);
    socket.send(
      `<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header><w:RelatesTo>${id}</w:RelatesTo></e:Header><e:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/M1065 onvif://www.onvif.org/name/ACME%20M1065</d:Scopes><d:XAddrs>http://[fe80::1]/onvif/device_service ${address}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>`,
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    discovery: { address: '127.0.0.1', port: socket.address().port },
    address,
    async [Symbol.asyncDispose]() {
      socket.close();
      web.close();
      web.closeAllConnections();
      await once(web, 'close');
    },
  };
}
