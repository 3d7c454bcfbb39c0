import { beforeEach, describe, expect, it } from 'vitest';
import { statusMessage } from '../../agent/publish/messages.ts';
import { Station } from '../../agent/station.ts';

describe('the state of the station', () => {
  let cameras: { camera: string; up: boolean; reason: string; blocked: string; remarks: string }[];
  let broker: { connected: boolean; reason: string };
  let model: { version: string; fault: string | undefined; notice: string } | undefined;
  let station: Station;

  beforeEach(() => {
    cameras = [{ camera: 'top', up: false, reason: 'connecting', blocked: '', remarks: '' }];
    broker = { connected: false, reason: 'not connected yet' };
    model = undefined;
    station = new Station('1.2.3');
    station.watch({
      recipe: () => 'bolts',
      cameras: () => cameras,
      outbox: () => '',
      broker: () => broker,
      model: () => model,
    });
  });

  const allWell = () => {
    cameras = [{ camera: 'top', up: true, reason: '', blocked: '', remarks: '' }];
    broker = { connected: true, reason: '' };
    model = { version: '2026-11-23.1', fault: undefined, notice: '' };
    station.changed();
  };

  it('is starting until everything has been up at least once', () => {
    expect(station.state).toBe('starting');
    model = { version: 'none', fault: undefined, notice: '' };
    expect(station.state).toBe('starting');
    allWell();
    expect(station.state).toBe('inspecting');
  });

  it('is then degraded whenever something is down, and names it', () => {
    allWell();
    cameras = [{ camera: 'top', up: false, reason: 'refused', blocked: '', remarks: '' }];
    expect(station.state).toBe('degraded');
    expect(station.reasons).toEqual(['camera top: refused']);
    expect(station.checks).toContainEqual({ name: 'camera top', ready: false, reason: 'refused' });
    broker = { connected: false, reason: 'gone' };
    model = { version: 'x', fault: 'its thread died', notice: '' };
    expect(station.reasons).toEqual(['camera top: refused', 'broker: gone', 'model: its thread died']);
  });

  it('is degraded without a head, although everything is up', () => {
    allWell();
    model = { version: 'none', fault: undefined, notice: 'no head' };
    expect(station.state).toBe('degraded');
    expect(station.checks.every(({ ready }) => ready)).toBe(true);
  });

  it('is not ready while a camera delivers outdated frames', () => {
    allWell();
    cameras = [{ camera: 'top', up: true, reason: '', blocked: 'the image is frozen', remarks: '' }];
    expect(station.checks).toContainEqual({
      name: 'camera top',
      ready: false,
      reason: 'the image is frozen',
    });
    expect(station.status).toMatchObject({
      state: 'degraded',
      reasons: ['camera top: the image is frozen'],
      cameras: { top: 'up' },
    });
    allWell();
    expect(station.state).toBe('inspecting');
  });

  it('is degraded but ready while a camera has a condition that does not block', () => {
    allWell();
    cameras = [{ camera: 'top', up: true, reason: '', blocked: '', remarks: 'the video is interlaced' }];
    expect(station.checks.every(({ ready }) => ready)).toBe(true);
    expect(station.status).toMatchObject({
      state: 'degraded',
      reasons: ['camera top: the video is interlaced'],
    });
  });

  it('removes a notice', () => {
    allWell();
    station.notice('parts of top', 'stuck');
    expect(station.status).toMatchObject({ state: 'degraded', reasons: ['stuck'] });
    station.notice('parts of top', '');
    expect(station.state).toBe('inspecting');
  });

  it('notifies its listeners, with the time of the change', () => {
    let told = 0;
    station.onChange(() => told++);
    allWell();
    const { since } = station.status;
    station.calibrating = true;
    expect(station.status.state).toBe('calibrating');
    expect(Date.parse(station.status.since)).toBeGreaterThanOrEqual(Date.parse(since));
    station.stopping();
    expect(station.status.state).toBe('stopping');
    expect(told).toBe(3);
    expect(statusMessage.safeParse(station.status).success).toBe(true);
  });
});
