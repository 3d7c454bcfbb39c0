import { describe, expect, it } from 'vitest';
import { isVersionRefused, toBrokerError } from '../../../agent/publish/broker-error.ts';
import { isOfMessage, lossReasonOf, refusalReasonOf, toRefusal } from '../../../agent/publish/refusal.ts';

const at = 'broker.local:1883';
const codeOf = (error: unknown, when: 'connecting' | 'connected' = 'connecting') =>
  toBrokerError(error, at, when).code;
const coded = (code: string | number, message = '') => Object.assign(new Error(message), { code });

describe('an error of a broker or a socket', () => {
  it('becomes a code with a remedy', () => {
    expect(codeOf(coded('ECONNREFUSED'))).toBe('broker-unreachable');
    expect(codeOf(coded('ENOTFOUND', 'getaddrinfo ENOTFOUND broker.local'))).toBe('broker-unreachable');
    expect(codeOf(new Error('connack timeout'))).toBe('broker-unreachable');
    expect(codeOf(coded('ECONNRESET'), 'connected')).toBe('broker-lost');
    expect(codeOf(new Error('Keepalive timeout'), 'connected')).toBe('broker-lost');
    expect(codeOf(coded('SELF_SIGNED_CERT_IN_CHAIN'))).toBe('broker-tls-untrusted');
    expect(codeOf(coded('ERR_TLS_CERT_ALTNAME_INVALID'))).toBe('broker-tls-name');
    expect(codeOf(coded('CERT_HAS_EXPIRED'))).toBe('broker-tls-expired');
    expect(codeOf(coded('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'))).toBe('broker-tls-client');
    expect(codeOf(coded('ERR_SSL_WRONG_VERSION_NUMBER'))).toBe('broker-tls');
    for (const reason of [4, 5, 134, 135, 138]) expect(codeOf(coded(reason))).toBe('broker-unauthorized');
    for (const reason of [2, 3, 136, 137]) expect(codeOf(coded(reason))).toBe('broker-refused');
    expect(codeOf(coded(142), 'connected')).toBe('broker-client-taken');
    expect(codeOf(coded(139), 'connected')).toBe('broker-lost');
    expect(toBrokerError(coded('ECONNREFUSED'), at, 'connecting').message).toContain(at);
  });

  it('shows when to try an older version', () => {
    expect(isVersionRefused(toBrokerError(coded(1), at, 'connecting'))).toBe(true);
    expect(isVersionRefused(toBrokerError(coded(132), at, 'connecting'))).toBe(true);
    expect(isVersionRefused(toBrokerError(new Error('hung up'), at, 'connecting'))).toBe(true);
    expect(isVersionRefused(toBrokerError(coded(5), at, 'connecting'))).toBe(false);
    expect(isVersionRefused(toBrokerError(coded('ECONNREFUSED'), at, 'connecting'))).toBe(false);
  });

  it('shows what is refused: a message, its topic, or neither', () => {
    const answered = (code: number) => refusalReasonOf(toRefusal({ code }, at, 'qc/press-3/top/result'));
    const ended = (error: unknown) => lossReasonOf(toBrokerError(error, at, 'connected'));
    const reasons = [135, 144, 149, 151, 153, 128, 0].map(answered);
    expect(reasons).toEqual(['not-authorized', 'topic', 'too-large', 'quota', 'payload', 'other', undefined]);
    expect(reasons.filter((reason) => reason && isOfMessage(reason))).toEqual(['too-large', 'payload']);
    expect([135, 149, 154, 155].map((code) => ended(coded(code)))).toEqual([
      'not-authorized',
      'too-large',
      'retain',
      'qos',
    ]);
    // A closed connection can refer to a message; a shutdown of the broker or a lost link does not.
    expect([new Error('hung up'), coded('ECONNRESET'), coded(128)].map(ended)).toEqual(
      Array(3).fill('disconnected'),
    );
    const unrelated = [new Error('Keepalive timeout'), coded('ETIMEDOUT'), coded(139), coded(142)];
    expect(unrelated.map(ended)).toEqual(Array(4).fill(undefined));
  });
});
