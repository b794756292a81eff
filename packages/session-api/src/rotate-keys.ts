import { resolve } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { isMeridianError, readConfig } from '@meridian/protocol';
import { keyLifetimesOf, settings } from './config.ts';
import { rotateKeys } from './tokens/rotate.ts';

const HELP = `usage: pnpm --filter @meridian/session-api rotate-keys [--now] [--revoke <key id>]...

Puts a new signing key into MERIDIAN_KEYS_DIR. Running instances follow without a restart: the new key is
published at once, signs after MERIDIAN_KEY_PUBLISH_AHEAD_S, and the old one stays valid until the last token it
signed has expired; keys that are past that are removed.

  --now              the new key signs at once (nodes read the keys again when they meet an unknown one)
  --revoke <key id>  remove a key that leaked: every token it signed is refused from now on
`;

const say = (line: string) => process.stdout.write(`${line}\n`);

try {
  const { values } = parseArgs({
    options: {
      now: { type: 'boolean', default: false },
      revoke: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) say(HELP);
  else {
    // Only what concerns keys: the command works without the settings of Redis.
    const config = readConfig(
      {
        keysDir: settings.keysDir,
        keyPublishAheadS: settings.keyPublishAheadS,
        keysRefreshMs: settings.keysRefreshMs,
        accountTokenTtlS: settings.accountTokenTtlS,
        guestTokenTtlS: settings.guestTokenTtlS,
        sessionTokenTtlS: settings.sessionTokenTtlS,
        roomTokenTtlS: settings.roomTokenTtlS,
      },
      process.env,
      'MERIDIAN_KEY',
    );
    const nowMs = Date.now();
    const { created, retired, revoked } = await rotateKeys({
      // pnpm runs scripts in the package's folder; relative paths are meant from where the operator stands.
      keysDir: resolve(process.env.INIT_CWD ?? '.', config.keysDir),
      lifetimes: keyLifetimesOf(config),
      nowMs,
      publishAheadMs: values.now ? 0 : config.keyPublishAheadS * 1_000,
      revoke: values.revoke,
    });
    const when = created.signsFromMs <= nowMs ? 'now' : `from ${new Date(created.signsFromMs).toISOString()}`;
    say(`new key ${created.kid}, signs ${when}`);
    for (const kid of retired) say(`removed ${kid}: nothing it signed is valid any more`);
    for (const kid of revoked) say(`revoked ${kid}: what it signed is refused from now on`);
  }
} catch (error) {
  const expected = isMeridianError(error) || (error instanceof TypeError && 'code' in error);
  process.stderr.write(`${expected ? error.message : inspect(error)}\n`);
  process.exitCode = 2;
}
