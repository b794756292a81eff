import { configTable, readConfig } from '@meridian/protocol';
import { checkConfig, createLogger, settings } from '@meridian/sfu-node';
import { describe, expect, test } from 'vitest';

const LEAST = {
  MERIDIAN_NODE_ID: 'ams-1',
  MERIDIAN_REGION: 'eu-west',
  MERIDIAN_LATITUDE: '52.37',
  MERIDIAN_LONGITUDE: '4.9',
  MERIDIAN_PUBLIC_WS_URL: 'wss://ams.example.org/ws',
  MERIDIAN_PUBLIC_PROBE_URL: 'https://ams.example.org/probe',
  MERIDIAN_JWKS_URL: 'https://example.org/.well-known/jwks.json',
  MERIDIAN_REDIS_URL: 'redis://127.0.0.1:6379',
};

describe('the configuration of a node', () => {
  test('needs to know who and where the node is, and nothing else', () => {
    expect(checkConfig(readConfig(settings, LEAST))).toMatchObject({ nodeId: 'ams-1', maxSessions: 500 });
    for (const variable of Object.keys(LEAST)) {
      const { [variable]: _, ...rest } = LEAST as Record<string, string>;
      expect(() => readConfig(settings, rest)).toThrow(variable);
    }
  });

  test.each([
    ['MERIDIAN_NODE_ID', 'Ams 1'],
    ['MERIDIAN_LATITUDE', '91'],
    ['MERIDIAN_PUBLIC_WS_URL', 'https://ams.example.org/ws'],
    ['MERIDIAN_ISSUER', 'meet.example.org'],
    ['MERIDIAN_ISSUER', 'https://meet.example.org/path'],
    ['MERIDIAN_WORKERS', 'many'],
    ['MERIDIAN_WORKRES', '2'],
  ])('refuses %s=%s with a sentence', (variable, value) => {
    expect(() => readConfig(settings, { ...LEAST, [variable]: value })).toThrow(variable);
  });

  test('refuses settings that do not fit together', () => {
    const read = (env: Record<string, string>) => () => checkConfig(readConfig(settings, { ...LEAST, ...env }));
    expect(read({ MERIDIAN_PIPE_PORT_MIN: '42000', MERIDIAN_PIPE_PORT_MAX: '41000' })).toThrow('no port is left');
    expect(read({ MERIDIAN_PING_EVERY_MS: '6000', MERIDIAN_DEAD_AFTER_MS: '10000' })).toThrow('one lost ping');
  });

  test('takes the issuer in the form in which the session service writes it into tokens', () => {
    const issuerOf = (MERIDIAN_ISSUER: string) => readConfig(settings, { ...LEAST, MERIDIAN_ISSUER }).issuer;
    expect(issuerOf('https://meet.example.org/')).toBe('https://meet.example.org');
    expect(issuerOf('https://meet.example.org')).toBe('https://meet.example.org');
    expect(issuerOf('')).toBeUndefined();
    expect(readConfig(settings, LEAST).issuer).toBeUndefined();
  });

  test('has a table in which secrets are not shown', () => {
    const table = configTable(settings);
    expect(table).toContain('| `MERIDIAN_NODE_ID` | (required) |');
    expect(table).toMatch(/`MERIDIAN_REDIS_URL` \| \(secret\)/);
  });
});

describe('the log', () => {
  test('never holds a token or a key', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', name: 'test' }, { write: (line) => lines.push(line) });
    const secret = 'very-secret-value';

    log.info({ token: secret, data: { roomToken: secret }, endpoint: { srtpParameters: { keyBase64: secret } } }, 'a');
    log.info({ req: { headers: { 'authorization': secret, 'sec-websocket-protocol': secret } } }, 'b');
    log.info({ headers: { 'sec-websocket-protocol': secret } }, 'c');

    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain(secret);
    expect(lines.join('')).toContain('[redacted]');
  });
});
