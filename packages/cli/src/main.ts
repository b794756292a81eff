#!/usr/bin/env node
import { MeridianError } from '@meridian/protocol';
import { Command } from 'commander';
import { registerUp } from './commands/up.ts';

const program = new Command('meridian')
  .description('Start a local cluster; look at nodes, rooms and relays of a running one.')
  .showHelpAfterError();
registerUp(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof MeridianError)) throw error;
  console.error(`meridian: ${error.message} [${error.code}]`);
  process.exitCode = 2;
}
