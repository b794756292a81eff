import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script; runs on the server in one piece. */
export interface Script {
  /** For metrics and errors, such as `rooms.confirm`. */
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
}

/** Reads src/lua/<file> for each file and puts them together: what several scripts share stands in a file of its own. */
export function loadScript(name: string, ...files: [string, ...string[]]): Script {
  const lua = files.map((file) => readFileSync(new URL(`../lua/${file}`, import.meta.url), 'utf8')).join('\n');
  return { name, lua, sha: createHash('sha1').update(lua).digest('hex') };
}
