import { MeridianError } from '@meridian/protocol';
import { Command, CommanderError } from 'commander';
import { registerDrain } from './commands/drain.ts';
import { registerNodes } from './commands/nodes.ts';
import { registerRelays } from './commands/relays.ts';
import { registerRollingUpdate } from './commands/rolling-update.ts';
import { registerRoom } from './commands/room.ts';
import { registerRooms } from './commands/rooms.ts';
import { registerUp } from './commands/up.ts';
import { EXIT, type ExitCode, type Io } from './io.ts';
import { harmless } from './render/table.ts';

function buildProgram(io: Io): Command {
  const program = new Command('meridian')
    .description('Start a local cluster; look at nodes, rooms and relays of a running one, drain its nodes.')
    .configureOutput({ writeOut: (text) => io.out(text.trimEnd()), writeErr: (text) => io.err(text.trimEnd()) })
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride();
  registerUp(program);
  registerNodes(program, io);
  registerRooms(program, io);
  registerRoom(program, io);
  registerRelays(program, io);
  registerDrain(program, io);
  registerRollingUpdate(program, io);
  return program;
}

/** Errors of the command line or the configuration: to be mended by who typed it. */
const USAGE = new Set<string>(['config-invalid', 'bad-request']);

/**
 * Runs one command line (without node's and the script's path). What the project's own errors say is one
 * sentence on stderr; anything else is thrown, since it is a defect of this program.
 */
export async function run(args: readonly string[], io: Omit<Io, 'exit'>): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const exit = (asked: ExitCode) => {
    code = asked;
  };
  try {
    await buildProgram({ ...io, exit }).parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // commander has said what is wrong already; code 0 is --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof MeridianError)) throw error;
    const cause = error.code === 'internal' && error.cause instanceof Error ? ` (${error.cause.message})` : '';
    io.err(`meridian: ${`${error.message}${cause}`.split('\n').map(harmless).join('\n')} [${error.code}]`);
    return USAGE.has(error.code) ? EXIT.usage : EXIT.failed;
  }
}
