/** Rules of a local ufw, to be mentioned: read from its own files, since running it needs its whole environment. */
import * as fs from 'node:fs';
import * as path from 'node:path';

/** Rows of ours for ufw's incoming rules, in order; null where ufw is missing, off, or its files cannot be read. */
export function readUfwRules(directory = '/etc/ufw'): string[] | null {
  const configuration = readOptional(path.join(directory, 'ufw.conf'));
  if (configuration === null || !/^\s*ENABLED\s*=\s*"?yes"?\s*$/im.test(configuration)) return null;
  const files = ['user.rules', 'user6.rules'].map((name) => readOptional(path.join(directory, name)));
  if (files.every((file) => file === null)) return null;
  // A rule for both families stands in both files.
  return [...new Set(files.flatMap((file) => (file ?? '').split('\n').flatMap(parseUfwTuple)))];
}

/**
 * One line of ufw's rule files: `### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in`, its fields being action,
 * protocol, destination port, destination, source port, source, then (for profiles) two names, then direction. Anything
 * else, and rules for other directions, is an empty list.
 */
export function parseUfwTuple(line: string): string[] {
  const match =
    /^### tuple ### (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)(?: \S+ \S+)? (in(?:_\S+)?)(?: comment=\S*)?\s*$/.exec(line);
  if (!match) return [];
  const [, action, protocol, port, to, fromPort, from] = match;
  const everywhere = (address: string): string => (/^(0\.0\.0\.0|::)\/0$/.test(address) ? 'any' : address);
  const verdict = action.split('_')[0];
  const simple = everywhere(to) === 'any' && everywhere(from) === 'any' && fromPort === 'any' && port !== 'any';
  if (simple) return [`${verdict} ${port}${protocol === 'any' ? '' : `/${protocol}`}`];
  const words = [verdict, 'from', everywhere(from)];
  if (fromPort !== 'any') words.push('port', fromPort);
  words.push('to', everywhere(to));
  if (port !== 'any') words.push('port', port);
  if (protocol !== 'any') words.push('proto', protocol);
  return [words.join(' ')];
}

function readOptional(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
