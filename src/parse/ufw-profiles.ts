/** Application profiles of ufw, as guides for new servers name them: what to write instead. */
import { type Problem, quote, refuse } from './finding';

const WEB = '80/tcp or 80,443/tcp';

/** By their names in lower case, those that Debian's packages bring; of some that have several, the first word too. */
const PROFILES: Readonly<Record<string, string>> = {
  apache: WEB,
  'apache full': '80,443/tcp',
  'apache secure': '443/tcp',
  bind9: '53',
  cups: '631',
  dovecot: '143/tcp or 993/tcp',
  'dovecot imap': '143/tcp',
  'dovecot pop3': '110/tcp',
  'dovecot secure imap': '993/tcp',
  'dovecot secure pop3': '995/tcp',
  nginx: WEB,
  'nginx full': '80,443/tcp',
  'nginx http': '80/tcp',
  'nginx https': '443/tcp',
  openssh: '22/tcp',
  postfix: '25/tcp',
  'postfix smtps': '465/tcp',
  'postfix submission': '587/tcp',
  samba: '137,138/udp and 139,445/tcp, a row each',
  www: WEB,
  'www cache': '8080/tcp',
  'www full': '80,443/tcp',
  'www secure': '443/tcp',
};

/** The longest name with which the words begin, and how many of them it is; undefined where they begin with none. */
export function profileOf(words: readonly string[]): { readonly words: number; readonly problem: Problem } | undefined {
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const name = words.slice(0, count).join(' ');
    const key = name.toLowerCase();
    if (!Object.hasOwn(PROFILES, key)) continue;
    const message = `${quote(name)} is an application profile of ufw, which sluice does not read`;
    return { words: count, problem: refuse('parse/port', message, `write ${PROFILES[key]}`) };
  }
  return undefined;
}
