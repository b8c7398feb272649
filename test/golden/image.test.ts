/** What a person reads of an image, and what a map receives (by digest). SLUICE_UPDATE_GOLDEN=1 rewrites the files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../../src/compile/compile';
import { printImage } from '../../src/compile/print';
import { parseRuleset } from '../../src/parse/parse';

const ROWS = Array.from({ length: 24 }, (_, i) => `    - allow from 78.${i}.0.0/16 to any port ${14000 + 37 * i}`);

const RULESETS: Record<string, string> = {
  'image-one-host': `
version: 1
interfaces: [eth0]
sets: { office: [203.0.113.0/24, "2001:db8:7::/48"] }
inbound:
  default: deny
  ssh: { port: [22, 2222], from: anyone }
  rules:
    - deny from 198.51.100.9
    - allow from office to any port 8000:8080 proto tcp
    - { id: ping, action: allow, proto: icmp, icmp-type: [3, 8], from: 10.0.0.0/8 }
    - { id: later, action: allow, port: 443, enabled: off }
icmp: rules
`,
  'image-first-match': `
version: 1
interfaces: [eth0]
inbound:
  default: allow
  rules: |
    1 Allow 78.168.0.0/16 Port 14141
    2 Deny 0.0.0.0/0 Port 14141
`,
  'image-address-tries': `
version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
${ROWS.join('\n')}
    - deny from 78.0.0.0/8
`,
  'image-port-maps': `
version: 1
interfaces: [eth0]
inbound:
  default: allow
  rules:
${Array.from({ length: 12 }, (_, i) => `    - ${i % 2 === 0 ? 'deny' : 'allow'} ${14336 + 256 * i}:${14336 + 256 * i + 255}/tcp`).join('\n')}
`,
  'image-class-tables': `
version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules:
${Array.from({ length: 14 }, (_, i) => `    - ${i % 3 === 0 ? 'deny' : 'allow'} from ${i < 7 ? 10 : 172}.0.0.0/${8 + (i % 7)} to any port ${1000 * (1 + (i % 4))}:5000 proto ${i % 2 === 0 ? 'tcp' : 'udp'}`).join('\n')}
    - allow from 10.0.0.0/9 port 53 to 128.0.0.0/2 proto udp
    - { action: deny, proto: udp, from-port: 123, to: 128.0.0.0/1 }
    - allow from 172.0.0.0/8
`,
};

test.each(Object.keys(RULESETS))('%s', (name) => {
  const { ruleset, diagnostics } = parseRuleset(RULESETS[name], { file: `${name}.yaml` });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const image = compile(ruleset!);
  const text = `${printImage(image)}\ndigest ${image.digest}\nstats ${JSON.stringify(image.stats, null, 2)}\n`;
  const file = join(__dirname, `${name}.txt`);
  if (process.env.SLUICE_UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});
