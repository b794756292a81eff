#!/usr/bin/env node
import { isMeridianError } from '@meridian/protocol';

interface Subcommand {
  readonly help: string;
  /** Loaded only when it runs. Returns the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Subcommand>> = {
  run: {
    help: 'run an experiment: arms of a scenario against each other, block by block, with a report',
    run: async (args) => (await import('./campaign/commands.ts')).run(args),
  },
  aa: {
    help: 'check the lab: the same arm twice must show no difference',
    run: async (args) => (await import('./campaign/commands.ts')).aa(args),
  },
  known: {
    help: 'check the lab: differences that were put in must be found',
    run: async (args) => (await import('./campaign/commands.ts')).known(args),
  },
  client: {
    help: 'a client of an experiment on real servers, on this machine; started by lab run --client',
    run: async (args) => (await import('./experiment/real/client-command.ts')).client(args),
  },
  report: {
    help: 'evaluate recorded runs of an experiment again: verdict, figures, plots',
    run: async (args) => (await import('./report/command.ts')).report(args),
  },
  load: {
    help: 'many participants in many rooms: joins, media, cost; --find-knee: how many it carries',
    run: async (args) => (await import('./load/command.ts')).load(args),
  },
  'faults': {
    help: 'break real things in a live call and measure who missed what',
    run: async (args) => (await import('./faults/command.ts')).faults(args),
  },
  'fuzz': {
    help: 'mutated frames, tokens, bus messages and records against a running cluster',
    run: async (args) => (await import('./fuzz/command.ts')).fuzzCommand(args),
  },
  'model': {
    help: 'random sequences of joins, kicks, crashes, lost messages against a model',
    run: async (args) => (await import('./model/command.ts')).model(args),
  },
  'soak': {
    help: 'churn over three nodes: does anything grow that should not?',
    run: async (args) => (await import('./soak/command.ts')).soakCommand(args),
  },
  'wan-validate': {
    help: 'measure the WAN emulator against what was asked of it',
    run: async (args) => (await import('./wan/validate/command.ts')).wanValidate(args),
  },
};

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) {
  const list = Object.entries(COMMANDS).map(([one, { help }]) => `  ${one.padEnd(14)} ${help}`);
  const asked = name === '' || name === '--help' || name === '-h';
  if (!asked) console.error(`lab: unknown command "${name}"`);
  console.error(['pnpm lab <command> [--help]', ...list].join('\n'));
  process.exitCode = asked ? 0 : 2;
} else {
  try {
    process.exitCode = await command.run(args);
  } catch (error) {
    const wrongInput =
      isMeridianError(error, 'config-invalid') || error instanceof RangeError || error instanceof TypeError;
    console.error(wrongInput ? `lab ${name}: ${error.message}` : error);
    process.exitCode = 2;
  }
}
