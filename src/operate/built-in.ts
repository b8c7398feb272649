/** The ruleset of last resort: what a boot loads when none that enforced before can be. */
import { compile } from '../compile/compile';
import { parseRuleset } from '../parse/parse';
import type { BuiltInFacts } from './boot-files';
import type { Candidate } from './enforce';
import { configuredSshPorts } from './ssh-server';

/** Stands where the name of a file would; no file can have it, since paths are absolute. */
export const BUILT_IN = '(built-in)';

const DEFAULT_SSH_PORT = 22;

/**
 * Essentials pass, and the last ruleset's keep-reachable, and every SSH port that is known; nothing else comes in. What
 * the machine opens itself passes, with its answers: it must be possible to mend.
 * @param facts of the last ruleset; null where they are lost.
 */
export function builtInRuleset(facts: BuiltInFacts | null, configured = configuredSshPorts): Candidate {
  const known = new Set([...(facts?.sshPorts ?? []), ...configured()]);
  const ports = known.size > 0 ? [...known].sort((a, b) => a - b) : [DEFAULT_SSH_PORT];
  const text = `# The ruleset of last resort: no other could be loaded at boot.
version: 1
inbound: { default: deny, ssh: { port: [${ports.join(', ')}], from: anyone } }
outbound: { default: allow }
logging: low
`;
  const { ruleset: bare, diagnostics } = parseRuleset(text, { file: BUILT_IN });
  if (!bare) throw new Error(`the built-in ruleset is invalid: ${JSON.stringify(diagnostics)}`);
  const ruleset = { ...bare, guard: { keepReachable: facts?.keepReachable ?? [], rules: [] } };
  return { file: BUILT_IN, text, ruleset, image: compile(ruleset) };
}
