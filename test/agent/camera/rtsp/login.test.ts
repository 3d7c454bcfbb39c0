import { describe, expect, it } from 'vitest';
import { readChallenges } from '../../../../agent/camera/rtsp/challenge.ts';
import { Login, schemeOf } from '../../../../agent/camera/rtsp/login.ts';

describe('challenges', () => {
  it('are read from several fields and from one', () => {
    const digest = 'Digest realm="a, \\"b\\" = c", nonce="n==", qop="auth,auth-int", stale=FALSE';
    for (const values of [
      [digest, 'Basic realm="x"'],
      [`${digest}, Basic realm="x"`],
      [`${digest},Basic realm="x",`],
    ]) {
      const [first, second] = readChallenges(values);
      expect(first?.scheme).toBe('digest');
      expect(Object.fromEntries(first!.parameters)).toEqual({
        realm: 'a, "b" = c',
        nonce: 'n==',
        qop: 'auth,auth-int',
        stale: 'FALSE',
      });
      expect(second?.scheme).toBe('basic');
    }
  });

  it('are read despite deviations from the standard', () => {
    const [only, ...more] = readChallenges([
      'DIGEST Realm = "cam",NONCE=abc  ,algorithm = "MD5" junk , opaque="unclosed',
    ]);
    expect(more).toEqual([]);
    expect(Object.fromEntries(only!.parameters)).toEqual({
      realm: 'cam',
      nonce: 'abc',
      algorithm: 'MD5',
      opaque: 'unclosed',
    });
    expect(readChallenges(['', ',,,'])).toEqual([]);
    expect(readChallenges(['NTLM TlRMTVNTUA==']).map(schemeOf)).toEqual(['ntlm']);
  });
});

describe('a log-in', () => {
  // RFC 7616 section 3.9.1
  const given =
    'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const open = () =>
    new Login(
      { user: 'Mufasa', password: 'Circle of Life' },
      () => 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    );

  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('answers like the example of RFC 7616: %s', (algorithm, response) => {
    const login = open();
    expect(login.choose(readChallenges([`Digest ${given}, algorithm=${algorithm}`]))).toBe(true);
    const answer = login.authorization('GET', '/dir/index.html');
    expect(answer).toContain(`response="${response}"`);
    expect(answer).toContain('nc=00000001');
    expect(login.authorization('GET', '/dir/index.html')).toContain('nc=00000002');
  });

  it('chooses the strongest supported method, and no unsupported one', () => {
    const offered = ['Basic realm="x"', 'NTLM', `Digest ${given}`, `Digest ${given}, algorithm=SHA-256-sess`];
    for (const values of [offered, offered.toReversed()]) {
      const login = open();
      login.choose(readChallenges(values));
      expect(login.authorization('GET', '/')).toContain('algorithm=SHA-256-sess');
    }
    const login = open();
    expect(login.choose(readChallenges(['NTLM', 'Digest nonce="x", algorithm=SHA-999']))).toBe(false);
    expect(login.authorization('GET', '/')).toBeUndefined();
    expect(login.choose(readChallenges(['Digest nonce="x", qop="auth-conf"']))).toBe(false);
  });

  it('continues with the next nonce of the camera', () => {
    const login = open();
    login.choose(readChallenges([`Digest ${given}`]));
    login.authorization('GET', '/');
    login.informed('qop=auth, rspauth="0", nextnonce="following"');
    expect(login.authorization('GET', '/')).toMatch(/nonce="following".*nc=00000001/);
  });

  it('hashes or encodes a name if the camera requires it', () => {
    const user = { user: 'Jäsøn', password: 'x' };
    const charset = new Login(user);
    charset.choose(readChallenges([`Digest ${given}, charset=UTF-8`]));
    expect(charset.authorization('GET', '/')).toContain("username*=UTF-8''J%C3%A4s%C3%B8n,");
    const hidden = new Login(user);
    hidden.choose(readChallenges([`Digest ${given}, charset=UTF-8, userhash=true`]));
    expect(hidden.authorization('GET', '/')).toMatch(/username="[0-9a-f]{32}".*userhash=true/);
  });
});
