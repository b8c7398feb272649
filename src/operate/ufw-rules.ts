/** Rules of a local ufw, to be mentioned: read from its own files, since running it needs its whole environment. */
import * as fs from 'node:fs';
import * as path from 'node:path';

/** One of ufw's rules for what comes in: a row of ours that means the same, or its own words and why there is none. */
export type UfwRule = { readonly row: string } | { readonly words: string; readonly why: string };

/** ufw's rules, in order; null where ufw is missing, off, or its files cannot be read. */
export function readUfwRules(directory = '/etc/ufw'): UfwRule[] | null {
  const configuration = readOptional(path.join(directory, 'ufw.conf'));
  if (configuration === null || !/^\s*ENABLED\s*=\s*"?yes"?\s*$/im.test(configuration)) return null;
  const texts = ['user.rules', 'user6.rules'].map((name) => readOptional(path.join(directory, name)));
  if (texts.every((text) => text === null)) return null;
  const [ipv4, ipv6] = texts.map((text) => (text ?? '').split('\n').flatMap(parseUfwTuple));
  // A rule for both families stands in both files; one without an address that stands in one is of that family alone.
  const only = (family: string, other: readonly UfwRule[]) => {
    const both = new Set(other.map((rule) => JSON.stringify(rule)));
    return (rule: UfwRule): UfwRule =>
      'row' in rule && !both.has(JSON.stringify(rule)) && !/[.:]/.test(addressesOf(rule.row))
        ? { row: `${rule.row} family ${family}` }
        : rule;
  };
  const rules = [...ipv4.map(only('ipv4', ipv6)), ...ipv6.map(only('ipv6', ipv4))];
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

/** What a row says after `from` and `to`. */
function addressesOf(row: string): string {
  return [...row.matchAll(/\b(?:from|to) (\S+)/g)].map(([, address]) => address).join(' ');
}

/**
 * One line of ufw's rule files: `### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in`, its fields being action,
 * protocol, destination port, destination, source port, source, then (for profiles) two names, then direction. Anything
 * else, and rules for what goes out, is an empty list.
 */
export function parseUfwTuple(line: string): UfwRule[] {
  const match =
    /^### tuple ### (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)(?: \S+ \S+)? (in(?:_\S+)?)(?: comment=\S*)?\s*$/.exec(line);
  if (!match) return [];
  const [, action, protocol, port, to, fromPort, from, direction] = match;
  const words = line.replace(/^### tuple ### | comment=\S*|\s+$/g, '');
  if (action.startsWith('route:')) return [{ words, why: 'is for forwarded packets alone' }];
  if (direction !== 'in') return [{ words, why: `is for ${direction.slice('in_'.length)} alone` }];
  const everywhere = (address: string): string => (/^(0\.0\.0\.0|::)\/0$/.test(address) ? 'any' : address);
  const verdict = action.split('_')[0];
  const simple = everywhere(to) === 'any' && everywhere(from) === 'any' && fromPort === 'any' && port !== 'any';
  if (simple) return [{ row: `${verdict} ${port}${protocol === 'any' ? '' : `/${protocol}`}` }];
  const row = [verdict, 'from', everywhere(from)];
  if (fromPort !== 'any') row.push('port', fromPort);
  row.push('to', everywhere(to));
  if (port !== 'any') row.push('port', port);
  if (protocol !== 'any') row.push('proto', protocol);
  return [{ row: row.join(' ') }];
}

function readOptional(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
