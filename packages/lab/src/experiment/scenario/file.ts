import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeridianError } from '@meridian/protocol';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { Scenario } from './schema.ts';

/** Where the scenarios of this package are. */
export const SCENARIOS_DIR = fileURLToPath(new URL('../../../scenarios', import.meta.url));

/** Problems named at once: enough to mend a file, few enough to read. */
const MOST_PROBLEMS = 20;

type Place = readonly PropertyKey[];

/** @throws MeridianError `config-invalid` that names the file, and line and path of everything that is wrong. */
export function parseScenario(text: string, file: string): Scenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    // yaml's messages say line and column themselves.
    throw refused(
      file,
      document.errors.slice(0, MOST_PROBLEMS).map((error) => error.message.split('\n')[0] ?? ''),
    );
  }
  const result = Scenario.safeParse(document.toJS());
  if (!result.success) {
    const issues = result.error.issues.flatMap(mostTelling).slice(0, MOST_PROBLEMS);
    throw refused(
      file,
      issues.map(({ path, message }) => {
        const where = path.length === 0 ? '' : `, ${path.map(String).join('.')}`;
        return `line ${lineOf(document, lines, path)}${where}: ${message}`;
      }),
      issues.flatMap(({ code }) => code ?? []),
    );
  }
  const expected = basename(file, extname(file));
  if (result.data.name !== expected) {
    throw refused(file, [
      `line ${lineOf(document, lines, ['name'])}, name: must be "${expected}", as the file is called`,
    ]);
  }
  return result.data;
}

/** @throws MeridianError `config-invalid`; what reading the file throws. */
export async function readScenario(file: string): Promise<Scenario> {
  return parseScenario(await readFile(file, 'utf8'), file);
}

function refused(file: string, problems: readonly string[], codes: readonly string[] = []): MeridianError {
  return new MeridianError('config-invalid', {
    message: `${file}:\n${problems.map((one) => `  - ${one}`).join('\n')}`,
    details: { problems, codes },
  });
}

interface Problem {
  readonly path: Place;
  readonly message: string;
  /** Of problems that have one, stable. */
  readonly code?: string;
}

/** Of alternatives none of which fits, the one that was evidently meant: whose problems lie deepest. */
function mostTelling(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0)
    return [{ path: issue.path, message: issue.message, ...codeOf(issue) }];
  const alternatives = issue.errors.map((errors) => errors.flatMap(mostTelling));
  const depth = (problems: readonly Problem[]) => Math.max(0, ...problems.map(({ path }) => path.length));
  const meant = alternatives.reduce((best, one) =>
    depth(one) > depth(best) || (depth(one) === depth(best) && one.length < best.length) ? one : best,
  );
  return meant.map(({ path, message }) => ({ path: [...issue.path, ...path], message }));
}

function codeOf(issue: z.core.$ZodIssue): { code?: string } {
  const code: unknown = issue.code === 'custom' ? issue.params?.code : undefined;
  return typeof code === 'string' ? { code } : {};
}

/** The line of a value, or of the nearest thing around it where it is missing. From 1. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Place): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
