import { describe, expect, it } from 'vitest';
import {
  type ConfigOf,
  configTable,
  flag,
  integer,
  isMeridianError,
  list,
  optionalText,
  readConfig,
  setting,
  text,
  variableOf,
} from '../../src/index.ts';

const settings = {
  httpPort: setting(integer(1, 65_535), 'TCP port to listen on', { fallback: '7080' }),
  nodeId: setting(text, 'name of this node'),
  turnSecret: setting(optionalText, 'shared with coturn', { fallback: '', secret: true }),
  trustProxy: setting(list, 'addresses | networks of proxies', { fallback: '' }),
  allowForcedRegion: setting(flag, 'may clients force a region', { fallback: 'false' }),
};

const problemsOf = (env: Record<string, string>): string => {
  try {
    readConfig(settings, env);
  } catch (error) {
    if (isMeridianError(error, 'config-invalid')) return error.message;
    throw error;
  }
  return '';
};

describe('readConfig', () => {
  it('gives typed values and fills in defaults', () => {
    const config: ConfigOf<typeof settings> = readConfig(settings, {
      MERIDIAN_NODE_ID: 'ams-1',
      MERIDIAN_TRUST_PROXY: '10.0.0.0/8, 127.0.0.1',
      PATH: '/bin',
    });
    expect(config).toEqual({
      httpPort: 7080,
      nodeId: 'ams-1',
      turnSecret: undefined,
      trustProxy: ['10.0.0.0/8', '127.0.0.1'],
      allowForcedRegion: false,
    });
  });

  it('names every wrong variable at once, with what it is for', () => {
    const message = problemsOf({ MERIDIAN_HTTP_PORT: '99999', MERIDIAN_ALLOW_FORCED_REGION: 'yes' });
    expect(message).toContain('MERIDIAN_HTTP_PORT');
    expect(message).toContain('MERIDIAN_NODE_ID is not set: name of this node');
    expect(message).toContain('MERIDIAN_ALLOW_FORCED_REGION: must be true or false');
  });

  it('refuses a variable that belongs to no setting, since it is most likely a typing error', () => {
    expect(problemsOf({ MERIDIAN_NODE_ID: 'a', MERIDIAN_HTP_PORT: '1' })).toContain('MERIDIAN_HTP_PORT is no setting');
  });

  it('never repeats a value, which might be a secret', () => {
    expect(problemsOf({ MERIDIAN_NODE_ID: 'a', MERIDIAN_HTTP_PORT: 'hunter2' })).not.toContain('hunter2');
  });
});

describe('configTable', () => {
  it('has a row per setting, hides secrets and escapes what Markdown would split', () => {
    const table = configTable(settings);
    expect(table.split('\n')).toHaveLength(2 + Object.keys(settings).length);
    expect(table).toContain('| `MERIDIAN_HTTP_PORT` | `7080` | TCP port to listen on |');
    expect(table).toContain('| `MERIDIAN_NODE_ID` | (required) |');
    expect(table).toContain('| `MERIDIAN_TURN_SECRET` | (secret) |');
    expect(table).toContain('addresses \\| networks');
  });

  it('derives the variable from the camel-case name', () => {
    expect(variableOf('rtcAnnouncedAddress')).toBe('MERIDIAN_RTC_ANNOUNCED_ADDRESS');
  });
});
