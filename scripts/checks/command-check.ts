import { type CommandOptions, command, tail } from './command.ts';
import { failure, type Outcome, pass } from './outcome.ts';

/** A command that passes by ending with 0; its output is shown when it does not. */
export async function commandCheck(
  name: string,
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Outcome> {
  const result = await command(file, args, options);
  if (result.timedOut) return failure(name, `not done within ${options.limitMs / 1_000} s\n${tail(result.output)}`);
  if (result.code !== 0) return failure(name, `exit code ${result.code}\n${tail(result.output)}`);
  return pass;
}
